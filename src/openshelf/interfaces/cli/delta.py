"""``openshelf delta``: contributions to a model that are far smaller than the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openshelf.interfaces.cli.context import json_option, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from openshelf.analysis.weights.delta.container import Delta
    from openshelf.analysis.weights.delta.plan import Told

REFUSED = 1
UNREADABLE = 2
_endpoint_option = click.option("--endpoint", metavar="URL", help="The hub of references. [default: HF_ENDPOINT]")
_EXIT = "Exit code: 0 where it is done; 1 where it is refused, as for a wrong base; 2 where something cannot be read."


@click.group()
def command() -> None:
    """Make, apply and show what turns one model into another."""


@command.command(epilog=_EXIT)
@click.argument("base")
@click.argument("new")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="E",
    help="Let tensors miss NEW by this share of their change, |result - NEW| <= E |NEW - BASE|, where a low-rank "
    "change is shorter. [default: exact, byte for byte]",
)
@_endpoint_option
@json_option
@click.pass_context
def make(
    context: click.Context,
    base: str,
    new: str,
    out: Path,
    max_error: float | None,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Write what turns BASE into NEW: files, folders or owner/name@revision, with all files beside the weights."""
    from openshelf.analysis.checkpoints.opening import open_checkpoint
    from openshelf.analysis.checkpoints.remote.spool import Spool
    from openshelf.analysis.weights.delta.container import read_delta
    from openshelf.analysis.weights.delta.make import make as make_delta

    with (
        _refusals(context, as_json),
        Spool(out.parent) as spool,
        open_checkpoint(base, endpoint=endpoint, spool=spool) as before,
        open_checkpoint(new, endpoint=endpoint, spool=spool) as after,
        progress_bar() as progress,
    ):
        made = make_delta(before, after, out, max_error=max_error, progress=progress)
    if as_json:
        with read_delta(out) as delta:
            print_json(_described(delta))
        return
    share = made.size / made.nbytes if made.nbytes else 1
    click.echo(f"{out} has {made.size:,} bytes, {share:.2%} of the {made.nbytes:,} that it makes of {base}.")
    inexact = [told for told in made.plan.pieces.values() if told.error is not None]
    if inexact:
        worst = max(told.error[0] for told in inexact if told.error)
        click.echo(
            f"{len(inexact):,} tensors come out within {worst:.3g} of their change; the rest comes out byte for byte."
        )


@command.command(epilog=_EXIT)
@click.argument("base")
@click.argument("delta")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@_endpoint_option
@json_option
@click.pass_context
def apply(context: click.Context, base: str, delta: str, out: Path, endpoint: str | None, as_json: bool) -> None:
    """Make the new model of BASE and DELTA in a folder, whole or not at all.

    Both may lie elsewhere: BASE as owner/name@revision, DELTA as owner/name@revision:file or at an address.
    """
    from openshelf.analysis.checkpoints.opening import open_checkpoint
    from openshelf.analysis.checkpoints.remote.spool import Spool
    from openshelf.analysis.weights.delta.apply import apply as apply_delta
    from openshelf.analysis.weights.delta.container import read_delta

    with (
        _refusals(context, as_json),
        Spool(out.parent if out.parent.is_dir() else None) as spool,
        open_checkpoint(base, endpoint=endpoint, spool=spool) as before,
        read_delta(delta, endpoint=endpoint, spool=spool) as contribution,
        progress_bar() as progress,
    ):
        done = apply_delta(before, contribution, out, progress=progress)
    if as_json:
        print_json({"folder": str(out), "files": done.files, "bytes": done.nbytes, "exact": done.is_exact})
        return
    what = "byte for byte as they were contributed" if done.is_exact else "within the error that the delta states"
    click.echo(f"{out} has {len(done.files):,} files of {done.nbytes:,} bytes, {what}.")


