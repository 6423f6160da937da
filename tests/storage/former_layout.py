"""Data folders as former releases left them, made from one of this release.

The catalogue is built by the migrations of that time and filled with what its tables could hold; the rest of the folder
is taken back to the former storage format.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from openshelf.storage.catalogue import Catalogue, migrate
from openshelf.storage.objects import SUMMED_FILE, SUMS_SUFFIX


def take_back(root: Path, schema: str, storage_format: int = 1) -> None:
    """Make the closed data folder ``root`` one with an older catalogue and storage format."""
    take_back_catalogue(root / "catalogue.db", schema)
    if storage_format < 2:
        for name in ("blobs", "xorbs"):
            for sums in (root / name).glob(f"??/??/*{SUMS_SUFFIX}"):
                sums.unlink()
            (root / name / SUMMED_FILE).unlink(missing_ok=True)
    (root / "format.json").write_text(json.dumps({"format": storage_format}))


def take_back_catalogue(path: Path, schema: str) -> None:
    """Make the SQLite file ``path`` one of an older ``schema``, with all rows as far as it has columns for them."""
    new = path.with_name("new.db")
    path.rename(new)
    _build(path, schema)
    with sqlite3.connect(path) as target:
        target.execute("PRAGMA foreign_keys = OFF")
        target.execute("ATTACH ? AS new", (str(new),))
        for table in _tables(target, "main") & _tables(target, "new") - {"alembic_version"}:
            columns = ", ".join(_columns(target, "main", table) & _columns(target, "new", table))
            target.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM new."{table}"')
        target.commit()
    target.close()
    for leftover in path.parent.glob("new.db*"):
        leftover.unlink()


def _build(path: Path, schema: str) -> None:
    from alembic import command

    catalogue = Catalogue.on_sqlite(path)
    config = migrate._config()
    with catalogue.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, schema)
    catalogue.close()


def _tables(target: sqlite3.Connection, database: str) -> set[str]:
    rows = target.execute(f"SELECT name FROM {database}.sqlite_master WHERE type = 'table'")
    # The tables behind a full-text index are filled with it.
    return {name for (name,) in rows if not name.startswith(("sqlite_", "repo_search_"))}


def _columns(target: sqlite3.Connection, database: str, table: str) -> set[str]:
    return {f'"{row[1]}"' for row in target.execute(f"PRAGMA {database}.table_info('{table}')")}
