"""``openshelf doctor``: a look at the installation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, load_settings, print_json
from openshelf.services import doctor
from openshelf.services.doctor import State

_MARKS = {State.OK: "ok", State.WARNING: "WARNING", State.PROBLEM: "PROBLEM"}


@click.command(epilog="Exit code: 0 where there is no problem (warnings do not count), 1 where there is one.")
@json_option
@data_option
@click.pass_context
def command(context: click.Context, as_json: bool, data: Path | None) -> None:
    """Find what is wrong with the installation, and say how to mend it. Changes nothing."""
    settings, _ = load_settings(data)
    found = doctor.examine(settings)
    problems = [finding for finding in found if finding.state is State.PROBLEM]
    if as_json:
        print_json({"problems": len(problems), "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            click.echo(f"{_MARKS[finding.state]:8} {finding.name}: {finding.message}")
            if finding.advice:
                click.echo(f"{'':8} {finding.advice}")
        words = {0: "No problem was found.", 1: "There is one problem."}
        click.echo(words.get(len(problems), f"There are {len(problems)} problems."))
    context.exit(1 if problems else 0)
