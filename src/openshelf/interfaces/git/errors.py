"""Errors as git shows them: plain text, which it prints behind ``remote:``."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from openshelf.domain.people import ANONYMOUS
from openshelf.errors import AccessDenied, NotFound, OpenshelfError, RepoNotFound
from openshelf.interfaces.git.pkt_lines import error_packet
from openshelf.interfaces.http.errors import headers_of, public_message, status_of

ASK_FOR_TOKEN = {"WWW-Authenticate": 'Basic realm="Openshelf: any user name, and an access token as password"'}
_ADDRESS = re.compile(
    r"(?:/(?:models|datasets|spaces|kernels))?/[^/]+/[^/]+/(?:info/refs|git-upload-pack|git-receive-pack)\Z"
)
NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Expires": "Fri, 01 Jan 1980 00:00:00 GMT"}


def is_for_git(path: str) -> bool:
    """Whether an address is one that git asks for."""
    return bool(_ADDRESS.match(path))


def error_response(request: Request, error: OpenshelfError) -> Response:
    """The answer to a request that failed. A private repo answers as a missing one does."""
    status, message = status_of(error), public_message(error)
    if isinstance(error, RepoNotFound):
        message = "Repository not found. If it is private, sign in with a token that may read it."
        if getattr(request.state, "actor", ANONYMOUS).is_anonymous:
            status = 401
    headers = {**headers_of(error), **NO_CACHE}
    if status == 401:
        headers |= ASK_FOR_TOKEN
    elif _is_fetch(request) and not isinstance(error, AccessDenied | NotFound):
        # git shows no text of a failed POST, but it does show this.
        return Response(error_packet(message), 200, headers, "application/x-git-upload-pack-result")
    return PlainTextResponse(message + "\n", status, headers)


def _is_fetch(request: Request) -> bool:
    path: str = request.scope["path"]
    return request.method == "POST" and path.endswith("/git-upload-pack")
