"""A copy of the data folder, made beside a running server, and the way back.

The order makes the copy whole. Repositories are copied first, each under its lock; then bytes; then a snapshot of the
catalogue; then the bytes that came meanwhile. So all that a copied ref or the snapshot names is in the copy: bytes are
only ever added while a backup holds the removal lock. Where the snapshot is newer than a repository, the reconciler
takes the catalogue back to what git says; repos made after the beginning are left out.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openshelf import __version__
from openshelf.errors import ConfigurationError, Conflict, DamagedBytes, Invalid
from openshelf.services import fsck, scrub
from openshelf.services.accept import reconcile
from openshelf.services.hub import Hub, now
from openshelf.services.stored import REMOVAL_LOCK
from openshelf.storage import search
from openshelf.storage.catalogue import Catalogue, events, migrate, repos
from openshelf.storage.durable import make_folder, sync_file_system, write_file
from openshelf.storage.objects import DiskObjects, Objects
from openshelf.storage.store import CATALOGUE_FILE, FORMAT_FILE, JOBS_FILE, SECRET_FILE

STATE_FILE = "backup.json"
SETTINGS_FILE = "openshelf.toml"
_BYTES = ("blobs", "xorbs")
_UNFINISHED = f"{CATALOGUE_FILE}.new"
_NOT_RESTORED = (STATE_FILE, _UNFINISHED)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds, and how much of it this run had to copy; sizes in bytes.

    ``damaged_objects`` could not be copied; of these the backup keeps what it had before.
    """

    repositories: int
    objects: int
    copied_objects: int
    copied_bytes: int
    damaged_objects: int = 0


def back_up(hub: Hub, target: Path, progress: Progress = lambda *_: None) -> BackedUp:
    """Make or renew the backup in folder ``target``. What it has already is not copied again.

    Raises Invalid where ``target`` is something else, Unavailable while bytes are being removed.
    """
    target = target.absolute()
    _check_target(hub, target)
    with hub.storage.locks.hold("backup", timeout=1), hub.storage.locks.hold(REMOVAL_LOCK, timeout=60):
        _write_state(target, complete=False)
        copied_repos = _copy_repositories(hub, target / "repositories", progress)
        first = _copy_bytes(hub, target, progress)
        # A run that is interrupted leaves the catalogue of the last one.
        snapshot = target / _UNFINISHED
        migrate.copy_sqlite(hub.storage.root / CATALOGUE_FILE, snapshot)
        # Later than the catalogue: a job that left its outbox in between is in both, one that is in neither is lost.
        if hub.storage.jobs.path.exists():
            migrate.copy_sqlite(hub.storage.jobs.path, target / JOBS_FILE)
        second = _copy_bytes(hub, target, progress)
        _match(target, snapshot, copied_repos)
        for name in (FORMAT_FILE, SECRET_FILE, SETTINGS_FILE):
            if (hub.storage.root / name).exists():
                shutil.copy2(hub.storage.root / name, target / name)
        sync_file_system(target)
        snapshot.replace(target / CATALOGUE_FILE)
        _write_state(target, complete=True)
    return BackedUp(
        len(copied_repos),
        second.objects,
        first.copied_objects + second.copied_objects,
        first.copied_bytes + second.copied_bytes,
        second.damaged_objects,
    )


