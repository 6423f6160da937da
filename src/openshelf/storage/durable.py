"""Making sure that what was written is on disk before anybody is told so."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_FEW = 32
_libc = ctypes.CDLL(None, use_errno=True)


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
