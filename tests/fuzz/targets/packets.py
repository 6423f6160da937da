"""pkt-lines of git, and gzip around them."""

from __future__ import annotations

import gzip
import io

from openshelf.errors import OpenshelfError
from openshelf.interfaces.git.pkt_lines import FLUSH, Incomplete, PacketReader, packet
from openshelf.interfaces.git.streams import Gunzip
from openshelf.interfaces.http.errors import status_of
from tests.fuzz.target import Target

_LIMIT = 100_000


def run(data: bytes) -> None:
    whole, pieces = _packets(data, len(data) or 1), _packets(data, 7)
    assert whole == pieces
    sink = io.BytesIO()
    unpacked = Gunzip(sink, _LIMIT)
    try:
        for start in range(0, len(data), 50):
            unpacked.write(data[start : start + 50])
        unpacked.check_end()
    except OpenshelfError as error:
        assert status_of(error) < 500, error
    assert len(sink.getvalue()) <= _LIMIT


def _packets(data: bytes, step: int) -> list[bytes | None]:
    reader, found = PacketReader(), list[bytes | None]()
    try:
        for start in range(0, len(data), step):
            reader.feed(data[start : start + step])
            while True:
                try:
                    found.append(reader.next())
                except Incomplete:
                    break
    except OpenshelfError as error:
        assert status_of(error) < 500, error
    return found


def _seeds() -> list[bytes]:
    line = packet(b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/main\0report-status") + FLUSH + b"PACK"
    return [line, gzip.compress(line), gzip.compress(bytes(200_000))]


TARGET = Target(run, _seeds, memory=8 * 1024 * 1024)
