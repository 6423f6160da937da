"""Immutable bytes under keys: the contract, and its form on local disk.

A store holds whole objects only. Bytes arrive in a :class:`Staged` writer, and appear under their key in one
step, after they are on disk. Keys are content hashes in hex, so writing one twice is harmless.

Beside each object lie the checksums of its blocks (``storage.blocks``), which were there before it had its name. What
is read is compared with them before it is handed out.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openshelf.errors import DamagedBytes, StorageFault
from openshelf.storage.blocks import BLOCK_BYTES, Blocks, BlockSums
from openshelf.storage.direct import DirectFile, read_once
from openshelf.storage.durable import make_folder, write_file

READ_BYTES = BLOCK_BYTES
SUMS_SUFFIX = ".sums"
SUMMED_FILE = "summed"

OnDamage = Callable[[str, str], None]
"""Told the key of an object that is damaged, and what is wrong with it."""


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

    def read(
        self, key: str, start: int = 0, end: int | None = None, *, check: bool = True, from_disk: bool = False
    ) -> Iterator[bytes]:
        """The bytes ``[start, end)`` in pieces of at most 1 MiB, each compared with its checksums unless told not to.

        ``from_disk`` reads what is on the disk, and leaves no copy of it in the system's memory. Raises StorageFault
        where they are missing, DamagedBytes where they are not what was kept.
        """
        ...

    def read_range(self, key: str, start: int, end: int, *, check: bool = True) -> bytes:
        """The bytes ``[start, end)`` at once; like ``read``."""
        ...

    def read_once(self, key: str, start: int, end: int, buffer: mmap.mmap) -> memoryview:
        """The bytes ``[start, end)`` as a part of ``buffer``, for a reader that hashes them and nobody after it.

        They are not compared with their checksums. ``buffer`` holds ``direct.PAGE_BYTES`` more on either side. Raises
        StorageFault where they are missing.
        """
        ...

    def blocks(self, key: str) -> Blocks | None:
        """The checksums of an object; None where they are missing or themselves damaged."""
        ...

    def save_blocks(self, key: str, blocks: Blocks) -> bool:
        """Write the checksums of an object whose bytes were verified; False where it is gone, or was replaced."""
        ...

    def set_summed(self) -> None:
        """Note that every object has checksums now: one without them is damaged from here on."""
        ...

    @property
    def is_summed(self) -> bool: ...

    def report(self, key: str, message: str) -> DamagedBytes:
        """Tell whoever keeps account of damage; returns the error to raise."""
        ...

    def discard_lone_sums(self, before: float) -> int:
        """Remove checksums that a crash left without an object ``before`` then, a Unix time; returns how many."""
        ...

    def delete(self, key: str) -> bool:
        """Remove an object; False where it was not there."""
        ...

    def list(self) -> Iterator[ObjectInfo]: ...

    def local_path(self, key: str) -> Path | None:
        """A file with the object's bytes, where the store keeps it as one."""
        ...


