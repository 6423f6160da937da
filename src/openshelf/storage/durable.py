"""Making sure that what was written is on disk before anybody is told so."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openshelf.errors import DiskFull, OpenshelfError, StorageFault

_FEW = 32
_PROBE_BYTES = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The last is how git says it.
_SAID_OF_FULL = (*(os.strerror(number) for number in _FULL), "Out of diskspace")
_libc = ctypes.CDLL(None, use_errno=True)


def fault_of(error: OSError) -> OpenshelfError:
    """What a failed call to the system means to us."""
    if error.errno in _FULL:
        return DiskFull()
    where = f" {error.filename}" if error.filename else ""
    return StorageFault(f"The disk failed{where}: {error.strerror or error}; run `openshelf doctor`.")


def fault_said(text: str) -> OpenshelfError | None:
    """The same for what a program or library says of a failed call; None where it speaks of something else."""
    if any(said in text for said in _SAID_OF_FULL):
        return DiskFull()
    if os.strerror(errno.EIO) in text:
        return StorageFault(f"The disk failed: {text}; run `openshelf doctor`.")
    return None


def has_room(folder: Path) -> bool:
    """Whether a little can be written: a library may say of a full disk only that its file failed."""
    probe = folder / f"room-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        with probe.open("xb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno not in _FULL
    finally:
        probe.unlink(missing_ok=True)
    return True


@contextmanager
def told(*libraries: type[Exception]) -> Iterator[None]:
    """Raise DiskFull and StorageFault for what the system, or one of these errors of libraries, says of the disk."""
    try:
        yield
    except OSError as error:
        raise (fault_of(error) if error.errno else fault_said(str(error)) or error) from error
    except libraries as error:
        fault = fault_said(str(error))
        if fault is None:
            raise
        raise fault from error


def sync_path(path: Path) -> None:
    """fsync one file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(paths: Iterable[Path]) -> None:
    """fsync files and the folders that name them; many at once by one syncfs(2) of their file system.

    A file that is gone is passed over: a repack takes loose objects away when its pack, with the same objects, is on
    disk.
    """
    files = list(paths)
    if not files:
        return
    if len(files) > _FEW:
        sync_file_system(files[0].parent.parent)
        return
    folders = {path.parent for path in files}
    for path in (*files, *folders, *(folder.parent for folder in folders)):
        with suppress(FileNotFoundError):
            sync_path(path)


def sync_file_system(folder: Path) -> None:
    """Write out the whole file system that holds ``folder``: dearer than one fsync, cheaper than thousands."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), f"syncfs of {folder} failed")
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Create a folder so that its name survives a crash; nothing happens where it exists."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_path(folder.parent)


def write_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a small file as a whole: a crash leaves the old content or the new."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_path(path.parent)
