"""Errors as Xet clients read them: a status, and ``{"error": message}`` for whoever looks.

Clients repeat a request that ends in 408, 429 or 5xx for minutes and say nothing meanwhile; any other status ends the
work at once. So a fault that another try cannot mend is not a 5xx here.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.errors import OpenshelfError, RepoNotFound, StorageFault, Unsupported
from openshelf.interfaces.http.errors import headers_of, public_message, status_of


def is_for_xet(path: str) -> bool:
    """Whether an address is one of the store's."""
    return path.startswith("/xet/") or path == "/v1/telemetry"


def error_response(request: Request, error: OpenshelfError) -> Response:
    """The answer to a request to the store that failed."""
    gone = isinstance(error, StorageFault | Unsupported | RepoNotFound)
    status, message = 404 if gone else status_of(error), public_message(error)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers_of(error))
    return JSONResponse({"error": message}, status, headers_of(error))