def copy_back(
    source: Path, target: Path, progress: Progress = lambda *_: None, *, even_interrupted: bool = False
) -> None:
    """Copy the backup ``source`` into the new data folder ``target``; ``finish_restore`` completes it.

    ``even_interrupted`` takes one whose last run did not end, if it is all that there is: the check says what is
    missing. Raises ConfigurationError where ``source`` is no complete backup, Conflict where ``target`` is not empty.
    """
    try:
        state = json.loads((source / STATE_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{source} is not a backup made by `openshelf backup`: {error}.") from error
    if not state.get("complete") and not (even_interrupted and (source / CATALOGUE_FILE).exists()):
        raise ConfigurationError(
            f"The last run of the backup in {source} was interrupted; run `openshelf backup` again. If the hub is "
            "gone, --even-interrupted restores what is there."
        )
    if target.exists() and any(target.iterdir()):
        raise Conflict(f"{target} is not empty; restore into a new folder, so that nothing is overwritten.")
    make_folder(target.absolute())
    target.chmod(0o700)
    files = [path for path in source.rglob("*") if path.is_file() and path.name not in _NOT_RESTORED]
    for number, path in enumerate(files):
        progress("copying", number, len(files))
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    for folder in [path for path in (source / "repositories").rglob("*") if path.is_dir()]:
        (target / folder.relative_to(source)).mkdir(parents=True, exist_ok=True)
    sync_file_system(target)


def finish_restore(hub: Hub, *, deep: bool = False, progress: Progress = lambda *_: None) -> fsck.Checked:
    """Bring a restored catalogue to what git says, make clients forget later uploads, and check everything."""
    with hub.storage.catalogue.read() as tx:
        ids = repos.all_ids(tx)
    for number, repo_id in enumerate(ids):
        progress("reconciling", number, len(ids))
        reconcile(hub, repo_id)
    with hub.storage.catalogue.write() as tx:
        # Larger than any number that was counted up, so that no client has seen this address.
        events.set_meta(tx, events.GENERATION_KEY, str(int(time.time())))
    # The backup may have bytes from before they were damaged.
    for damage in scrub.known_damage(hub, limit=1_000_000):
        scrub.check(hub, damage.kind.value, damage.subject)
    return fsck.check(hub, deep=deep, progress=progress)


def _check_target(hub: Hub, target: Path) -> None:
    if target == hub.storage.root or hub.storage.root in target.parents:
        raise Invalid(f"{target} lies in the data folder; put the backup elsewhere, best on another disk.")
    # A run that was killed before its first word leaves a part of the state file.
    held = [path for path in target.iterdir() if not path.name.startswith(f"{STATE_FILE}.")] if target.exists() else []
    if held and not (target / STATE_FILE).exists():
        raise Invalid(f"{target} is not empty and not a backup; name an empty folder, or one that a backup made.")
    make_folder(target)
    target.chmod(0o700)


def _write_state(target: Path, *, complete: bool) -> None:
    state = {"complete": complete, "at": now().isoformat(), "release": __version__}
    write_file(target / STATE_FILE, json.dumps(state).encode())


def _copy_repositories(hub: Hub, target: Path, progress: Progress) -> set[str]:
    with hub.storage.catalogue.read() as tx:
        ids = repos.all_ids(tx)
    copied = set()
    for number, repo_id in enumerate(ids):
        progress("repositories", number, len(ids))
        with hub.storage.locks.hold(f"repo-{repo_id}"):
            source = hub.storage.repositories.path(repo_id)
            if source.is_dir():
                _mirror(source, target / source.relative_to(hub.storage.repositories.root))
                copied.add(repo_id)
    return copied


def _mirror(source: Path, target: Path) -> None:
    """Make ``target`` the same tree of files; objects of git never change under one name, other files do."""
    wanted = set()
    for path in _walk(source):
        relative = path.relative_to(source)
        copy = target / relative
        wanted.add(copy)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif relative.parts[0] != "objects" or not copy.exists() or copy.stat().st_size != path.stat().st_size:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    for path in sorted(target.rglob("*"), reverse=True):
        if path not in wanted:
            path.rmdir() if path.is_dir() else path.unlink()


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # What git is still writing has a name of its own until it is complete.
        if not path.name.endswith(".lock") and not path.name.startswith("tmp_"):
            yield path


def _copy_bytes(hub: Hub, target: Path, progress: Progress) -> BackedUp:
    objects = copied = size = damaged = 0
    stores: dict[str, Objects] = {"blobs": hub.storage.blobs.objects, "xorbs": hub.storage.xorbs}
    for name in _BYTES:
        copies = DiskObjects(target / name, target / "temporary")
        have = {info.key: info.size for info in copies.list()}
        there = list(stores[name].list())
        for number, info in enumerate(there):
            progress(name, number, len(there))
            objects += 1
            if have.get(info.key) == info.size:
                continue
            try:
                _copy_object(stores[name], copies, info.key)
            except DamagedBytes:
                damaged += 1
                continue
            copied, size = copied + 1, size + info.size
        for key in have.keys() - {info.key for info in there}:
            copies.delete(key)
    return BackedUp(0, objects, copied, size, damaged)


def _copy_object(source: Objects, copies: Objects, key: str) -> None:
    staged = copies.stage()
    try:
        for piece in source.read(key):
            staged.write(piece)
        staged.keep(key)
    finally:
        staged.discard()


def _match(target: Path, snapshot: Path, copied_repos: set[str]) -> None:
    """Make the snapshot and the copied repositories speak of the same repos."""
    catalogue = Catalogue.on_sqlite(snapshot)
    try:
        with catalogue.write() as tx:
            known = set(repos.all_ids(tx))
            for repo_id in known - copied_repos:
                late = repos.by_id(tx, repo_id)
                if late:
                    search.remove(tx, late.seq)
                repos.delete(tx, repo_id)
    finally:
        catalogue.close()
    for path in (target / "repositories").glob("??/*.git"):
        if path.name.removesuffix(".git") not in known & copied_repos:
            shutil.rmtree(path)
    for leftover in ("-wal", "-shm"):
        for name in (CATALOGUE_FILE, snapshot.name):
            (target / f"{name}{leftover}").unlink(missing_ok=True)
