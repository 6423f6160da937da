"""Files of this machine: a folder, or one file and what it names beside it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from errno import ELOOP
from functools import cached_property
from itertools import islice
from pathlib import Path
from posixpath import dirname
from stat import S_ISDIR, S_ISREG
from threading import Lock

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import MAX_FILES, check_range

_MOST_COPIED = 16 * 1024 * 1024
_MOST_COPIES = 8
_BEGINNING = 8 * 1024
_READING = os.O_RDONLY | os.O_NONBLOCK
"""Not to wait for somebody to write, where a file is a pipe; such are refused then."""
_NO_NAMES = frozenset(("", ".", ".."))
_LEFT_OUT = (".git", ".cache")


@dataclass(slots=True)
class LocalFile:
    """A file that is read piece by piece, which is quick for headers, and mapped once something is lent or much read.

    Its beginning is kept: there every format looks for its mark, and many have their header. Of a map the pages come
    when they are touched, and the kernel takes them back.
    """

    name: str
    path: str
    _descriptor: int
    size: int = field(init=False)
    _beginning: bytes = field(init=False)
    _map: mmap.mmap | None = field(init=False, default=None)
    _copies: int = field(init=False, default=0)
    _mapping: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        found = os.fstat(self._descriptor)
        if not S_ISREG(found.st_mode):
            raise UnreadableCheckpoint(self.name, "it is a folder, a pipe or a device, and no file")
        self.size = found.st_size
        self._beginning = os.pread(self._descriptor, min(self.size, _BEGINNING), 0)

    def read(self, start: int, end: int, /) -> bytes:
        if 0 <= start <= end <= len(self._beginning):
            return self._beginning[start:end]
        check_range(self.name, self.size, start, end)
        if self._copies < _MOST_COPIES and end - start <= _MOST_COPIED:
            with self._mapping:
                if self._map is None:
                    self._copies += 1
                    return self._copied(start, end)
        return bytes(self.view(start, end))

    def _copied(self, start: int, end: int) -> bytes:
        try:
            found = os.pread(self._descriptor, end - start, start)
        except OSError as error:
            raise UnreadableCheckpoint(self.name, error.strerror or str(error), start) from None
        if len(found) != end - start:
            raise self._shrunk()
        return found

    def view(self, start: int, end: int, /) -> memoryview:
        check_range(self.name, self.size, start, end)
        if not self.size:
            return memoryview(b"")
        return memoryview(self._map or self._mapped())[start:end]

    def _mapped(self) -> mmap.mmap:
        with self._mapping:
            if self._map is None:
                try:
                    self._map = mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)
                except ValueError:
                    raise self._shrunk() from None
                except OSError as error:
                    raise UnreadableCheckpoint(self.name, error.strerror or str(error)) from None
                # The map holds the file open by itself.
                os.close(self._descriptor)
                self._descriptor = -1
            return self._map

    def _shrunk(self) -> UnreadableCheckpoint:
        return UnreadableCheckpoint(self.name, f"it had {self.size:,} bytes, and was made shorter since")

    @property
    def identity(self) -> str:
        """What two names of one file share, links and the blobs of a cache among them."""
        found = Path(self.path).stat()
        return f"inode {found.st_dev}:{found.st_ino}"

    def release(self, start: int, end: int, /) -> None:
        """Let go of the memory behind whole pages of ``[start, end)``; they can be read again."""
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if self._map is not None and first < last:
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


@dataclass
class LocalFiles:
    """A folder, or one file of it alone."""

    path: Path
    is_folder: bool = field(init=False)
    _root: str = field(init=False)
    _sizes: dict[str, int] = field(init=False, default_factory=dict)
    _open: dict[str, LocalFile] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        try:
            found = self.path.stat()
        except (OSError, ValueError):
            raise UnreadableCheckpoint(self.label, "there is no such file or folder") from None
        self.is_folder = S_ISDIR(found.st_mode)
        self._root = self.label if self.is_folder else dirname(self.label) or "."
        if not self.is_folder:
            self._sizes[self.path.name] = found.st_size

    @property
    def label(self) -> str:
        return str(self.path)

    def sizes(self) -> Mapping[str, int]:
        if not self._sizes:
            self._sizes.update(sorted(self._walk()))
        return self._sizes

    def _walk(self) -> Iterator[tuple[str, int]]:
        folders, count = [""], 0
        while folders:
            folder = folders.pop()
            for entry in _entries(f"{self._root}/{folder}"):
                name = folder + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _LEFT_OUT:
                        folders.append(f"{name}/")
                elif entry.is_file() and not (entry.is_symlink() and self._leads_out(entry.path)):
                    yield name, entry.stat().st_size
                    count += 1
            if count > MAX_FILES:
                raise UnreadableCheckpoint(self.label, f"the folder has more than {MAX_FILES:,} files")

    def open(self, name: str) -> LocalFile:
        if name not in self._open:
            parts = name.split("/")
            if not _NO_NAMES.isdisjoint(parts) or "\0" in name:
                raise UnreadableCheckpoint(name, "this name leads outside the checkpoint")
            place = f"{self._root}/{name}"
            try:
                self._open[name] = LocalFile(name, place, self._descriptor(name, place, parts))
            except (FileNotFoundError, NotADirectoryError):
                raise UnreadableCheckpoint(name, f"there is no such file in {self._root}") from None
            except OSError as error:
                raise UnreadableCheckpoint(name, error.strerror or str(error)) from None
        return self._open[name]

    def _descriptor(self, name: str, place: str, parts: Sequence[str]) -> int:
        """Beside a single file the files of its folder can be opened too: shards, data."""
        if len(parts) == 1 or not any(folder.is_symlink() for folder in islice(Path(place).parents, len(parts) - 1)):
            try:
                return os.open(place, _READING | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno != ELOOP:
                    raise
        if Path(place) != self.path and Path(place).exists() and self._leads_out(place):
            raise UnreadableCheckpoint(name, f"it is a link that leads out of {self._root}")
        return os.open(place, _READING)

    def _leads_out(self, place: str) -> bool:
        """Whether a link leads elsewhere than within the folder, or to the blobs beside a snapshot of a hub's cache."""
        real = Path(place).resolve()
        return not any(real.is_relative_to(one) for one in self._allowed)

    @cached_property
    def _allowed(self) -> tuple[Path, ...]:
        root = Path(self._root).resolve()
        return root, *(one.parent / "blobs" for one in (root, *root.parents) if one.name == "snapshots")

    def close(self) -> None:
        self._open.clear()


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be listed."""
    with suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []
