"""FlatBuffers, read by position without a schema compiler; every step is checked against the file.

Source: FlatBuffers, "Internals". The file begins with the place of its root table. A table begins with the distance
back to its vtable, which says for each field how far into the table it stands, 0 where it is left out. Texts, vectors
and tables are referred to by the distance ahead. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

MAX_STEPS = 5_000_000
"""How many numbers of a file are looked at."""
MAX_TEXT = 64 * 1024
MAX_TEXTS = 64 * 1024 * 1024
"""What one text, and all that are asked for, may have: many tables can refer to the same one."""
_BLOCK = 64 * 1024
_BLOCKS = 256


@dataclass(frozen=True, slots=True)
class Vector:
    """``count`` members from the byte ``start`` on."""

    start: int
    count: int


class FlatBuffer:
    """A file of tables, read in blocks of which some are kept. Whatever leads outside raises UnreadableCheckpoint."""

    def __init__(self, file: OpenFile, name: str) -> None:
        self.file, self.name, self.size = file, name, file.size
        self._steps, self._texts = MAX_STEPS, MAX_TEXTS
        self._kept: OrderedDict[int, memoryview] = OrderedDict()

    def root(self) -> Table:
        return Table(self, self.number(0, "<I"))

    def number(self, place: int, code: str) -> int:
        """The integer of a code of ``struct`` at a byte of the file."""
        self._steps -= 1
        if self._steps < 0:
            raise UnreadableCheckpoint(self.name, f"it has more than {MAX_STEPS:,} parts", place)
        width = struct.calcsize(code)
        if not 0 <= place <= self.size - width:
            raise UnreadableCheckpoint(
                self.name,
                f"it refers to byte {place:,}, where {width} bytes should be; it has {self.size:,} bytes",
                min(max(place, 0), self.size),
            )
        number, inside = divmod(place, _BLOCK)
        if inside + width > _BLOCK:
            return int(struct.unpack(code, self.file.read(place, place + width))[0])
        block = self._kept.get(number)
        if block is None:
            start = number * _BLOCK
            block = self._kept[number] = memoryview(self.file.view(start, min(start + _BLOCK, self.size)))
            if len(self._kept) > _BLOCKS:
                self._kept.popitem(last=False)
        return int(struct.unpack_from(code, block, inside)[0])

    def vector(self, place: int, width: int) -> Vector:
        """The vector at ``place``, whose members have ``width`` bytes."""
        count = self.number(place, "<I")
        if place + 4 + count * width > self.size:
            raise UnreadableCheckpoint(self.name, f"a vector of {count:,} members goes past the end of the file", place)
        return Vector(place + 4, count)

    def text(self, place: int) -> str:
        found = self.vector(place, 1)
        self._texts -= found.count
        if found.count > MAX_TEXT or self._texts < 0:
            raise UnreadableCheckpoint(self.name, f"a text of {found.count:,} bytes is more than is read", place)
        return self.file.read(found.start, found.start + found.count).decode("utf-8", "backslashreplace")

    def ahead(self, place: int) -> int:
        """Where the reference at ``place`` leads."""
        return place + self.number(place, "<I")


class Table:
    """A table; a field that is left out has no place."""

    def __init__(self, buffer: FlatBuffer, place: int) -> None:
        self.buffer, self.place = buffer, place
        self._vtable = place - buffer.number(place, "<i")
        self._size = buffer.number(self._vtable, "<H")

    def at(self, field: int) -> int | None:
        """The byte where a field stands."""
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        offset = self.buffer.number(self._vtable + entry, "<H")
        return self.place + offset if offset else None

    def number(self, field: int, code: str, default: int = 0) -> int:
        place = self.at(field)
        return default if place is None else self.buffer.number(place, code)

    def text(self, field: int) -> str:
        place = self.at(field)
        return "" if place is None else self.buffer.text(self.buffer.ahead(place))

    def vector(self, field: int, width: int) -> Vector | None:
        place = self.at(field)
        return None if place is None else self.buffer.vector(self.buffer.ahead(place), width)

    def table(self, field: int) -> Table | None:
        place = self.at(field)
        return None if place is None else Table(self.buffer, self.buffer.ahead(place))

    def tables(self, field: int, most: int) -> list[Table]:
        """A vector of tables. Raises UnreadableCheckpoint where it has more than ``most``."""
        found = self.vector(field, 4)
        if found is None:
            return []
        if found.count > most:
            name, start = self.buffer.name, found.start
            raise UnreadableCheckpoint(name, f"it says to have {found.count:,} of what {most:,} are read of", start)
        return [Table(self.buffer, self.buffer.ahead(found.start + 4 * number)) for number in range(found.count)]

    def numbers(self, field: int, code: str, most: int) -> list[int]:
        """A vector of integers, the first ``most`` of them."""
        width = struct.calcsize(code)
        found = self.vector(field, width)
        if found is None:
            return []
        return [self.buffer.number(found.start + width * number, code) for number in range(min(found.count, most))]
