"""Errors as Hub clients read them: a status, ``X-Error-Code``, ``X-Error-Message`` and ``{"error": ...}``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.domain.people import ANONYMOUS
from openshelf.errors import EntryNotFound, OpenshelfError, RepoNotFound
from openshelf.interfaces.http.errors import code_of, header_text, headers_of, public_message, status_of


def error_response(request: Request, error: OpenshelfError) -> Response:
    """The answer to a request that failed. A private repo answers as a missing one does."""
    status, message = status_of(error), public_message(error)
    headers = {**headers_of(error), "X-Error-Message": header_text(message)}
    code = code_of(error)
    if code:
        headers["X-Error-Code"] = code
    if isinstance(error, EntryNotFound) and error.commit:
        headers["X-Repo-Commit"] = error.commit
    if isinstance(error, RepoNotFound):
        headers["X-Error-Message"] = message = "Repository not found"
        if getattr(request.state, "actor", ANONYMOUS).is_anonymous:
            status = 401
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return JSONResponse({"error": message}, status, headers)
