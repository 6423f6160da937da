"""Request and response bodies of git: gzip taken apart in bounded pieces, and answers that outlive no client."""

from __future__ import annotations

import math
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from openshelf.errors import InvalidUpload, OpenshelfError, TooLarge
from openshelf.interfaces.http.bodies import Sink

STALL_SECONDS = 120.0
_PIECE = 1024 * 1024

log = structlog.get_logger("openshelf.git")


class Gunzip:
    """Passes on what a gzip stream holds. Raises InvalidUpload where it is none, TooLarge past ``limit`` bytes."""

    def __init__(self, sink: Sink, limit: int) -> None:
        self._sink = sink
        self._limit = limit
        self._size = 0
        self._stream = zlib.decompressobj(wbits=31)

    def write(self, data: bytes, /) -> None:
        try:
            while data and not self._stream.eof:
                self._pass(self._stream.decompress(data, _PIECE))
                data = self._stream.unconsumed_tail
        except zlib.error as error:
            raise InvalidUpload(f"The request says that it is gzip, but cannot be unpacked: {error}.") from None
        if self._stream.eof and (data or self._stream.unused_data):
            raise InvalidUpload("The request has bytes after the end of its gzip stream.")

    def check_end(self) -> None:
        """Raises InvalidUpload where the stream was cut short."""
        if not self._stream.eof:
            raise InvalidUpload("The gzip stream of the request ends too early.")

    def _pass(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge(f"The request has more than the {self._limit} bytes that are taken here.")
        if piece:
            self._sink.write(piece)


class StreamedAnswer(StreamingResponse):
    """An answer made while it is sent.

    A client that takes nothing for ``STALL_SECONDS`` is left. Whatever happens, the source is closed and ``after`` run.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        headers: dict[str, str],
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send)
        finally:
            if self._after:
                with anyio.CancelScope(shield=True):
                    await self._after()

    async def stream_response(self, send: Send) -> None:
        with anyio.move_on_after(math.inf) as patience:

            async def sending(message: Message) -> None:
                patience.deadline = anyio.current_time() + STALL_SECONDS
                await send(message)
                patience.deadline = math.inf

            try:
                await super().stream_response(sending)
            except OpenshelfError as error:
                # The answer has begun; to break it off is all that can be done.
                log.error("answer broken off", fault=error.message)
                raise
        if patience.cancelled_caught:
            log.info("client stalled", seconds=STALL_SECONDS)
