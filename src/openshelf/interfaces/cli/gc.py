"""``openshelf gc``: garbage collection."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, progress_bar
from openshelf.services import gc
from openshelf.services.sizes import readable_size


@click.command(
    epilog="What no branch, tag or pull request refers to is kept for gc_grace_days (see `openshelf settings`), "
    "because clients remember for weeks what they have sent. Uploads may go on meanwhile."
)
@click.option("--run", "really", is_flag=True, help="Remove it. Without this nothing is changed.")
@json_option
@data_option
def command(really: bool, as_json: bool, data: Path | None) -> None:
    """Remove bytes that nothing refers to any more; without --run, say what that would be."""
    with opened_hub(data) as hub, progress_bar() as progress:
        found = gc.collect(hub, dry_run=not really, progress=progress)
        grace = hub.settings.gc_grace_days
    if as_json:
        print_json({"dry_run": not really, **asdict(found)})
        return
    counts = [
        (found.links, "blob that its repository no longer names", "blobs that their repositories no longer name"),
        (found.blobs, "blob that nobody uses", "blobs that nobody uses"),
        (found.files, "chunk list", "chunk lists"),
        (found.xorbs, "xorb of unused chunks", "xorbs of unused chunks"),
        (found.repositories, "git repository without a repo", "git repositories without a repo"),
        (found.temporary, "temporary file", "temporary files"),
    ]
    for number, one, many in counts:
        if number:
            click.echo(f"{number:8} {one if number == 1 else many}")
    size = readable_size(found.freed_bytes)
    if not any(number for number, _, _ in counts):
        click.echo(f"There is nothing to remove. (What became unused in the last {grace} days is kept.)")
    elif really:
        click.echo(f"Removed; {size} are free.")
    else:
        click.echo(f"{size} would become free. Nothing was changed; remove it with `openshelf gc --run`.")
