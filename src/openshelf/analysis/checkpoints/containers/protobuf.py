"""The wire format of Protocol Buffers, walked in a file without reading what is skipped.

Source: Protocol Buffers documentation, "Encoding". A message is a row of fields; each has a key (number and wire type,
as a varint) and a value: a varint, 4 or 8 bytes, or a length and that many bytes. What the numbers mean is up to the
caller. Groups (wire types 3 and 4), which no format here uses, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_DEPTH = 100
"""The depth that Google's own parsers stop at."""
MAX_FIELDS = 5_000_000
MAX_BYTES = 64 * 1024 * 1024
"""The longest text or row of numbers that is taken out of a message at once."""
_BLOCK = 64 * 1024
_MOST_HEAD = 20
"""A key and a number or length, as varints of at most 10 bytes each."""


class Field(NamedTuple):
    """One field. ``value`` is its number (unsigned, little-endian for fixed widths); of BYTES it is the length.

    ``start`` and ``end`` are the bytes of the file that the value takes; of BYTES, those after the length.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int


class Wire:
    """A file that holds protobuf messages. It counts the fields that it gives, over all messages of the file."""

    def __init__(self, file: OpenFile, name: str, most_fields: int = MAX_FIELDS) -> None:
        self.file, self.name, self.size = file, name, file.size
        self._left, self._most = most_fields, most_fields
        self._block: bytes | memoryview = b""
        self._from = 0

    def fields(self, start: int, end: int, depth: int = 0) -> Iterator[Field]:
        """The fields of the message in the bytes ``[start, end)``.

        A message inside is walked by a call with the range of its field and ``depth + 1``. Raises UnreadableCheckpoint
        at the byte where a field makes no sense or does not fit, past ``MAX_DEPTH``, and after ``most_fields``.
        """
        if depth > MAX_DEPTH:
            raise UnreadableCheckpoint(self.name, f"messages are nested deeper than {MAX_DEPTH}", start)
        if not 0 <= start <= end <= self.size:
            raise UnreadableCheckpoint(self.name, f"the file ends at byte {self.size:,}, the message later", start)
        place = start
        while place < end:
            self._left -= 1
            if self._left < 0:
                raise UnreadableCheckpoint(self.name, f"it has more than {self._most:,} fields", place)
            head = place
            key, place = self._varint(place, end)
            number, wire = key >> 3, key & 7
            if not 0 < number < 1 << 29:
                raise UnreadableCheckpoint(self.name, f"a field has the number {number:,}, which no field has", head)
            if wire == VARINT:
                begin = place
                value, place = self._varint(place, end)
            elif wire == BYTES:
                value, begin = self._varint(place, end)
                place = begin + value
            elif wire in (FIXED32, FIXED64):
                value, begin, place = 0, place, place + (4 if wire == FIXED32 else 8)
            else:
                raise UnreadableCheckpoint(self.name, f"a field has the wire type {wire}, which is not read", head)
            if place > end:
                raise UnreadableCheckpoint(
                    self.name, f"field {number} goes on to byte {place:,}, its message ends at byte {end:,}", head
                )
            if wire in (FIXED32, FIXED64):
                value = int.from_bytes(self.file.read(begin, place), "little")
            yield Field(number, wire, value, begin, place)

    def content(self, field: Field, most: int = MAX_BYTES) -> bytes:
        """The bytes of a field. Raises UnreadableCheckpoint where it has none, or more than ``most``."""
        if field.wire != BYTES:
            raise UnreadableCheckpoint(self.name, f"field {field.number} is a number where bytes belong", field.start)
        if field.value > most:
            raise UnreadableCheckpoint(
                self.name, f"field {field.number} has {field.value:,} bytes; at most {most:,} are read", field.start
            )
        return self.file.read(field.start, field.end)

    def text(self, field: Field, most: int = 1024 * 1024) -> str:
        """A field as text; bytes that are not UTF-8 are written as ``\\xNN``."""
        return self.content(field, most).decode("utf-8", "backslashreplace")

    def varints(self, field: Field) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """A packed row of varints, as uint64, ``(n,)``; of a single number, that one."""
        if field.wire != BYTES:
            return np.array([field.value], np.uint64)
        content = self.content(field)
        try:
            return unpacked_varints(content)
        except ValueError as error:
            raise UnreadableCheckpoint(self.name, str(error), field.start) from None

    def _varint(self, place: int, end: int) -> tuple[int, int]:
        """The number at ``place``, and the byte after it."""
        at = place - self._from
        if at < 0 or at + _MOST_HEAD > len(self._block):
            self._from, at = place, 0
            self._block = self.file.view(place, min(place + _BLOCK, self.size))
        block = self._block
        if at < len(block) and place < end and (byte := block[at]) < 0x80:
            return byte, place + 1
        value = shift = 0
        for byte in block[at : at + min(10, end - place)]:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if value >> 64:
                    break
                return value, place + shift // 7
        else:
            if shift < 70:
                raise UnreadableCheckpoint(self.name, "a number is cut off by the end of its message", place)
        raise UnreadableCheckpoint(self.name, "a number has more than 64 bits", place)


def signed(value: int) -> int:
    """A varint as the int32 or int64 that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def zigzag(value: int) -> int:
    """A varint as the sint32 or sint64 that it stands for."""
    return (value >> 1) ^ -(value & 1)


def unpacked_varints(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """All varints of ``content``, in which nothing else is. Raises ValueError where one is cut off or too long."""
    raw = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if raw.size and (not ends.size or ends[-1] != raw.size - 1):
        raise ValueError("a packed number is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > 10:
        raise ValueError("a packed number has more than 64 bits")
    found = np.zeros(ends.size, np.uint64)
    for step in range(int(lengths.max(initial=0))):
        live = lengths > step
        part = (raw[starts[live] + step] & 0x7F).astype(np.uint64)
        found[live] |= part << np.uint64(7 * step)
    return found
