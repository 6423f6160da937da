"""Bringing a catalogue to the schema of this release, after a backup of the SQLite file."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from openshelf.errors import ConfigurationError
from openshelf.storage.catalogue.engine import Catalogue


def upgrade(catalogue: Catalogue, backups: Path | None = None) -> str | None:
    """Apply what is missing, in one transaction; returns the path of the backup made, if one was.

    Raises ConfigurationError where the catalogue was written by a newer release.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    current = current_revision(catalogue)
    if current == script.get_current_head():
        return None
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise ConfigurationError(
            f"The catalogue has schema {current}, which this release does not know: it was written by a newer "
            "one. Install that release again, or restore a backup made with this one."
        )
    backup = _back_up(catalogue, backups, current) if current and backups else None
    with catalogue.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "head")
    return str(backup) if backup else None


def current_revision(catalogue: Catalogue) -> str | None:
    """The schema that the catalogue is at; None for an empty database."""
    with catalogue.read() as tx:
        return MigrationContext.configure(tx).get_current_revision()


def head_revision() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that may be in use (SQLite online backup)."""
    with sqlite3.connect(source) as origin, sqlite3.connect(target) as copy:
        origin.backup(copy)
    origin.close()
    copy.close()


def _back_up(catalogue: Catalogue, folder: Path, revision: str) -> Path | None:
    if not catalogue.is_sqlite or catalogue.engine.url.database is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    target = folder / f"catalogue-{revision}-{stamp}.db"
    copy_sqlite(Path(catalogue.engine.url.database), target)
    return target


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def differences(catalogue: Catalogue) -> list[str]:
    """How the tables of the catalogue differ from ``schema.metadata``; empty where they agree."""
    from alembic.autogenerate import compare_metadata

    from openshelf.storage.catalogue.schema import metadata

    def ours(_object: object, name: str | None, type_: str, *_rest: object) -> bool:
        return not (type_ == "table" and name is not None and name.startswith("repo_search"))

    with catalogue.read() as tx:
        context = MigrationContext.configure(tx, opts={"include_object": ours, "compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
