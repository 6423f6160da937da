"""``openshelf diff``: what changed between two models."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.weights.comparing import diff
from openshelf.analysis.weights.difference import ModelDifference
from openshelf.analysis.weights.reports import page, picture, text
from openshelf.interfaces.cli.context import json_option
from openshelf.interfaces.cli.inspect import fail, print_plain

EQUAL, DIFFERENT = 0, 1


def _matrices(_: click.Context, __: click.Parameter, value: str) -> str:
    if value in ("sample", "all", "none") or value.isdecimal():
        return value
    raise click.BadParameter(f"{value!r} is not all, none or a number.")


@click.command(
    epilog="Exit code: 0 where every tensor has the same name, type, shape and values, 1 where something differs, 2 "
    'where a model could not be read (with --json as {"error": ...}). A change of format or of the division into '
    "files alone is no difference, and is said."
)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--all", "everything", is_flag=True, help="List every tensor that is not the same, not only the first 20."
)
@json_option
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a report as a page."
)
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the picture alone.")
@click.option(
    "--low-rank",
    metavar="all|none|N",
    default="sample",
    callback=_matrices,
    help="Of how many changed matrices to look whether the change is of low rank. [default: 3, spread over the model]",
)
@click.option("--endpoint", metavar="URL", help="The hub of references. [default: HF_ENDPOINT]")
@click.option("--optimizer", is_flag=True, help="Compare the state of the optimiser too.")
@click.option("--threads", type=click.IntRange(1, 256), help="How many threads work. [default: one for each core]")
@click.option("--no-color", "no_color", envvar="NO_COLOR", default="", hidden=True)
@click.pass_context
def command(
    context: click.Context,
    before: str,
    after: str,
    everything: bool,
    as_json: bool,
    html: Path | None,
    svg: Path | None,
    low_rank: str,
    endpoint: str | None,
    optimizer: bool,
    threads: int | None,
    no_color: str,
) -> None:
    """Say what changed from model A to model B, tensor by tensor.

    A and B are files, folders, references (owner/name@revision) or addresses, as for "openshelf inspect". Nothing in
    them is run, and memory does not grow with the models.
    """
    try:
        found = diff(before, after, threads=threads, low_rank=low_rank, optimizer=optimizer, endpoint=endpoint)
        if html is not None:
            html.write_text(page.report(found), encoding="utf-8")
        if svg is not None:
            svg.write_text(picture.report(found), encoding="utf-8")
    except (UnreadableFile, OSError) as error:
        fail(before, error, as_json)
    if as_json:
        print_plain(found.as_json())
    else:
        _print(found, everything, no_color)
    context.exit(EQUAL if found.is_equal else DIFFERENT)


def _print(found: ModelDifference, everything: bool, no_color: str) -> None:
    is_terminal = sys.stdout.isatty()
    paint = text.coloured if is_terminal and not no_color else text.plain
    width = shutil.get_terminal_size((100, 24)).columns if is_terminal else 100
    click.echo(text.report(found, width=width, everything=everything, paint=paint), nl=False)
