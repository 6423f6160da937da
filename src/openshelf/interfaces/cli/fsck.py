"""``openshelf fsck``: the check of everything that is kept."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.errors import OpenshelfError
from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, progress_bar
from openshelf.services import fsck

FOUND = 1
NOT_RUN = 2


@click.command(
    epilog="Exit code: 0 where everything agrees or was mended, 1 where problems are left, 2 where the check could not "
    "run. It works beside a running server."
)
@click.option("--deep", is_flag=True, help="Also read every stored byte and compare its hash; takes long.")
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
@json_option
@data_option
@click.pass_context
def command(context: click.Context, deep: bool, repair: bool, as_json: bool, data: Path | None) -> None:
    """Prove that refs, catalogue and stored bytes agree."""
    try:
        with opened_hub(data) as hub, progress_bar() as progress:
            checked = fsck.check(hub, deep=deep, repair=repair, progress=progress)
    except (OpenshelfError, OSError) as error:
        click.echo(f"Error: the check could not run: {error}", err=True)
        context.exit(NOT_RUN)
    report(checked, as_json)
    context.exit(0 if checked.is_clean else FOUND)


def report(checked: fsck.Checked, as_json: bool) -> None:
    """Print what a check found."""
    if as_json:
        print_json(
            {
                "clean": checked.is_clean,
                "repositories": checked.repositories,
                "blobs": checked.blobs,
                "xorbs": checked.xorbs,
                "problems": [
                    {
                        "kind": problem.kind.value,
                        "subject": problem.subject,
                        "message": problem.message,
                        "lost": problem.lost,
                        "mended": problem.mended,
                    }
                    for problem in checked.problems
                ],
            }
        )
        return
    for problem in checked.problems:
        state = "mended" if problem.mended else "LOST" if problem.lost else "problem"
        click.echo(f"{state:8} {problem.kind.value} {problem.subject}: {problem.message}")
    looked = f"{checked.repositories} repositories, {checked.blobs} blobs and {checked.xorbs} xorbs"
    left = [problem for problem in checked.problems if not problem.mended]
    if not left:
        click.echo(f"Looked at {looked}: refs, catalogue and stored bytes agree.")
    else:
        click.echo(f"Looked at {looked}: {len(left)} problem{'' if len(left) == 1 else 's'} left.")
