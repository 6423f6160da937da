"""Bringing a catalogue to the schema of this release, after a backup of the SQLite file."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from openshelf.errors import ConfigurationError
from openshelf.storage.catalogue.engine import Catalogue

# Alembic is loaded only where there is something to do: it costs every process 11 MB and a third of a second.
if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(catalogue: Catalogue, backups: Path | None = None) -> str | None:
    """Apply what is missing, in one transaction; returns the path of the backup made, if one was.

    Raises ConfigurationError where the catalogue was written by a newer release.
    """
    current = current_revision(catalogue)
    if current == head_revision():
        return None
    if current is not None and current not in _revisions():
        raise ConfigurationError(
            f"The catalogue has schema {current}, which this release does not know: it was written by a newer "
            "one. Install that release again, or restore a backup made with this one."
        )
    from alembic import command

    config = _config()
    backup = _back_up(catalogue, backups, current) if current and backups else None
    with catalogue.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, "head")
    return str(backup) if backup else None


def current_revision(catalogue: Catalogue) -> str | None:
    """The schema that the catalogue is at; None for an empty database."""
    with catalogue.read() as tx:
        if not sa.inspect(tx).has_table("alembic_version"):
            return None
        found: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return found


def head_revision() -> str:
    """The schema of this release."""
    return _revisions()[-1]


def _revisions() -> list[str]:
    """All schemas that this release knows, in order; each script is named by the number of its schema."""
    return sorted(path.name.split("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


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
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config


def differences(catalogue: Catalogue) -> list[str]:
    """How the tables of the catalogue differ from ``schema.metadata``; empty where they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from openshelf.storage.catalogue.schema import metadata

    def ours(_object: object, name: str | None, type_: str, *_rest: object) -> bool:
        return not (type_ == "table" and name is not None and name.startswith("repo_search"))

    with catalogue.read() as tx:
        context = MigrationContext.configure(tx, opts={"include_object": ours, "compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
