"""Bodies of git: gzip in bounded pieces, clients that stall, sources that are always closed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import anyio
import pytest
from starlette.requests import Request

from openshelf.errors import InvalidUpload, StorageFault, TooLarge
from openshelf.interfaces.git import streams
from openshelf.interfaces.git.pkt_lines import Incomplete, PacketReader, band, error_packet, packet
from openshelf.interfaces.git.streams import Gunzip, StreamedAnswer
from openshelf.interfaces.http import bodies

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.3"}}


class Sink:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes, /) -> None:
        self.pieces.append(data)


def test_a_small_request_that_unpacks_to_much_is_stopped_early() -> None:
    sink = Sink()
    unpacking = Gunzip(sink, 5_000_000)
    with pytest.raises(TooLarge):
        unpacking.write(gzip.compress(bytes(100_000_000)))
    assert sum(len(piece) for piece in sink.pieces) <= 5_000_000
    assert max(len(piece) for piece in sink.pieces) <= 1024 * 1024


def test_gzip_in_single_bytes() -> None:
    sink, content = Sink(), b"some text " * 1000
    unpacking = Gunzip(sink, 100_000)
    for value in gzip.compress(content):
        unpacking.write(bytes([value]))
    unpacking.check_end()
    assert b"".join(sink.pieces) == content
    with pytest.raises(InvalidUpload):
        unpacking.write(b"more")


def test_what_is_no_gzip_or_is_cut_short() -> None:
    with pytest.raises(InvalidUpload, match="cannot be unpacked"):
        Gunzip(Sink(), 100).write(zlib.compress(b"zlib, not gzip"))
    cut = Gunzip(Sink(), 100)
    cut.write(gzip.compress(b"text")[:-1])
    with pytest.raises(InvalidUpload, match="ends too early"):
        cut.check_end()


def test_packets_in_single_bytes_and_long_bands() -> None:
    reader, found = PacketReader(), []
    for value in packet("one") + b"0000" + packet(b""):
        reader.feed(bytes([value]))
        try:
            found.append(reader.next())
        except Incomplete:
            continue
    assert found == [b"one", None, b""]
    pieces = list(band(1, b"x" * 200_000))
    assert len(pieces) == 4
    assert max(len(piece) for piece in pieces) == 65_520
    assert len(error_packet("x" * 100_000)) < 65_520


class _Source:
    """Pieces without end, and whether they were closed."""

    closed = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x" * 1000
                await anyio.sleep(0)  # noqa: ASYNC115 - as a source that really waits
        finally:
            self.closed = True


async def _never() -> MutableMapping[str, Any]:
    await anyio.sleep_forever()
    raise AssertionError


def test_a_client_that_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALL_SECONDS", 0.1)
    source, after = _Source(), []

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    async def ended() -> None:
        after.append(source.closed)

    async def main() -> None:
        with anyio.fail_after(5):
            answer = StreamedAnswer(source.pieces(), media_type="text/plain", headers={}, after=ended)
            await answer(SCOPE, _never, send)

    anyio.run(main)
    assert after == [True]


def test_a_client_that_leaves_ends_the_source() -> None:
    source = _Source()

    async def main() -> None:
        begun = anyio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                begun.set()

        async def receive() -> MutableMapping[str, Any]:
            await begun.wait()
            return {"type": "http.disconnect"}

        with anyio.fail_after(5):
            await StreamedAnswer(source.pieces(), media_type="text/plain", headers={})(SCOPE, receive, send)

    anyio.run(main)
    assert source.closed


def test_a_fault_in_the_middle_breaks_the_answer_off() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"x"
        raise StorageFault("broken")

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message.get("more_body", True), "an answer that was broken off must not look complete"

    async def main() -> None:
        await StreamedAnswer(pieces(), media_type="text/plain", headers={})(SCOPE, _never, send)

    with pytest.raises(StorageFault):
        anyio.run(main)


def test_an_upload_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.1)
    messages = iter([{"type": "http.request", "body": b"abc", "more_body": True}])

    async def receive() -> MutableMapping[str, Any]:
        for message in messages:
            return message
        return await _never()

    async def main() -> None:
        with anyio.fail_after(5):
            await bodies.receive_into(Request({**SCOPE, "method": "PUT"}, receive), Sink(), 1000)

    with pytest.raises(InvalidUpload, match="Nothing arrived"):
        anyio.run(main)
