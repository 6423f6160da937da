"""Bytes by range: how every reader of this package gets at a file that may be far larger than memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class UnreadableFile(ValueError):
    """A file that is not what its format asks for. The message says what is wrong and at which byte or line."""


class RangeReader(Protocol):
    """A file of ``size`` bytes; ``read(start, end)`` gives exactly the bytes ``[start, end)``."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, end: int, /) -> bytes: ...


@dataclass(slots=True)
class BoundedReader:
    """A RangeReader over a function. Raises UnreadableFile past its end, and once ``budget`` bytes were read."""

    size: int
    fetch: Callable[[int, int], bytes]
    budget: int = 64 * 1024 * 1024
    spent: int = field(default=0, init=False)

    def read(self, start: int, end: int, /) -> bytes:
        if not 0 <= start <= end:
            raise UnreadableFile(f"it asks for bytes {start} to {end}, which make no sense")
        if end > self.size:
            raise UnreadableFile(f"it ends at byte {self.size:,}, but byte {end:,} should be there")
        self.spent += end - start
        if self.spent > self.budget:
            raise UnreadableFile(f"more than {self.budget:,} bytes of it would have to be read to show it")
        return self.fetch(start, end) if end > start else b""


def in_memory(content: bytes) -> BoundedReader:
    """A RangeReader over bytes that are at hand."""
    return BoundedReader(len(content), lambda start, end: content[start:end])


class SeekableRanges(io.RawIOBase):
    """A RangeReader as a file, for libraries that want one. Each read is bounded by ``most`` bytes."""

    def __init__(self, ranges: RangeReader, most: int) -> None:
        self._ranges = ranges
        self._most = most
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._place = max(0, offset + (0, self._place, self._ranges.size)[whence])
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._ranges.size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > self._most:
            raise UnreadableFile(f"it asks to read {wanted:,} bytes at once at byte {self._place:,}")
        content = self._ranges.read(self._place, self._place + wanted)
        self._place += wanted
        return content
