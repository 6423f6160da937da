"""``openshelf restore``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from openshelf.app import open_hub
from openshelf.interfaces.cli import fsck
from openshelf.interfaces.cli.context import data_option, json_option, load_settings, progress_bar
from openshelf.services import archives, backup


@click.command(epilog="Exit code: 0 where everything in the backup is whole, 1 where something is damaged or missing.")
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="FOLDER|FILE.tar")
@click.option("--quick", is_flag=True, help="Compare sizes only; else every byte is read and its hash compared.")
@click.option(
    "--even-interrupted",
    is_flag=True,
    help="Take a backup whose last run did not end, if it is all that there is; what is missing is told.",
)
@json_option
@data_option
@click.pass_context
def command(
    context: click.Context, source: Path, quick: bool, even_interrupted: bool, as_json: bool, data: Path | None
) -> None:
    """Make a new data folder from a backup, and verify it. Folders that hold something are left alone."""
    settings, _ = load_settings(data)
    with progress_bar() as progress:
        copy_back = archives.copy_back if archives.is_archive(source) else backup.copy_back
        copy_back(source, settings.data, progress, even_interrupted=even_interrupted)
        # The restored folder may bring settings of its own.
        settings = replace(load_settings(settings.data)[0], data=settings.data)
        hub = open_hub(settings, create=False)
        try:
            checked = backup.finish_restore(hub, deep=not quick, progress=progress)
        finally:
            hub.storage.close()
    fsck.report(checked, as_json)
    if not as_json:
        click.echo(f"Start it with: openshelf serve --data {settings.data}")
    context.exit(0 if checked.is_clean else fsck.FOUND)
