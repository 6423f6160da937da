"""A look at a data folder from outside, which opens, changes and upgrades nothing: for ``openshelf doctor``."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from openshelf.errors import StorageFault
from openshelf.storage.catalogue.migrate import head_revision
from openshelf.storage.locks import DiskLocks
from openshelf.storage.store import CATALOGUE_FILE, FORMAT_FILE, SECRET_FILE, SERVER_LOCK, TEMPORARY, check_format
from openshelf.xet.hashes import to_hex

_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "glusterfs", "ceph", "lustre")


@dataclass(frozen=True, slots=True)
class Folder:
    """The outside of a data folder; ``mode`` and ``secret_mode`` are permission bits, sizes are in bytes."""

    mode: int
    is_mine: bool
    is_writable: bool
    free_bytes: int
    total_bytes: int
    network_file_system: str | None
    secret_mode: int | None
    temporary_files: int
    temporary_bytes: int
    server_runs: bool


@dataclass(frozen=True, slots=True)
class Database:
    """The catalogue: the schema that it has and the one that this release wants, and what waits in it."""

    schema: str | None
    wanted: str | None
    newest_event: datetime | None
    waiting_jobs: int
    oldest_waiting: datetime | None


@dataclass(frozen=True, slots=True)
class Sample:
    """A blob that is kept whole, and a repo that may use it."""

    sha256: str
    size: int
    repo_id: str


def is_data_folder(root: Path) -> bool:
    return (root / FORMAT_FILE).exists()


def look_at_folder(root: Path) -> Folder:
    """Raises ConfigurationError where the format is newer than this release or cannot be read."""
    check_format(root)
    status, room = root.stat(), shutil.disk_usage(root)
    secret = root / SECRET_FILE
    temporary = [path.lstat() for path in (root / TEMPORARY).glob("*")]
    with DiskLocks(root / "locks").try_hold(SERVER_LOCK) as is_free:
        runs = not is_free
    return Folder(
        mode=status.st_mode & 0o777,
        is_mine=status.st_uid == os.geteuid(),
        is_writable=os.access(root, os.W_OK | os.X_OK),
        free_bytes=room.free,
        total_bytes=room.total,
        network_file_system=_network_file_system(root),
        secret_mode=secret.stat().st_mode & 0o777 if secret.exists() else None,
        temporary_files=len(temporary),
        temporary_bytes=sum(status.st_size for status in temporary),
        server_runs=runs,
    )


def look_at_database(root: Path) -> Database:
    """Raises StorageFault where the file is no database."""
    try:
        return _read_database(root / CATALOGUE_FILE)
    except sqlite3.Error as error:
        raise StorageFault(f"{root / CATALOGUE_FILE} cannot be read: {error}.") from error


def _read_database(path: Path) -> Database:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            return Database(None, head_revision(), None, 0, None)
        schema = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        event = connection.execute("SELECT max(at) FROM events").fetchone()[0]
        waiting, oldest = connection.execute("SELECT count(*), min(created_at) FROM outbox").fetchone()
    return Database(schema[0] if schema else None, head_revision(), _time(event), waiting, _time(oldest))


def smallest_whole_blob(root: Path) -> Sample | None:
    """Something that can be downloaded to try the way. Raises StorageFault where the catalogue cannot be read."""
    query = (
        "SELECT b.sha256, b.size, r.repo_id FROM blobs b JOIN repo_blobs r ON r.sha256 = b.sha256 "
        "WHERE b.is_whole AND b.size > 0 AND b.damaged_at IS NULL ORDER BY b.size LIMIT 1"
    )
    try:
        with closing(sqlite3.connect(f"file:{root / CATALOGUE_FILE}?mode=ro", uri=True)) as connection:
            row = connection.execute(query).fetchone()
    except sqlite3.Error as error:
        raise StorageFault(f"{root / CATALOGUE_FILE} cannot be read: {error}.") from error
    return Sample(*row) if row else None


def smallest_xorb(root: Path) -> tuple[bytes, Path] | None:
    """Hash and file of a xorb that can be read to try the way. Raises StorageFault."""
    query = "SELECT hash FROM xorbs WHERE damaged_at IS NULL ORDER BY stored_bytes LIMIT 1"
    try:
        with closing(sqlite3.connect(f"file:{root / CATALOGUE_FILE}?mode=ro", uri=True)) as connection:
            row = connection.execute(query).fetchone()
    except sqlite3.Error as error:
        raise StorageFault(f"{root / CATALOGUE_FILE} cannot be read: {error}.") from error
    if row is None:
        return None
    name = to_hex(row[0])
    return row[0], root / "xorbs" / name[:2] / name[2:4] / name


def secret(root: Path) -> bytes:
    """The key that signs addresses. Raises OSError."""
    return (root / SECRET_FILE).read_bytes()


def database_version() -> tuple[int, ...]:
    """The version of SQLite."""
    return sqlite3.sqlite_version_info


def can_search() -> bool:
    """Whether SQLite has the full-text index that search is built on."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='trigram case_sensitive 0')")
        except sqlite3.OperationalError:
            return False
    return True


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def _network_file_system(root: Path) -> str | None:
    """The kind of file system that holds ``root`` where it is one over a network, on which locks do not hold."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, mount, name, *_ = line.split(" ")
        if (root == Path(mount) or Path(mount) in root.parents) and len(mount) >= len(best):
            best, kind = mount, name
    return kind if kind.startswith(_NETWORK) else None
