"""Connections and transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openshelf.errors import DiskFull, StorageFault, Unavailable
from openshelf.storage.durable import has_room

Transaction = sa.Connection

_WRITE = "openshelf_write"
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000", "cache_size=-16000")
# What SQLite says where a file of its own cannot be made, made longer or synced, whatever the reason.
_SAID_OF_FILES = ("disk I/O error", "unable to open database file")


class Catalogue:
    """One database. Readers never wait for the writer; writers take turns."""

    def __init__(self, engine: sa.Engine, folder: Path | None = None) -> None:
        self.engine = engine
        self._folder = folder

    @classmethod
    def on_sqlite(cls, path: Path) -> Catalogue:
        """A catalogue in one SQLite file, in WAL mode, each commit synced to disk."""
        engine = sa.create_engine(
            f"sqlite:///{path}",
            pool_size=8,
            max_overflow=64,
            pool_timeout=60,
            connect_args={"check_same_thread": False, "timeout": 60},
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return cls(engine, path.parent)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent view; nothing written in it is kept. Raises Unavailable and StorageFault."""
        with translated("catalogue", self._folder), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction: committed, and on disk, when the block ends; rolled back on any error.

        Raises Unavailable where the database is busy, DiskFull, StorageFault where it is damaged.
        """
        with (
            translated("catalogue", self._folder),
            self.engine.connect().execution_options(**{_WRITE: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def translated(what: str, folder: Path | None = None) -> Iterator[None]:
    """Say in our own words that a database in ``folder`` cannot be used.

    What a statement itself gets wrong stays as it is.
    """
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unavailable(f"The {what} is busy; try again in a moment.") from error
    except (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError):
        raise
    except sa.exc.DatabaseError as error:
        reason = str(error.orig)
        if "locked" in reason or "busy" in reason:
            raise Unavailable(f"The {what} is busy; try again in a moment.") from error
        if "full" in reason:
            raise DiskFull from error
        if any(said in reason for said in _SAID_OF_FILES) and folder is not None and not has_room(folder):
            raise DiskFull(f"The disk of this hub is full, so the {what} cannot be used; make room first.") from error
        raise StorageFault(f"The {what} cannot be used: {reason}; run `openshelf doctor`.") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # IMMEDIATE: a writer that began as a reader could not wait for its turn, it would fail.
    writing = connection.get_execution_options().get(_WRITE)
    # By the driver: through SQLAlchemy these words cost more than a look-up by key.
    cursor = connection.connection.cursor()
    try:
        cursor.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
    except sqlite3.Error as error:
        raise sa.exc.DBAPIError.instance("BEGIN", (), error, sqlite3.Error, dialect=connection.dialect) from error
    finally:
        cursor.close()
