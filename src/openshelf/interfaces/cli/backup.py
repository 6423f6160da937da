"""``openshelf backup``."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, progress_bar
from openshelf.services import archives, backup
from openshelf.services.sizes import readable_size


@click.command(
    epilog="A folder is renewed by the next run, which copies only what is new; a .tar file is made anew. The copy "
    "holds password hashes, private repos and the key that signs addresses: keep it as safe as the hub itself. "
    "Settings in the environment are not in it."
)
@click.argument("target", type=click.Path(path_type=Path), metavar="FOLDER|FILE.tar")
@json_option
@data_option
def command(target: Path, as_json: bool, data: Path | None) -> None:
    """Copy the data folder while the hub runs, into a folder or a tar file elsewhere."""
    with opened_hub(data) as hub, progress_bar() as progress:
        if archives.is_archive(target):
            made = archives.back_up(hub, target, progress)
        else:
            made = backup.back_up(hub, target, progress)
    if as_json:
        print_json(
            {
                "target": str(target.absolute()),
                "repositories": made.repositories,
                "objects": made.objects,
                "copied_objects": made.copied_objects,
                "copied_bytes": made.copied_bytes,
                "damaged_objects": made.damaged_objects,
            }
        )
        return
    if made.damaged_objects:
        click.echo(
            f"{made.damaged_objects} damaged objects could not be copied; see `openshelf scrub --status`. The backup "
            "keeps what it had of them.",
            err=True,
        )
    click.echo(
        f"{target} holds {made.repositories} repositories and {made.objects} objects; copied {made.copied_objects} "
        f"objects, {readable_size(made.copied_bytes)}. Try it: openshelf restore {target} --data SOME-NEW-FOLDER"
    )
