"""Where the bytes of a checkpoint come from: a set of named files, each read by ranges.

A reader sees nothing else of the world: a name that a file gives (a shard, external data) is looked up in its set, so
it cannot lead outside.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.files.ranges import RangeReader

MAX_FILES = 100_000


def check_range(name: str, size: int, start: int, end: int) -> None:
    """Raises UnreadableCheckpoint where the bytes ``[start, end)`` are not in a file of ``size`` bytes."""
    if not 0 <= start <= end <= size:
        raise UnreadableCheckpoint(name, f"it has {size:,} bytes, and bytes {start:,} to {end:,} are asked for")


class OpenFile(RangeReader, Protocol):
    """A RangeReader that can also lend what it holds."""

    def view(self, start: int, end: int, /) -> memoryview:
        """The bytes ``[start, end)``, uncopied where they are at hand. Raises UnreadableCheckpoint past the end."""
        ...


class Files(Protocol):
    """Named files; names use ``/`` and are relative to where the set begins."""

    @property
    def label(self) -> str:
        """What a person called this set: a path, a reference, an address."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Every name with its size in bytes, in order of name."""
        ...

    def open(self, name: str) -> OpenFile:
        """Raises UnreadableCheckpoint where no such file is in the set. Opening twice costs nothing."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Distant(Protocol):
    """A set of files that takes long to answer, and can be asked for the beginnings of many at once."""

    def fetch_beginnings(self, names: Iterable[str], /) -> None: ...


@runtime_checkable
class Chunked(Protocol):
    """A file of which it is known, without reading it, of which chunks it is made."""

    def chunks(self, start: int, end: int, /) -> Hashable | None:
        """What is equal for ranges that hold the same bytes; None where that is not known."""
        ...


@dataclass(slots=True)
class HeldFile:
    """A file whose bytes are at hand."""

    name: str
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, end: int, /) -> bytes:
        return bytes(self.view(start, end))

    def view(self, start: int, end: int, /) -> memoryview:
        check_range(self.name, self.size, start, end)
        return memoryview(self.content)[start:end]


@dataclass(slots=True)
class HeldFiles:
    """Files whose bytes are at hand, for tests and for members of archives."""

    contents: Mapping[str, bytes]
    label: str = "memory"

    def sizes(self) -> Mapping[str, int]:
        return {name: len(self.contents[name]) for name in sorted(self.contents)}

    def open(self, name: str) -> HeldFile:
        if name not in self.contents:
            raise UnreadableCheckpoint(name, "there is no such file")
        return HeldFile(name, self.contents[name])

    def close(self) -> None:
        pass
