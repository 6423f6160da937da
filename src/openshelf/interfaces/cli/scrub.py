"""``openshelf scrub``: reading again all that is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from openshelf.errors import OpenshelfError
from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, progress_bar
from openshelf.services import scrub
from openshelf.services.scrub import Pass
from openshelf.services.sizes import readable_size
from openshelf.storage.catalogue.damages import Damage

FOUND = 1
NOT_RUN = 2
_MB = 1_000_000


@click.command(
    epilog="The server does the same by itself, slowly, every scrub_days (see `openshelf settings`). Exit code: 0 "
    "where nothing is damaged, 1 where something is, 2 where the scrub could not run."
)
@click.option("--status", is_flag=True, help="Read nothing; say how far it is and what is known to be damaged.")
@click.option("--resume", is_flag=True, help="Go on where the last run was interrupted.")
@click.option(
    "--rate", type=click.IntRange(min=0), default=0, help="Read at most so many MB each second; 0: all speed."
)
@json_option
@data_option
@click.pass_context
def command(context: click.Context, status: bool, resume: bool, rate: int, as_json: bool, data: Path | None) -> None:
    """Read every blob, xorb and git object again, compare it with its hash, and mend what can be mended.

    What is damaged is not served any more. Uploading the same file again mends it, with any client.
    """
    try:
        with opened_hub(data) as hub:
            if status:
                done = scrub.last_pass(hub)
            else:
                with progress_bar() as progress:
                    done = scrub.run(hub, resume=resume, bytes_per_second=rate * _MB, progress=progress)
            damaged = scrub.known_damage(hub)
    except (OpenshelfError, OSError) as error:
        click.echo(f"Error: the scrub could not run: {error}", err=True)
        context.exit(NOT_RUN)
    if as_json:
        print_json({"pass": _plain_pass(done), "damaged": [_plain_damage(damage) for damage in damaged]})
    else:
        _tell(done, damaged)
    context.exit(FOUND if damaged else 0)


def _tell(done: Pass | None, damaged: list[Damage]) -> None:
    if done is None:
        click.echo("Nothing was read yet.")
    else:
        size = readable_size(done.bytes_read)
        state = "so far" if done.finished_at is None else f"until {_time(done.finished_at)}"
        click.echo(f"Read {done.things} things, {size}, from {_time(done.started_at)} {state}; mended {done.mended}.")
    for damage in damaged:
        click.echo(
            f"DAMAGED  {damage.kind.value} {damage.subject} ({damage.found_at:%Y-%m-%d %H:%M}): {damage.message}"
        )
    if damaged:
        click.echo(
            "Upload these files again, or restore them from a backup; a blob is named by the sha256 of its file."
        )
    else:
        click.echo("Nothing is known to be damaged.")


def _plain_pass(done: Pass | None) -> dict[str, Any] | None:
    if done is None:
        return None
    return {
        "started_at": _time(done.started_at),
        "finished_at": _time(done.finished_at) if done.finished_at is not None else None,
        "things": done.things,
        "bytes": done.bytes_read,
        "mended": done.mended,
        "damaged": done.damaged,
    }


def _plain_damage(damage: Damage) -> dict[str, Any]:
    return {
        "kind": damage.kind.value,
        "subject": damage.subject,
        "message": damage.message,
        "found_at": damage.found_at.isoformat(),
    }


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
