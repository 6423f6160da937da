"""Errors as git-lfs reads them: JSON with a ``message``; Hub clients find theirs in the headers."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.people import ANONYMOUS
from openshelf.errors import OpenshelfError, RepoNotFound
from openshelf.interfaces.http.errors import code_of, header_text, headers_of, public_message, status_of

MEDIA_TYPE = "application/vnd.git-lfs+json"
_ADDRESS = re.compile(r"/api/lfs/|(?:/(?:models|datasets|spaces|kernels))?/[^/]+/[^/]+/info/lfs/")
_REALM = 'Basic realm="Openshelf: any user name, and an access token as password"'


def is_for_lfs(path: str) -> bool:
    """Whether an address is one of git-lfs."""
    return bool(_ADDRESS.match(path))


def error_response(request: Request, error: OpenshelfError) -> Response:
    """The answer to a request that failed. A private repo answers as a missing one does."""
    status, message = status_of(error), public_message(error)
    headers = headers_of(error)
    if isinstance(error, RepoNotFound):
        message = "Repository not found"
        if getattr(request.state, "actor", ANONYMOUS).is_anonymous:
            status = 401
    if status == 401:
        headers |= {"LFS-Authenticate": _REALM, "WWW-Authenticate": _REALM}
    code = code_of(error)
    if code:
        headers["X-Error-Code"] = code
    headers["X-Error-Message"] = header_text(message)
    content = {"message": message, "request_id": getattr(request.state, "request_id", "")}
    return JSONResponse(content, status, headers, MEDIA_TYPE)
