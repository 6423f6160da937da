"""Backups as one tar file."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openshelf.errors import ConfigurationError, Conflict
from openshelf.services import backup
from openshelf.services.backup import BackedUp, Progress
from openshelf.services.hub import Hub
from openshelf.storage.durable import sync_path

SUFFIX = ".tar"


def is_archive(path: Path) -> bool:
    return path.name.endswith(SUFFIX) and not path.is_dir()


def back_up(hub: Hub, target: Path, progress: Progress = lambda *_: None) -> BackedUp:
    """Make a backup in the new file ``target``; it needs twice the room meanwhile. Raises Conflict if it is there."""
    target = target.absolute()
    if target.exists():
        raise Conflict(f"{target} is there already; name a new file, or a folder that can be renewed.")
    with _room_beside(target) as room:
        made = backup.back_up(hub, room / "backup", progress)
        unfinished = room / target.name
        with tarfile.open(unfinished, "w") as archive:
            archive.add(room / "backup", "backup")
        unfinished.chmod(0o600)
        sync_path(unfinished)
        unfinished.rename(target)
        sync_path(target.parent)
    return made


def copy_back(
    source: Path, target: Path, progress: Progress = lambda *_: None, *, even_interrupted: bool = False
) -> None:
    """``backup.copy_back`` from a tar file. Raises ConfigurationError where it is not a whole one of a backup."""
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"{target} is not empty; restore into a new folder, so that nothing is overwritten.")
    with _room_beside(target.absolute()) as room:
        try:
            with tarfile.open(source, "r") as archive:
                # The filter keeps to plain files and folders below the target, whatever the archive says.
                archive.extractall(room, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise ConfigurationError(f"{source} is not a whole backup: {error}.") from error
        backup.copy_back(room / "backup", target, progress, even_interrupted=even_interrupted)


@contextmanager
def _room_beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
