"""Bodies too large to hold: ranged answers, and uploads written as they arrive."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Protocol

import anyio
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from openshelf.errors import InvalidRange, InvalidUpload, TooLarge, Unavailable
from openshelf.interfaces.http.accel import handed_over
from openshelf.services.fetch import Content

WRITE_BYTES = 1024 * 1024
STALL_SECONDS = 120.0
# Of all bodies that are on their way into memory at the same time, those of large commits not among them.
MOST_HELD_BYTES = 256 * 1024 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})\Z")


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last-plus-one byte that a Range header asks for, or None for the whole (RFC 9110, 14.2).

    Several ranges, and units other than bytes, are answered with the whole. Raises InvalidRange.
    """
    match = _RANGE.match(header.strip()) if header else None
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(0, size - int(match[2])), size
        if int(match[2]) == 0:
            raise InvalidRange(size)
    else:
        start = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise InvalidRange(size)
    return start, end


async def file_response(request: Request, content: Content, headers: dict[str, str]) -> Response:
    """The file, or the part of it that the request asks for; only headers for HEAD."""
    etag = headers.setdefault("ETag", f'"{content.etag}"')
    headers["Accept-Ranges"] = "bytes"
    if request.headers.get("if-none-match", "") in (etag, "*"):
        return Response(status_code=304, headers=headers)
    wanted = parse_range(request.headers.get("range"), content.size) if content.size else None
    if request.headers.get("if-range", etag) != etag:
        wanted = None
    start, end = wanted or (0, content.size)
    headers["Content-Length"] = str(end - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if given := handed_over(request, content.path, headers):
        return given
    pieces = await to_thread.run_sync(lambda: begun(content.read(start, end)))
    return StreamingResponse(in_threads(pieces), status_code=status, headers=headers)


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first of them read now: a fault in it can be told while no answer has begun.

    A fault in a later one ends the connection before the announced length is reached, so that no client takes the
    answer for whole.
    """
    return _resumed(next(pieces, b""), pieces)


def _resumed(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


async def in_threads(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Draw from a blocking iterator without blocking the event loop; closes it in every case."""
    try:
        while (piece := await to_thread.run_sync(_next, pieces)) is not None:
            yield piece
    finally:
        close: Callable[[], None] | None = getattr(pieces, "close", None)
        if close:
            await to_thread.run_sync(close)


async def receive_into(request: Request, sink: Sink, limit: int, *, exactly: int | None = None) -> int:
    """Write the request's body to ``sink`` in large pieces, off the event loop; returns its size in bytes.

    Raises TooLarge past ``limit`` bytes, InvalidUpload where the client stops early, sends nothing for
    ``STALL_SECONDS``, or sends another amount than ``exactly``.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"This upload has {announced} bytes; at most {limit} are taken here.")
    size, waiting, held = 0, list[bytes](), 0
    try:
        async for piece in _without_stalls(request.stream()):
            size += len(piece)
            if size > limit:
                raise TooLarge(f"This upload has more than the {limit} bytes that are taken here.")
            waiting.append(piece)
            held += len(piece)
            if held >= WRITE_BYTES:
                await to_thread.run_sync(_write_all, sink, waiting)
                waiting, held = [], 0
    except ClientDisconnect:
        raise InvalidUpload("The connection was closed before the upload was complete; send it again.") from None
    if waiting:
        await to_thread.run_sync(_write_all, sink, waiting)
    if exactly is not None and size != exactly:
        raise InvalidUpload(f"{size} bytes arrived where {exactly} were announced; send it again.")
    return size


def _write_all(sink: Sink, pieces: list[bytes]) -> None:
    for piece in pieces:
        sink.write(piece)


async def _without_stalls(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    while True:
        with anyio.move_on_after(STALL_SECONDS) as patience:
            piece = await anext(pieces, None)
        if patience.cancelled_caught:
            raise InvalidUpload(f"Nothing arrived for {STALL_SECONDS:.0f} seconds; send it again.")
        if piece is None:
            return
        yield piece


class HeldBodies:
    """How much of bodies this process holds in memory; anybody may send them, and as slowly as they like."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Raises Unavailable where ``size`` bytes more would be too many."""
        with self._lock:
            if self._held + size > self._most:
                raise Unavailable("The hub is busy with other large requests; send this one again.")
            self._held += size

    def give_back(self, size: int) -> None:
        with self._lock:
            self._held -= size


_HELD = HeldBodies(MOST_HELD_BYTES)


async def read_body(request: Request, limit: int) -> bytes:
    """A body that is held in memory. Raises TooLarge past ``limit`` bytes, Unavailable where too many are held."""
    buffer = bytearray()

    class _Buffer:
        def write(self, data: bytes, /) -> None:
            _HELD.take(len(data))
            buffer.extend(data)

    try:
        await receive_into(request, _Buffer(), limit)
        return bytes(buffer)
    finally:
        _HELD.give_back(len(buffer))


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
