"""One pack out of many and of loose objects: clones become cheaper, and nothing is lost on the way.

``pack`` writes a new pack beside what is there and needs no lock: git's objects never change. ``drop_packed`` then
removes what the new pack holds too; the caller holds the repo's lock for it, so that a backup sees all or nothing of
it. Objects that no ref reaches are kept: a commit may just be about to use them.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openshelf.errors import StorageFault
from openshelf.storage.durable import sync_file_system, sync_path
from openshelf.storage.repositories.processes import run
from openshelf.storage.repositories.repository import GitRepository

REPACK_SECONDS = 6 * 3600.0
LOOSE_REFS = 100
_STALE_SECONDS = 86_400
# The index goes first, so that nobody finds a pack that is half gone.
_SUFFIXES = (".idx", ".pack", ".rev", ".bitmap", ".mtimes")
_INDEX_MAGIC = b"\xfftOc\0\0\0\x02"
_FANOUT_END = 8 + 256 * 4


def pack(repository: GitRepository) -> tuple[Path, list[Path]] | None:
    """Write one pack with all objects, durably; None where there is nothing to gain.

    Returns the index of the new pack, and those of the packs that it stands for. Raises StorageFault.
    """
    folder = repository.path / "objects" / "pack"
    _discard_stale(folder)
    _discard_stale(folder.parent)
    old = sorted(folder.glob("pack-*.idx"))
    if len(old) == 1 and old[0].with_suffix(".bitmap").exists() and not _has_loose(repository):
        return None
    options = (
        "--all --keep-unreachable --pack-loose-unreachable --non-empty --delta-base-offset --write-bitmap-index -q"
    )
    arguments = ["pack-objects", *options.split(), str((folder / "pack").absolute())]
    name = run(arguments, repository.path, seconds=REPACK_SECONDS).decode().strip()
    if not name:
        return None
    new = folder / f"pack-{name}.idx"
    sync_path(folder)
    packed = _objects(new)
    for index in old:
        if not np.isin(_objects(index), packed).all():
            raise StorageFault(f"{new} lacks objects of {index}; the old packs are kept.")
    return new, [index for index in old if index != new]


def drop_packed(repository: GitRepository, old: list[Path]) -> None:
    """Remove packs that another stands for, and loose objects that are in a pack."""
    for index in old:
        if index.with_suffix(".keep").exists():
            continue
        for suffix in _SUFFIXES:
            index.with_suffix(suffix).unlink(missing_ok=True)
    run(["prune-packed", "-q"], repository.path)


def pack_refs(repository: GitRepository) -> bool:
    """Put refs into one file where there are many; the caller holds the repo's lock. Returns whether it was done."""
    loose = sum(1 for path in (repository.path / "refs").rglob("*") if path.is_file())
    if loose <= LOOSE_REFS:
        return False
    repository.discard_locks(*(ref.name for ref in repository.refs()))
    run(["pack-refs", "--all", "--prune"], repository.path)
    sync_file_system(repository.path)
    return True


def _has_loose(repository: GitRepository) -> bool:
    return next((repository.path / "objects").glob("[0-9a-f][0-9a-f]/*"), None) is not None


def _objects(index: Path) -> npt.NDArray[np.bytes_]:
    """The ids in a pack's index, version 2 (gitformat-pack(5)), in order."""
    data = np.fromfile(index, dtype=np.uint8)
    if data[:8].tobytes() != _INDEX_MAGIC or len(data) < _FANOUT_END:
        raise StorageFault(f"{index} is not the index of a pack.")
    count = int.from_bytes(data[_FANOUT_END - 4 : _FANOUT_END].tobytes(), "big")
    end = _FANOUT_END + 20 * count
    if len(data) < end:
        raise StorageFault(f"{index} is cut short.")
    return np.frombuffer(data[_FANOUT_END:end].tobytes(), dtype="S20")


def _discard_stale(folder: Path) -> None:
    limit = time.time() - _STALE_SECONDS
    for path in folder.glob("tmp_*"):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
