"""How a file is put together: its terms, and the addresses of the bytes they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openshelf.errors import InvalidRange, NotFound, TooLarge
from openshelf.interfaces.http.bodies import parse_range
from openshelf.interfaces.http.requests import base_url, hub_of
from openshelf.interfaces.xet.requests import caller_of, hash_of
from openshelf.services import xet_download
from openshelf.services.xet_download import RANGES_PER_ADDRESS, XetFile
from openshelf.xet.hashes import to_hex
from openshelf.xet.reconstruction import FetchRange, UrlFor, render_v1, render_v2

_MOST_FILES = 1000


def reconstruct_v2(request: Request) -> Response:
    """GET /v2/reconstructions/HASH: an address for each xorb."""
    return _json(render_v2(*_plan(request), RANGES_PER_ADDRESS))


def reconstruct_v1(request: Request) -> Response:
    """GET /v1/reconstructions/HASH: an address for each range of a xorb."""
    return _json(render_v1(*_plan(request)))


def reconstruct_many(request: Request) -> Response:
    """GET /v1/reconstructions?file_id=HASH&file_id=...: those of the files that can be read, whole."""
    hub, caller = hub_of(request), caller_of(request)
    names = list(dict.fromkeys(request.query_params.getlist("file_id")))
    if len(names) > _MOST_FILES:
        raise TooLarge(f"Ask for at most {_MOST_FILES} files at a time; this request names {len(names)}.")
    files: dict[str, Any] = {}
    fetch_info: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            file = xet_download.find(hub, caller, hash_of(name))
        except NotFound:
            continue
        rendered = render_v1(xet_download.reconstruct(hub, file), _address(request))
        files[name] = rendered["terms"]
        for xorb, entries in rendered["fetch_info"].items():
            by_start = fetch_info.setdefault(xorb, {})
            by_start.update((json.dumps(entry["range"]), entry) for entry in entries)
    merged = {xorb: list(entries.values()) for xorb, entries in fetch_info.items()}
    return _json({"files": files, "fetch_info": merged})


def _plan(request: Request) -> tuple[Any, UrlFor]:
    hub, caller = hub_of(request), caller_of(request)
    file = xet_download.find(hub, caller, hash_of(request.path_params["file_hash"]))
    return xet_download.reconstruct(hub, file, _range(request, file)), _address(request)


def _range(request: Request, file: XetFile) -> tuple[int, int] | None:
    header = request.headers.get("range")
    if header and not file.size:
        raise InvalidRange(0)
    return parse_range(header, file.size)


def _address(request: Request) -> Callable[[bytes, Sequence[FetchRange]], str]:
    hub = hub_of(request)
    root = f"{base_url(request)}/xet/g{request.path_params['generation']}/data"

    def address(xorb_hash: bytes, ranges: Sequence[FetchRange]) -> str:
        return f"{root}/{to_hex(xorb_hash)}?s={xet_download.sign_ranges(hub, xorb_hash, ranges)}"

    return address


def _json(value: dict[str, Any]) -> Response:
    content = json.dumps(value, separators=(",", ":")).encode()
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})