@command.command(epilog=_EXIT)
@click.argument("delta")
@_endpoint_option
@click.option("--all", "every", is_flag=True, help="Show every changed tensor and file, not the largest twenty.")
@json_option
@click.pass_context
def show(context: click.Context, delta: str, endpoint: str | None, every: bool, as_json: bool) -> None:
    """Say what a delta changes, of which base, and what that costs; the base is not needed."""
    from openshelf.analysis.weights.delta.container import read_delta

    with _refusals(context, as_json), read_delta(delta, endpoint=endpoint) as found:
        _show(delta, found, every, as_json)


def _show(delta: str, found: Delta, every: bool, as_json: bool) -> None:
    if as_json:
        print_json(_described(found))
        return
    plan = found.plan
    click.echo(f"{delta}: {found.size:,} bytes, for a result of {plan.nbytes:,} bytes in {len(plan.result):,} files")
    click.echo(f"base     {plan.base.format}, content {plan.base.content}")
    for name, file in plan.base.files.items():
        click.echo(f"         {name}, {file.size:,} bytes, sha256 {file.sha256}")
    bound = "exact, byte for byte" if plan.max_error is None else f"within {plan.max_error:g} of the change of a tensor"
    click.echo(f"result   {plan.new.format}, {bound}")
    told = sorted(plan.pieces, key=lambda key: -found.stored_bytes(key))
    click.echo(f"changed  {len(told):,} of {sum(len(file.pieces) for file in plan.result.values()):,} pieces\n")
    shown = told if every else told[:20]
    print_table(
        ("piece", "bytes", "stored", "how"),
        (
            (_name(key), f"{plan.pieces[key].nbytes:,}", f"{found.stored_bytes(key):,}", _how(key, plan.pieces[key]))
            for key in shown
        ),
    )
    if len(told) > len(shown):
        click.echo(f"... and {len(told) - len(shown):,} more; --all shows them.")


def _name(key: str) -> str:
    kind, _, name = key.partition(":")
    if kind == "tensor":
        return name
    number, _, file = name.partition(":")
    return file if number == "0" else f"{file} (part {number})"


def _how(key: str, told: Told) -> str:
    methods = Counter({method.value: 0 for method, _ in told.segments})
    parts = [f"rank {told.rank}"] if told.rank else []
    if told.error is not None:
        return f"rank {told.rank}, error {told.error[0]:.3g} of the change, at most {told.error[1]:.3g}"
    if told.base is not None and told.base != key:
        parts.append(f"from {_name(told.base)}")
    if told.moves:
        parts.append("rows moved")
    named = [name for name in methods if name != "same"]
    return ", ".join([*parts, *(named or ["unchanged"])])


def _described(delta: Delta) -> dict[str, Any]:
    plan = delta.plan
    return {
        "size": delta.size,
        "result_bytes": plan.nbytes,
        "exact": plan.max_error is None or all(told.error is None for told in plan.pieces.values()),
        "max_error": plan.max_error,
        "base": {
            "format": plan.base.format,
            "content": plan.base.content,
            "files": {name: {"size": one.size, "sha256": one.sha256} for name, one in plan.base.files.items()},
        },
        "files": {name: {"size": one.size, "blake3": one.blake3} for name, one in plan.result.items()},
        "changed": [
            {
                "piece": _name(key),
                "tensor": key.startswith("tensor:"),
                "from": None if told.base is None else _name(told.base),
                "bytes": told.nbytes,
                "stored": delta.stored_bytes(key),
                "methods": sorted({method.value for method, _ in told.segments}),
                "rank": told.rank,
                "error": None if told.error is None else {"relative": told.error[0], "largest": told.error[1]},
            }
            for key, told in plan.pieces.items()
        ],
    }


@contextmanager
def _refusals(context: click.Context, as_json: bool) -> Iterator[None]:
    from openshelf.analysis.files.ranges import UnreadableFile
    from openshelf.analysis.weights.delta.errors import DeltaRefused

    try:
        yield
    except (UnreadableFile, DeltaRefused) as error:
        if as_json:
            print_json({"error": str(error)})
        else:
            click.echo(f"Error: {error}", err=True)
        context.exit(REFUSED if isinstance(error, DeltaRefused) else UNREADABLE)
