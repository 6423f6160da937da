"""Local headers of a ZIP archive, which must say what its directory says (APPNOTE 6.3.10, 4.3.7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR_FOLLOWS = 8
_UNKNOWN = 0xFFFFFFFF


class _Described(Protocol):
    """What the directory says of a member."""

    @property
    def name(self) -> bytes: ...
    @property
    def flags(self) -> int: ...
    @property
    def method(self) -> int: ...
    @property
    def crc(self) -> int: ...
    @property
    def stored(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def header(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LocalHeaders:
    """The headers of the archive ``file``, whose data end at ``end``."""

    file: OpenFile
    name: str
    end: int

    def data_place(self, record: _Described) -> int:
        """The byte where the data of a member begin. Raises UnreadableCheckpoint where header and directory differ."""
        place, name = record.header, record.name
        head = self._bytes(place, _LOCAL.size + len(name))
        magic, _, flags, method, _, _, crc, stored, size, of_name, of_extra = _LOCAL.unpack_from(head)
        if magic != b"PK\x03\x04":
            raise UnreadableCheckpoint(self.name, f"its member {name[:200]!r} should begin here", place)
        if of_name != len(name) or head[_LOCAL.size :] != name or method != record.method or (flags ^ record.flags) & 1:
            raise self._differs(record)
        start = place + _LOCAL.size + of_name
        if _UNKNOWN in (stored, size):
            size, stored, _ = zip64_sizes(self._bytes(start, of_extra), size, stored, 0)
        said, known = (crc, stored, size), (record.crc, record.stored, record.size)
        left_open = flags & _DESCRIPTOR_FOLLOWS and all(one in (0, two) for one, two in zip(said, known, strict=True))
        if said != known and not left_open:
            raise self._differs(record)
        return int(start + of_extra)

    def _differs(self, record: _Described) -> UnreadableCheckpoint:
        reason = f"its member {record.name[:200]!r} is described differently here and in the directory"
        return UnreadableCheckpoint(self.name, reason, record.header)

    def _bytes(self, place: int, length: int) -> bytes:
        if place + length > self.end:
            raise UnreadableCheckpoint(self.name, "a member begins past the last of its data", place)
        return self.file.read(place, place + length)


def zip64_sizes(extra: bytes, size: int, stored: int, header: int) -> tuple[int, int, int]:
    """Each value from the ZIP64 extra field (4.5.3) where it says to be there; a value that is not there stays."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            held = extra[place + 4 : place + 4 + length]
            values = [int.from_bytes(held[at : at + 8], "little") for at in range(0, len(held) - 7, 8)]
            values.reverse()
            found = [values.pop() if value == _UNKNOWN and values else value for value in (size, stored, header)]
            return found[0], found[1], found[2]
        place += 4 + length
    return size, stored, header
