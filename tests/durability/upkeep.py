"""Opening, upgrading and backing up, as operations that faults are injected into."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from openshelf.app import open_hub
from openshelf.services import backup
from openshelf.settings import Settings
from openshelf.storage.catalogue import migrate
from openshelf.storage.catalogue.engine import Catalogue

if TYPE_CHECKING:
    from tests.durability.scenes import Scene


def forget_everything(scene: Scene) -> None:
    shutil.rmtree(scene.data)


def first_start(scene: Scene) -> None:
    hub = scene.open()
    hub.storage.close()


def go_back(scene: Scene) -> None:
    """Make the catalogue that of the first schema, with what it had room for."""
    new, old = scene.data / "catalogue.db", scene.folder / "old.db"
    _at_first_schema(old)
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("ATTACH ? AS new", (str(new),))
        connection.execute("PRAGMA foreign_keys=OFF")
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table.startswith(("sqlite_", "repo_search_")) or table == "alembic_version":
                continue
            theirs = {row[1] for row in connection.execute(f"PRAGMA new.table_info({table})")}
            ours = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            shared = ", ".join((["rowid"] if table == "repo_search" else []) + [c for c in ours if c in theirs])
            connection.execute(f"DELETE FROM main.{table}")
            if not theirs:
                continue
            connection.execute(f"INSERT INTO main.{table} ({shared}) SELECT {shared} FROM new.{table}")
        connection.commit()
    new.unlink()
    old.replace(new)


def _at_first_schema(path: Path) -> None:
    from alembic import command

    catalogue = Catalogue.on_sqlite(path)
    config = migrate._config()
    with catalogue.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "0001")
    catalogue.close()


def back_up(scene: Scene) -> None:
    hub = scene.open()
    try:
        backup.back_up(hub, scene.disk / "backup")
    finally:
        hub.storage.close()


def restore(scene: Scene) -> None:
    """The backup restores to a hub without a fault."""
    target = scene.folder / "restored"
    shutil.rmtree(target, ignore_errors=True)
    backup.copy_back(scene.disk / "backup", target)
    hub = open_hub(Settings(data=target))
    try:
        problems = backup.finish_restore(hub, deep=True).problems
        assert not problems, f"the restored hub has problems: {problems}"
    finally:
        hub.storage.close()
