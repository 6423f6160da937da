"""The bytes of xorbs, for whoever holds an address that was signed for just these bytes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from openshelf.errors import Forbidden, Invalid, InvalidRange, StorageFault
from openshelf.interfaces.http.accel import handed_over
from openshelf.interfaces.http.bodies import begun, in_threads
from openshelf.interfaces.http.requests import hub_of
from openshelf.interfaces.xet.requests import hash_of
from openshelf.services import xet_download
from openshelf.services.hub import Hub
from openshelf.services.xet_download import RANGES_PER_ADDRESS
from openshelf.xet.hashes import to_hex

_RANGES = re.compile(r"bytes=\d{1,10}-\d{1,10}(?:,\s*\d{1,10}-\d{1,10})*\Z")
_MOST_HEADER = 40 * RANGES_PER_ADDRESS
_TYPE = "application/octet-stream"
# Whatever is at an address stays the same; its signature ends.
_HEADERS = {"Cache-Control": "private, max-age=3600, immutable", "Accept-Ranges": "bytes"}


async def read_data(request: Request) -> Response:
    """One range as 206, several as multipart/byteranges; nothing without a range (RFC 9110, 14 and 15.3.7)."""
    hub = hub_of(request)
    key = to_hex(hash_of(request.path_params["xorb_hash"]))
    ranges = _ranges(request.headers.get("range"))
    xet_download.check_ranges(hub, hash_of(key), request.query_params.get("s", ""), ranges)
    size = await to_thread.run_sync(hub.storage.xorbs.size, key)
    if size is None:
        raise StorageFault(f"Xorb {key} is missing; run `openshelf fsck`.")
    if any(end > size for _, end in ranges):
        raise InvalidRange(size)
    if len(ranges) > 1:
        return await _multipart(request, hub, key, ranges, size)
    start, end = ranges[0]
    headers = _HEADERS | {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    if request.method == "HEAD":
        return Response(None, 206, headers, _TYPE)
    if given := handed_over(request, hub.storage.xorbs.local_path(key), {**_HEADERS, "Content-Type": _TYPE}):
        return given
    pieces = await to_thread.run_sync(lambda: begun(hub.storage.xorbs.read(key, start, end)))
    return StreamingResponse(in_threads(pieces), 206, headers, _TYPE)


def _ranges(header: str | None) -> list[tuple[int, int]]:
    """The half-open ranges that are asked for. Raises Forbidden without any: no address is for a whole xorb."""
    if header is None:
        raise Forbidden("Send a Range header with one of the ranges that the reconstruction lists for this address.")
    if len(header) > _MOST_HEADER or not _RANGES.match(header):
        raise Invalid("The Range header must list ranges such as bytes=0-99,200-299.")
    pairs = (pair.strip().split("-") for pair in header.removeprefix("bytes=").split(","))
    ranges = [(int(first), int(last) + 1) for first, last in pairs]
    if len(ranges) > RANGES_PER_ADDRESS or any(start >= end for start, end in ranges):
        raise Invalid(f"The Range header must list at most {RANGES_PER_ADDRESS} ranges, none of them empty.")
    return ranges


async def _multipart(request: Request, hub: Hub, key: str, ranges: Sequence[tuple[int, int]], size: int) -> Response:
    boundary = secrets.token_hex(16)
    heads = [
        f"\r\n--{boundary}\r\nContent-Type: {_TYPE}\r\nContent-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode()
        for start, end in ranges
    ]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(end - start for start, end in ranges) + len(tail)
    headers = _HEADERS | {"Content-Length": str(length)}
    media_type = f"multipart/byteranges; boundary={boundary}"
    if request.method == "HEAD":
        return Response(None, 206, headers, media_type)

    def parts() -> Iterator[bytes]:
        for head, (start, end) in zip(heads, ranges, strict=True):
            pieces = hub.storage.xorbs.read(key, start, end)
            yield head + next(pieces)
            yield from pieces
        yield tail

    pieces = await to_thread.run_sync(lambda: begun(parts()))
    return StreamingResponse(in_threads(pieces), 206, headers, media_type)
