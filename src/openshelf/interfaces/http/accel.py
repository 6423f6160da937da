"""Handing stored files to an nginx in front (X-Accel-Redirect), which sends them without this process.

nginx reads the client's Range header itself. It compares If-Range with a tag of its own, and answers ranges that
overlap with the whole file, so such requests stay here.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from openshelf.interfaces.http.requests import hub_of


def handed_over(request: Request, path: Path | None, headers: dict[str, str]) -> Response | None:
    """The answer that makes nginx send the stored file at ``path``; None where this process sends it itself."""
    hub = hub_of(request)
    place = hub.settings.accel_location
    if not place or path is None or request.method != "GET" or "if-range" in request.headers:
        return None
    if "," in request.headers.get("range", ""):
        return None
    try:
        inside = path.relative_to(hub.storage.root).as_posix()
    except ValueError:
        return None
    kept = {name: value for name, value in headers.items() if name not in ("Content-Length", "Content-Range")}
    return Response(None, 200, {**kept, "X-Accel-Redirect": f"{place.rstrip('/')}/{quote(inside)}"})
