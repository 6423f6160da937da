"""Where the bytes of a checkpoint come from: a set of named files, each read by ranges.

A reader sees nothing else of the world: a name that a file gives (a shard, external data) is looked up in its set, so
it cannot lead outside.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.files.ranges import RangeReader

MAX_FILES = 100_000


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
class MappedFile:
    """A local file, mapped into memory: pages come when they are touched, and the kernel takes them back."""

    name: str
    path: Path
    size: int = field(init=False)
    _map: mmap.mmap | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        try:
            with self.path.open("rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                if self.size:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise UnreadableCheckpoint(self.name, error.strerror or str(error)) from None

    def read(self, start: int, end: int, /) -> bytes:
        return bytes(self.view(start, end))

    def view(self, start: int, end: int, /) -> memoryview:
        if not 0 <= start <= end or end > self.size:
            raise UnreadableCheckpoint(
                self.name, f"it has {self.size:,} bytes, and bytes {start:,} to {end:,} are asked for"
            )
        return memoryview(self._map)[start:end] if self._map is not None else memoryview(b"")

    @property
    def identity(self) -> str:
        """What two names of one file share, links and the blobs of a cache among them."""
        found = self.path.stat()
        return f"inode {found.st_dev}:{found.st_ino}"

    def release(self, start: int, end: int, /) -> None:
        """Let go of the memory behind whole pages of ``[start, end)``; they can be read again."""
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if self._map is not None and first < last:
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)


@dataclass(slots=True)
class LocalFiles:
    """A folder, or one file of it alone."""

    path: Path
    _sizes: dict[str, int] = field(init=False, default_factory=dict)
    _open: dict[str, MappedFile] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise UnreadableCheckpoint(str(self.path), "there is no such file or folder")

    @property
    def label(self) -> str:
        return str(self.path)

    @property
    def root(self) -> Path:
        return self.path if self.path.is_dir() else self.path.parent

    def sizes(self) -> Mapping[str, int]:
        if not self._sizes:
            found = sorted(self._walk()) if self.path.is_dir() else [(self.path.name, self.path.stat().st_size)]
            self._sizes.update(found)
        return self._sizes

    def _walk(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for folder, inner, names in os.walk(self.path):
            inner[:] = [name for name in inner if name not in (".git", ".cache")]
            for name in names:
                path = Path(folder, name)
                if path.is_file() and not (path.is_symlink() and self._leads_out(path)):
                    found.append((path.relative_to(self.path).as_posix(), path.stat().st_size))
            if len(found) > MAX_FILES:
                raise UnreadableCheckpoint(self.label, f"the folder has more than {MAX_FILES:,} files")
        return found

    def open(self, name: str) -> MappedFile:
        if name not in self._open:
            self._open[name] = MappedFile(name, self._inside(name))
        return self._open[name]

    def _inside(self, name: str) -> Path:
        """Where ``name`` lies. Beside a single file the files of its folder can be opened too: shards, data."""
        path = self.root / name
        parts = name.split("/")
        if not name or name.startswith("/") or any(part in ("", ".", "..") for part in parts) or "\0" in name:
            raise UnreadableCheckpoint(name, "this name leads outside the checkpoint")
        if not path.is_file():
            raise UnreadableCheckpoint(name, f"there is no such file in {self.root}")
        if path != self.path and self._leads_out(path):
            raise UnreadableCheckpoint(name, f"it is a link that leads out of {self.root}")
        return path

    def _leads_out(self, path: Path) -> bool:
        """Whether a link leads elsewhere than within the folder, or to the blobs beside a snapshot of a hub's cache."""
        root, real = self.root.resolve(), path.resolve()
        blobs = [one.parent / "blobs" for one in (root, *root.parents) if one.name == "snapshots"]
        return not any(real.is_relative_to(one) for one in (root, *blobs))

    def close(self) -> None:
        self._open.clear()


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
        if not 0 <= start <= end or end > self.size:
            raise UnreadableCheckpoint(
                self.name, f"it has {self.size:,} bytes, and bytes {start:,} to {end:,} are asked for"
            )
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
