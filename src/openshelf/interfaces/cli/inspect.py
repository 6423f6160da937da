"""``openshelf inspect``: what is in a checkpoint, for people and for scripts."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import click

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import NoSuchTensor, UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.statistics import statistics_of
from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.interfaces.cli import inspect_json, inspect_text
from openshelf.interfaces.cli.context import json_option

UNREADABLE = 2
_EXAMPLES = """
\b
Examples:
  openshelf inspect model.safetensors
  openshelf inspect ./my-model --depth 3
  openshelf inspect ./my-model --tensor lm_head.weight
  openshelf inspect owner/name@main --endpoint http://127.0.0.1:8000
  openshelf inspect owner/name:variant/model.gguf --json
  openshelf inspect https://example.org/model.onnx

\b
Exit code: 0 where all could be read, 2 where not; with --json the answer is then an object with "error", the whole
message, and "file", "offset" and "reason" apart.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("where", metavar="PATH|REF")
@click.option("--all", "every", is_flag=True, help="Show each tensor on a line of its own.")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Add up what shares N parts of its name.")
@click.option("--tensor", "name", metavar="NAME", help="Show one tensor: its place, statistics and first values.")
@click.option("--endpoint", metavar="URL", help="The hub of a reference. [default: HF_ENDPOINT]")
@json_option
@click.pass_context
def command(
    context: click.Context,
    where: str,
    every: bool,
    depth: int | None,
    name: str | None,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """List the tensors of a model in a file, a folder, a repo of a hub or at an address, without running it.

    Only headers are read. A reference is owner/name, then @ and a branch, tag or commit, then : and a path in the
    repo; the last two may be left out. The token is taken from HF_TOKEN, or from where "hf auth login" keeps it.
    """
    try:
        with open_checkpoint(where, endpoint=endpoint) as checkpoint:
            show(checkpoint, every=every, depth=depth, name=name, as_json=as_json)
    except BrokenPipeError:
        raise
    except (UnreadableFile, NoSuchTensor, OSError) as error:
        fail(where, error, as_json)


def show(checkpoint: Checkpoint, *, every: bool, depth: int | None, name: str | None, as_json: bool) -> None:
    """Print a checkpoint, or one tensor of it."""
    if name is not None:
        tensor = checkpoint[name]
        found = statistics_of(checkpoint, tensor)
        if as_json:
            print_plain(inspect_json.tensor_values(tensor) | {"statistics": inspect_json.statistics_values(found)})
        else:
            _print(inspect_text.one_tensor(tensor, found))
    elif as_json:
        print_plain(inspect_json.values(checkpoint))
    else:
        width = inspect_text.width()
        _print(inspect_text.summary(checkpoint, width))
        _print(["", *inspect_text.tensors(checkpoint, width, every=every, depth=depth)])


def _print(lines: list[str]) -> None:
    click.echo("\n".join(lines))


def print_plain(value: Any) -> None:
    """JSON in ASCII alone: names in hostile files cannot steer a terminal, and every locale can print it."""
    click.echo(json.dumps(value, indent=2, default=str, allow_nan=False))


def fail(where: str, error: Exception, as_json: bool) -> NoReturn:
    """Say what could not be read, and end with exit code 2."""
    message = str(error)
    if isinstance(error, OSError):
        message = f"{error.filename or where}: {error.strerror or error}"
    if as_json:
        known = error if isinstance(error, UnreadableCheckpoint) else UnreadableCheckpoint(where, message)
        print_plain({"error": message, "file": known.file, "offset": known.offset, "reason": known.reason})
    else:
        click.echo(f"Error: {inspect_text.printable(message)}", err=True)
    raise click.exceptions.Exit(UNREADABLE)
