"""Stylesheet, scripts and icon: read from the package once, named by their content, kept by browsers for ever.

The one stylesheet is put together from ``static/styles`` in the order of the names, the script of every page from
``static/scripts``; a script that one page alone needs lies in ``static`` itself.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openshelf.errors import NotFound

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of ``static/``. ``address`` changes whenever ``content`` does."""

    address: str
    content: bytes
    packed: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """File name to Asset, for every file of ``static/`` and the two that are put together."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}
    found["openshelf.css"] = _joined("styles", ".css")
    found["openshelf.js"] = b'"use strict";\n' + _joined("scripts", ".js")
    return {name: _asset(name, content) for name, content in found.items()}


def address(name: str) -> str:
    return assets()[name].address


def serve(request: Request) -> Response:
    """The asset at this address. Raises NotFound for one of another version: it must not be cached as this one."""
    path = request.scope["path"]
    asset = next((asset for asset in assets().values() if asset.address == path), None)
    if asset is None:
        raise NotFound("There is no such asset in this version of the hub; reload the page.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _joined(folder: str, suffix: str) -> bytes:
    parts = sorted(path for path in (FOLDER / folder).iterdir() if path.suffix == suffix)
    return b"\n".join(path.read_bytes() for path in parts)


def _asset(name: str, content: bytes) -> Asset:
    mark = hashlib.sha256(content).hexdigest()[:12]
    stem, dot, suffix = name.rpartition(".")
    address = f"/static/{stem}.{mark}.{suffix}"
    return Asset(address, content, gzip.compress(content, 9, mtime=0), _TYPES[dot + suffix])


routes = [Route("/static/{name}", serve)]
