"""Everything that is kept, in one data folder.

openshelf.toml     settings, if there are any
format.json        the version of this layout
secret.key         signs addresses and short-lived tokens; 32 random bytes
catalogue.db       the catalogue (SQLite)
repositories/      git repositories
blobs/ xorbs/      bytes outside git
parts/ temporary/  uploads on their way in
views/             pages of tables, worked out once; may be removed at any time
locks/ backups/ jobs.db
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from openshelf import __version__
from openshelf.errors import ConfigurationError, OpenshelfError
from openshelf.storage.blobs import BlobStore
from openshelf.storage.catalogue import Catalogue, Transaction, damages
from openshelf.storage.catalogue.migrate import current_revision, head_revision, upgrade
from openshelf.storage.durable import make_folder, write_file
from openshelf.storage.jobs import Jobs
from openshelf.storage.locks import DiskLocks, Locks
from openshelf.storage.objects import DiskObjects, Objects, OnDamage
from openshelf.storage.parts import PartStore
from openshelf.storage.repositories import Repositories
from openshelf.storage.view_cache import FOLDER as VIEWS
from openshelf.storage.view_cache import ViewCache
from openshelf.xet.hashes import from_hex

FORMAT = 2
"""Since 2 the checksums of its blocks lie beside every blob and xorb."""
FORMAT_FILE = "format.json"
CATALOGUE_FILE = "catalogue.db"
JOBS_FILE = "jobs.db"
TEMPORARY = "temporary"
SERVER_LOCK = "server"
SECRET_FILE = "secret.key"  # noqa: S105 - a file name

log = structlog.get_logger("openshelf.storage")


@dataclass(frozen=True, slots=True)
class Storage:
    """The parts of an open data folder. Each has a contract that other back ends can fulfil."""

    root: Path
    catalogue: Catalogue
    blobs: BlobStore
    xorbs: Objects
    parts: PartStore
    repositories: Repositories
    locks: Locks
    jobs: Jobs
    views: ViewCache
    secret: bytes

    def discard_stale(self, temporary_seconds: float, upload_seconds: float) -> int:
        """Remove temporary files, and uploads in parts, that nothing was written to for so long; returns how many."""
        limit, gone = time.time() - temporary_seconds, 0
        for path in (self.root / TEMPORARY).iterdir():
            if _newest(path) < limit:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                gone += 1
        return gone + self.parts.discard_older_than(upload_seconds)

    def discard_lone_sums(self, seconds: float) -> int:
        """Remove checksums whose object never got its name, so many seconds ago or more; returns how many."""
        return sum(objects.discard_lone_sums(time.time() - seconds) for objects in (self.blobs.objects, self.xorbs))

    def close(self) -> None:
        self.jobs.close()
        self.catalogue.close()


def open_storage(root: Path, *, create: bool = True) -> Storage:
    """Open a data folder, make one where there is none, and bring its catalogue up to date.

    Raises ConfigurationError where it is not one, or was written by a newer release.
    """
    root = root.absolute()
    if not create and not (root / FORMAT_FILE).exists():
        raise ConfigurationError(f"{root} is not an Openshelf data folder; name the right one with --data.")
    _make_root(root)
    locks = DiskLocks(root / "locks")
    with locks.hold("storage-open"):
        check_format(root)
        secret = _secret(root / SECRET_FILE)
        catalogue = Catalogue.on_sqlite(root / CATALOGUE_FILE)
        try:
            _upgrade(root, catalogue, locks)
        except BaseException:
            catalogue.close()
            raise
        _raise_format(root)
    temporary = root / TEMPORARY
    return Storage(
        root=root,
        catalogue=catalogue,
        blobs=BlobStore(DiskObjects(root / "blobs", temporary, _recorder(catalogue, "blob", damages.record_blob))),
        xorbs=DiskObjects(root / "xorbs", temporary, _recorder(catalogue, "xorb", _record_xorb)),
        parts=PartStore(root / "parts"),
        repositories=Repositories(root / "repositories"),
        locks=locks,
        jobs=Jobs(root / JOBS_FILE),
        views=ViewCache(root / VIEWS),
        secret=secret,
    )


_Record = Callable[[Transaction, str, str, datetime], bool]


def _recorder(catalogue: Catalogue, kind: str, record: _Record) -> OnDamage:
    """Writes damage into the log and the catalogue; the reader that found it must not fail for another reason."""

    def on_damage(key: str, message: str) -> None:
        log.error("stored bytes are damaged", kind=kind, key=key, reason=message)
        with suppress(OpenshelfError), catalogue.write() as tx:
            record(tx, key, message, datetime.now(UTC))

    return on_damage


def _record_xorb(tx: Transaction, key: str, message: str, at: datetime) -> bool:
    return damages.record_xorb(tx, from_hex(key), message, at)


def _make_root(root: Path) -> None:
    try:
        if not root.exists():
            make_folder(root)
            # Password hashes, private files and the key that signs addresses are in there.
            root.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"The data folder {root} cannot be made: {error.strerror}.") from error


def _upgrade(root: Path, catalogue: Catalogue, locks: Locks) -> None:
    if current_revision(catalogue) not in (None, head_revision()):
        with locks.try_hold(SERVER_LOCK) as is_free:
            if not is_free:
                raise ConfigurationError(
                    f"A server of another release runs on {root}. Stop it first: this release ({__version__}) has to "
                    "bring the catalogue up to date."
                )
    upgrade(catalogue, root / "backups")


def check_format(root: Path) -> None:
    path = root / FORMAT_FILE
    if not path.exists():
        if (root / CATALOGUE_FILE).exists():
            raise ConfigurationError(f"{root} has a catalogue but no {FORMAT_FILE}; restore it from a backup.")
        write_file(path, json.dumps({"format": FORMAT}).encode())
        return
    found = _format(path)
    if found > FORMAT:
        raise ConfigurationError(
            f"{root} has storage format {found}; this release reads up to {FORMAT}. Install the newer release."
        )


def _raise_format(root: Path) -> None:
    """Keep older releases from a folder that this one writes to.

    The catalogue was brought up to date before, after a backup. What else the new format has is added in the background
    (``services.scrub``); until then a store without the file ``summed`` may lack checksums.
    """
    path = root / FORMAT_FILE
    if _format(path) < FORMAT:
        write_file(path, json.dumps({"format": FORMAT}).encode())


def _format(path: Path) -> int:
    try:
        return int(json.loads(path.read_bytes())["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged: {error}. Restore it from a backup.") from error


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_file(path, secrets.token_bytes(32), mode=0o600)
    secret = path.read_bytes()
    if len(secret) != 32:
        raise ConfigurationError(f"{path} must hold 32 bytes. Restore it from a backup, or delete it.")
    return secret


def _newest(path: Path) -> float:
    """When ``path``, or anything in it, was last changed, in seconds since 1970."""
    try:
        if not path.is_dir():
            return path.stat().st_mtime
        return max([path.stat().st_mtime, *(below.lstat().st_mtime for below in path.rglob("*"))])
    except FileNotFoundError:
        return time.time()
