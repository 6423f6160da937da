"""Reading on from where one is, in blocks that grow: how the headers of binary formats are walked."""

from __future__ import annotations

import struct
from math import prod

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

MAX_READ = 64 * 1024 * 1024
MAX_DIMENSIONS = 64
_MOST_TEXT = 4 * 1024 * 1024
_FIRST_BLOCK = 256 * 1024
_AFTER_SKIP = 512
_MOST_BLOCK = 4 * 1024 * 1024


class Malformed(UnreadableFile):
    """What is wrong at the byte ``place`` of a file."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"at byte {place:,}: {reason}")
        self.place = place
        self.reason = reason


def check_shape(shape: tuple[int, ...], place: int) -> None:
    """Raises UnreadableFile where no array can have this shape: sides count as one where they are zero."""
    if len(shape) > MAX_DIMENSIONS:
        raise Malformed(place, f"a tensor says to have {len(shape):,} dimensions; at most {MAX_DIMENSIONS} are read")
    if any(side < 0 for side in shape) or prod(side or 1 for side in shape) >= 2**59:
        raise Malformed(place, f"no tensor can have the shape {shape!r:.200}")


class ByteCursor:
    """Numbers and texts one after another. Raises UnreadableFile past the end, and past ``limit`` bytes.

    What is skipped is not read, and little at once after it. ``order`` is ``<`` or ``>``, ``lengths`` the code of the
    length before a text.
    """

    def __init__(self, ranges: RangeReader, place: int = 0, *, limit: int = MAX_READ) -> None:
        self.ranges = ranges
        self.place = place
        self.order, self.lengths = "<", "Q"
        self._limit = limit
        self._block, self._from, self._next = b"", place, _FIRST_BLOCK
        self._read = 0

    def take(self, length: int) -> bytes:
        end = self.place + length
        if end > self._from + len(self._block):
            self._fill(end)
        found = self._block[self.place - self._from : end - self._from]
        self.place = end
        return found

    def skip(self, length: int) -> None:
        if self.place + length > self.ranges.size:
            raise Malformed(self.place, f"{length:,} bytes should follow, but the file ends at {self.ranges.size:,}")
        self.place += length
        if self.place > self._from + len(self._block):
            self._block, self._from, self._next = b"", self.place, _AFTER_SKIP

    def _fill(self, end: int) -> None:
        if end > self.ranges.size:
            raise Malformed(self.place, f"the file ends at byte {self.ranges.size:,}, before what is begun here")
        upto = min(self.ranges.size, max(end, self.place + self._next))
        if self._read + end - self.place > self._limit:
            raise Malformed(self.place, f"more than {self._limit:,} bytes of headers would have to be read")
        self._read += upto - self.place
        self._next = min(self._next * 2, _MOST_BLOCK)
        self._block, self._from = self.ranges.read(self.place, upto), self.place

    def number(self, code: str) -> int:
        return int(self.scalar(code))

    def scalar(self, code: str) -> int | float | bool:
        form = struct.Struct(self.order + code)
        found: int | float | bool = form.unpack(self.take(form.size))[0]
        return found

    def numbers(self, code: str, count: int) -> tuple[int, ...]:
        form = struct.Struct(f"{self.order}{count}{code}")
        return form.unpack(self.take(form.size))

    def text(self, *, strict: bool = False) -> str:
        """A text after its length in bytes. With ``strict``, what is not UTF-8 is an error, as in names."""
        start = self.place
        length = self.number(self.lengths)
        if length > _MOST_TEXT:
            raise Malformed(start, f"a text says to have {length:,} bytes")
        try:
            return self.take(length).decode("utf-8", "strict" if strict else "replace")
        except UnicodeDecodeError:
            raise Malformed(start, "a name is not UTF-8") from None

    def skip_texts(self, count: int) -> None:
        """Walks over ``count`` texts; vocabularies have hundreds of thousands."""
        form = struct.Struct(self.order + self.lengths)
        while count:
            if self.place + form.size > self._from + len(self._block):
                self._fill(self.place + form.size)
            block, place, end = self._block, self.place - self._from, len(self._block)
            while count and place + form.size <= end:
                length = form.unpack_from(block, place)[0]
                if length > _MOST_TEXT:
                    raise Malformed(self._from + place, f"a text says to have {length:,} bytes")
                place += form.size + length
                count -= 1
            self.place = self._from + min(place, end)
            self.skip(place - min(place, end))