class DiskObjects:
    """Objects as files ``root/ab/cd/KEY``; staged bytes lie in ``temporary`` on the same file system.

    ``on_damage`` is called, in the thread that reads, before the error is raised.
    """

    def __init__(self, root: Path, temporary: Path, on_damage: OnDamage = lambda _key, _message: None) -> None:
        self.root = root
        self.temporary = temporary
        self._on_damage = on_damage
        is_new = not root.exists()
        make_folder(root)
        make_folder(temporary)
        if is_new:
            self.set_summed()

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

    def read(
        self, key: str, start: int = 0, end: int | None = None, *, check: bool = True, from_disk: bool = False
    ) -> Iterator[bytes]:
        descriptor, blocks = self._open(key, check)
        try:
            if from_disk:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            size = os.fstat(descriptor).st_size
            position, stop = start, size if end is None else end
            while position < stop:
                first = position - position % BLOCK_BYTES if blocks else position
                room = max(0, (size if blocks else min(stop, size)) - first)
                data = self._pread(key, descriptor, first, min(BLOCK_BYTES, room))
                if first + len(data) <= position:
                    raise StorageFault(f"object {key} ends at byte {size}, before {stop}")
                if blocks:
                    self._check(key, blocks, data, first)
                piece = data[position - first : stop - first]
                position += len(piece)
                yield piece
                if from_disk:
                    os.posix_fadvise(descriptor, 0, position, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def read_range(self, key: str, start: int, end: int, *, check: bool = True) -> bytes:
        descriptor, blocks = self._open(key, check)
        try:
            first, last = start, end
            if blocks and start < end:
                first, last = start - start % BLOCK_BYTES, min(-(-end // BLOCK_BYTES) * BLOCK_BYTES, blocks.size)
            data = self._pread(key, descriptor, first, max(0, last - first))
            # One system call reads all but what is over 2 GiB or behind a signal.
            if len(data) < end - first:
                return b"".join(self.read(key, start, end, check=check))
            if blocks:
                self._check(key, blocks, data, first)
        finally:
            os.close(descriptor)
        return data if len(data) == end - start else data[start - first : end - first]

    def read_once(self, key: str, start: int, end: int, buffer: mmap.mmap) -> memoryview:
        try:
            found = read_once(self.path(key), start, end, buffer)
        except FileNotFoundError:
            raise StorageFault(f"object {key} is missing from {self.root}; run `openshelf fsck`") from None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise self.report(key, f"bytes {start} to {end} cannot be read: {error.strerror}") from error
        if len(found) < end - start:
            raise StorageFault(f"object {key} ends at byte {start + len(found)}, before {end}")
        return found

    def blocks(self, key: str) -> Blocks | None:
        try:
            return Blocks.unpack(self._sums_path(key).read_bytes())
        except FileNotFoundError:
            return None

    def save_blocks(self, key: str, blocks: Blocks) -> bool:
        with self._sums_file(blocks) as sums, _locked(self.path(key).parent) as folder:
            if self.size(key) != blocks.size:
                return False
            sums.replace(self._sums_path(key))
            os.fsync(folder)
        return True

    def set_summed(self) -> None:
        write_file(self.root / SUMMED_FILE, b"Every object here has its checksums beside it.\n")

    @property
    def is_summed(self) -> bool:
        return (self.root / SUMMED_FILE).exists()

    def report(self, key: str, message: str) -> DamagedBytes:
        self._on_damage(key, message)
        return DamagedBytes(f"object {key} of {self.root.name}", message)

    def delete(self, key: str) -> bool:
        path = self.path(key)
        try:
            with _locked(path.parent):
                path.unlink()
                self._sums_path(key).unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        return True

    def list(self) -> Iterator[ObjectInfo]:
        for path in sorted(self.root.glob("??/??/*")):
            if path.suffix == SUMS_SUFFIX:
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield ObjectInfo(path.name, status.st_size, status.st_mtime)

    def local_path(self, key: str) -> Path | None:
        path = self.path(key)
        return path if path.exists() else None

    def discard_lone_sums(self, before: float) -> int:
        gone = 0
        for sums in self.root.glob(f"??/??/*{SUMS_SUFFIX}"):
            if sums.with_suffix("").exists():
                continue
            with _locked(sums.parent):
                if not sums.with_suffix("").exists() and sums.stat().st_mtime < before:
                    sums.unlink()
                    gone += 1
        return gone

    def _open(self, key: str, check: bool) -> tuple[int, Blocks | None]:
        """An object's file, and what its bytes are to be compared with, if there is anything."""
        descriptor, blocks = self._open_both(key, check)
        if not check:
            return descriptor, None
        if blocks is None or os.fstat(descriptor).st_size != blocks.size:
            # It may have been replaced between the two.
            os.close(descriptor)
            descriptor, blocks = self._open_both(key, check)
        size = os.fstat(descriptor).st_size
        if blocks is None and self.is_summed:
            os.close(descriptor)
            raise self.report(key, "its checksums are missing or damaged")
        if blocks is not None and size != blocks.size:
            os.close(descriptor)
            raise self.report(key, f"its file has {size} bytes, and should have {blocks.size}")
        return descriptor, blocks

    def _open_both(self, key: str, check: bool) -> tuple[int, Blocks | None]:
        # Checksums come before their object and go after it, so that they are read first.
        blocks = self.blocks(key) if check else None
        try:
            return os.open(self.path(key), os.O_RDONLY), blocks
        except FileNotFoundError:
            raise StorageFault(f"object {key} is missing from {self.root}; run `openshelf fsck`") from None

    def _pread(self, key: str, descriptor: int, start: int, length: int) -> bytes:
        try:
            return os.pread(descriptor, length, start)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise self.report(key, f"bytes {start} to {start + length} cannot be read: {error.strerror}") from error

    def _check(self, key: str, blocks: Blocks, data: bytes, start: int) -> None:
        wrong = blocks.first_wrong(data, start)
        if wrong is not None:
            last = min((wrong + 1) * BLOCK_BYTES, blocks.size)
            raise self.report(key, f"bytes {wrong * BLOCK_BYTES} to {last} are not those that were stored")

    def _sums_path(self, key: str) -> Path:
        path = self.path(key)
        return path.with_name(path.name + SUMS_SUFFIX)

    @contextmanager
    def _sums_file(self, blocks: Blocks) -> Iterator[Path]:
        """Checksums on disk under a temporary name, from which they are to be moved."""
        path = self.temporary / f"sums-{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with path.open("xb") as file:
                file.write(blocks.pack())
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _name(self, staged: Path, key: str, blocks: Blocks) -> None:
        """Give staged bytes, which are on disk, their name; nobody sees them without their checksums."""
        target = self.path(key)
        make_folder(target.parent)
        with self._sums_file(blocks) as sums, _locked(target.parent) as folder:
            sums.replace(self._sums_path(key))
            staged.replace(target)
            os.fsync(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold a folder against others who add or remove an object together with its checksums; its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


class DiskStaged:
    """A temporary file that becomes an object by a rename."""

    def __init__(self, store: DiskObjects) -> None:
        self._store = store
        self._path = store.temporary / f"staged-{os.getpid()}-{secrets.token_hex(8)}"
        self._file = DirectFile(self._path)
        self._sums = BlockSums()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        self._sums.update(data)
        self._file.write(data)
        self.size += len(data)

    def read(self, start: int, end: int) -> bytes:
        self._file.flush()
        return os.pread(self._file.fileno(), end - start, start)

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        if not self.size:
            yield memoryview(b"")
            return
        self._file.flush()
        # Populating at once spares a page fault for every few pages.
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        descriptor = self._file.fileno()
        with mmap.mmap(descriptor, self.size, flags=flags, prot=mmap.PROT_READ) as whole, memoryview(whole) as view:
            yield view

    def keep(self, key: str) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._store._name(self._path, key, self._sums.finish())

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
