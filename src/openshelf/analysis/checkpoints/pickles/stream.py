"""The bytes of a pickle, taken one after the other from a window of the file."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.values import Span
from openshelf.analysis.files.ranges import RangeReader

MAX_HELD = 64 * 1024
"""Texts and bytes longer than this stay in the file."""
_WINDOW = 256 * 1024
_MAX_LINE = 1 << 30


@dataclass(slots=True)
class PickleStream:
    """``file``, called ``name`` in errors, from ``base`` to ``end``; ``at`` is where in the window the next byte is."""

    file: RangeReader
    name: str
    base: int
    end: int
    window: bytes = b""
    at: int = 0
    reach: int = 4096
    """Bytes that are read at once; a short pickle takes few, a long one more each time."""

    @property
    def place(self) -> int:
        """The byte of the file that comes next."""
        return self.base + self.at

    def fill(self, count: int) -> None:
        """Makes the next ``count`` bytes stand in the window. Raises UnreadableCheckpoint where the pickle is cut."""
        place = self.place
        if count > self.end - place:
            raise UnreadableCheckpoint(self.name, f"its pickle ends at byte {self.end:,}, in the middle", place)
        self.window = self.file.read(place, min(self.end, place + max(count, self.reach)))
        self.reach = min(4 * self.reach, _WINDOW)
        self.base, self.at = place, 0

    def take(self, count: int) -> bytes:
        """The next bytes, at most ``MAX_HELD`` of them."""
        if self.at + count > len(self.window):
            self.fill(count)
        at = self.at
        self.at = at + count
        return self.window[at : at + count]

    def byte(self) -> int:
        at = self.at
        if at >= len(self.window):
            self.fill(1)
            at = 0
        self.at = at + 1
        return self.window[at]

    def number(self, count: int) -> int:
        """An unsigned number of ``count`` bytes, little-endian."""
        return int.from_bytes(self.take(count), "little")

    def skip(self, count: int, codec: str = "") -> Span:
        """Passes over bytes without reading them."""
        place = self.place
        if count > self.end - place:
            reason = f"{count:,} bytes should follow, and {self.end - place:,} do: it is cut off"
            raise UnreadableCheckpoint(self.name, reason, place)
        self.go(place + count)
        return Span(place, count, codec)

    def go(self, place: int) -> None:
        """Makes the byte ``place`` of the file, which is not before the window, the next one."""
        inside = place - self.base
        if inside <= len(self.window):
            self.at = inside
        else:
            self.base, self.at, self.window = place, 0, b""

    def line(self) -> bytes | Span:
        """The bytes up to the next line end, which is passed over; a Span where they are many."""
        found = self.window.find(b"\n", self.at)
        if found >= 0 and found - self.at <= MAX_HELD:
            taken = self.window[self.at : found]
            self.at = found + 1
            return taken
        start = place = self.place
        while place < self.end and place - start <= _MAX_LINE:
            piece = self.file.read(place, min(self.end, place + _WINDOW))
            found = piece.find(b"\n")
            if found >= 0:
                length = place + found - start
                self.go(place + found + 1)
                return self.file.read(start, start + length) if length <= MAX_HELD else Span(start, length)
            place += len(piece)
        raise UnreadableCheckpoint(self.name, "this line of its pickle does not end", start)
