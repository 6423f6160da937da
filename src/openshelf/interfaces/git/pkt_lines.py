"""pkt-lines, the framing of git's protocol (gitprotocol-common(5), gitprotocol-pack(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator

from openshelf.errors import InvalidUpload

MAX_PACKET = 65520
FLUSH = b"0000"
_MAX_BAND = MAX_PACKET - 5
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}\Z")


def packet(data: bytes | str) -> bytes:
    """One packet."""
    content = data.encode() if isinstance(data, str) else data
    return b"%04x" % (len(content) + 4) + content


def error_packet(message: str) -> bytes:
    """A packet that makes git stop and print ``message``."""
    return packet(f"ERR {message}"[: MAX_PACKET // 4])


def band(number: int, data: bytes) -> Iterator[bytes]:
    """``data`` on a side band: 1 is the answer, 2 what the person reads."""
    for start in range(0, len(data), _MAX_BAND):
        yield packet(bytes([number]) + data[start : start + _MAX_BAND])


def keep_alive() -> bytes:
    """An empty packet on the first side band."""
    return packet(b"\x01")


class PacketReader:
    """Takes bytes in any pieces and gives packets; None is a flush."""

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0

    def feed(self, data: bytes) -> None:
        self._buffer = self.rest() + data
        self._position = 0

    def rest(self) -> bytes:
        """What was not read yet."""
        return self._buffer[self._position :]

    def next(self) -> bytes | None:
        """The next packet. Raises Incomplete until all of it is there, InvalidUpload where it is malformed."""
        start = self._position + 4
        length = self._buffer[self._position : start]
        if len(length) < 4:
            raise Incomplete
        if not _LENGTH.match(length):
            raise InvalidUpload(f"The request has {length!r} where the length of a packet must be.")
        size = int(length, 16)
        if size == 0:
            self._position = start
            return None
        if not 4 <= size <= MAX_PACKET:
            raise InvalidUpload(f"The request has a packet of {size} bytes; 4 to {MAX_PACKET} are allowed.")
        end = self._position + size
        if len(self._buffer) < end:
            raise Incomplete
        self._position = end
        return self._buffer[start:end]


class Incomplete(Exception):
    """The packet has not arrived as a whole; no error, more bytes are to come."""
