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
@json_option
@data_option
@click.pass_context
def command(context: click.Context, source: Path, quick: bool, as_json: bool, data: Path | None) -> None:
    """Make a new data folder from a backup, and verify it. Folders that hold something are left alone."""
    settings, _ = load_settings(data)
    with progress_bar() as progress:
        if archives.is_archive(source):
            archives.copy_back(source, settings.data, progress)
        else:
            backup.copy_back(source, settings.data, progress)
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
