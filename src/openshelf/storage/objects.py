"""Immutable bytes under keys: the contract, and its form on local disk.

A store holds whole objects only. Bytes arrive in a :class:`Staged` writer, and appear under their key in one
step, after they are on disk. Keys are content hashes in hex, so writing one twice is harmless.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openshelf.errors import StorageFault
from openshelf.storage.durable import make_folder, sync_path

READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object: size in bytes, time of its last change in seconds since 1970."""

    key: str
    size: int
    modified: float


class Staged(Protocol):
    """Bytes on their way in; gone when discarded, or when the process dies, unless kept."""

    size: int

    def write(self, data: bytes | memoryview) -> None: ...

    def read(self, start: int, end: int) -> bytes:
        """Bytes that were written, to check them before they get a name."""
        ...

    def view(self) -> AbstractContextManager[memoryview]:
        """All the bytes that were written, as one buffer that is not held in memory."""
        ...

    def keep(self, key: str) -> None:
        """Make the bytes durable under ``key``. They may be there already."""
        ...

    def discard(self) -> None:
        """Forget the bytes; nothing happens after ``keep``."""
        ...


class Objects(Protocol):
    """A store of immutable objects."""

    def stage(self) -> Staged: ...

    def size(self, key: str) -> int | None:
        """Size in bytes, or None where there is no such object."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes ``[start, end)`` in pieces of at most 1 MiB. Raises StorageFault where they are missing."""
        ...

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """The bytes ``[start, end)`` at once. Raises StorageFault where they are missing."""
        ...

    def delete(self, key: str) -> bool:
        """Remove an object; False where it was not there."""
        ...

    def list(self) -> Iterator[ObjectInfo]: ...

    def local_path(self, key: str) -> Path | None:
        """A file with the object's bytes, where the store keeps it as one."""
        ...


class DiskObjects:
    """Objects as files ``root/ab/cd/KEY``; staged bytes lie in ``temporary`` on the same file system."""

    def __init__(self, root: Path, temporary: Path) -> None:
        self.root = root
        self.temporary = temporary
        make_folder(root)
        make_folder(temporary)

    def path(self, key: str) -> Path:
        if len(key) < 8 or not key.isalnum():
            raise ValueError(f"not an object key: {key!r}")
        return self.root / key[:2] / key[2:4] / key

    def stage(self) -> DiskStaged:
        return DiskStaged(self)

    def size(self, key: str) -> int | None:
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        descriptor = self._open(key)
        try:
            position = start
            stop = os.fstat(descriptor).st_size if end is None else end
            while position < stop:
                piece = os.pread(descriptor, min(READ_BYTES, stop - position), position)
                if not piece:
                    raise StorageFault(f"object {key} ends at byte {position}, before {stop}")
                position += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def read_range(self, key: str, start: int, end: int) -> bytes:
        descriptor = self._open(key)
        try:
            data = os.pread(descriptor, end - start, start)
        finally:
            os.close(descriptor)
        # One system call reads all but what is over 2 GiB or behind a signal.
        return data if len(data) == end - start else b"".join(self.read(key, start, end))

    def delete(self, key: str) -> bool:
        try:
            self.path(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def list(self) -> Iterator[ObjectInfo]:
        for path in sorted(self.root.glob("??/??/*")):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield ObjectInfo(path.name, status.st_size, status.st_mtime)

    def local_path(self, key: str) -> Path | None:
        path = self.path(key)
        return path if path.exists() else None

    def _open(self, key: str) -> int:
        try:
            return os.open(self.path(key), os.O_RDONLY)
        except FileNotFoundError:
            raise StorageFault(f"object {key} is missing from {self.root}; run `openshelf fsck`") from None


class DiskStaged:
    """A temporary file that becomes an object by a rename."""

    def __init__(self, store: DiskObjects) -> None:
        self._store = store
        self._path = store.temporary / f"staged-{os.getpid()}-{secrets.token_hex(8)}"
        self._file = self._path.open("x+b", buffering=0)
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            view = view[written:]
            self.size += written

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - start, start)

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        if not self.size:
            yield memoryview(b"")
            return
        # Populating at once spares a page fault for every few pages.
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        descriptor = self._file.fileno()
        with mmap.mmap(descriptor, self.size, flags=flags, prot=mmap.PROT_READ) as whole, memoryview(whole) as view:
            yield view

    def keep(self, key: str) -> None:
        target = self._store.path(key)
        make_folder(target.parent)
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(target)
        sync_path(target.parent)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
