"""``openshelf convert``: the same tensors in another format."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path

import click

from openshelf.interfaces.cli.context import json_option, print_json, progress_bar

REFUSED, UNREADABLE = 1, 2
_TARGETS = ("safetensors", "npz", "gguf", "onnx")
_LOSSES = ("dtype", "optimizer", "state", "strings", "metadata", "graph", "template")
_FLOATS = ("float64", "float32", "float16", "bfloat16")
# Those that the quantiser in Python of gguf makes; a test holds the two lists together.
_BLOCKS = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\Z", re.I)
_EPILOG = """
\b
Examples:
  openshelf convert model.bin --to safetensors --out ./model
  openshelf convert ./model --to npz --dtype float32 --out model.npz
  openshelf convert ./model --to gguf --dtype Q8_0 --names map.json --metadata general.architecture=llama --out m.gguf
  openshelf convert ./tuned --to onnx --like model.onnx --out tuned.onnx

What a conversion loses must be allowed by name: dtype (values are rounded), optimizer and state (tensors that are no
weights), strings (tensors of texts), metadata (what has no place there), graph (what the model computes), template
(weights of the template that the source lacks). A tensor with several names is written under each of them; views
become contiguous; neither is a loss.

GGUF: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0, TQ2_0 and MXFP4 can be made here, for matrices whose rows are whole blocks;
vectors stay as they are. Q2_K to Q6_K, Q8_K, Q8_1 and all IQ types cannot: use llama-quantize of llama.cpp.

Exit code: 0 where it is done, 1 where it is refused or there is no room, 2 where something cannot be read.
"""


class ByteSize(click.ParamType[int]):
    """``5GB``, ``500MB``, ``2GiB`` or a number of bytes."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.match(str(value))
        size = 0
        if found:
            step = 1024 if found[3] else 1000
            size = int(float(found[1]) * step ** " KMGT".index(found[2].upper() or " "))
        if size <= 0:
            self.fail(f"{value!r} is no size; write 5GB, 500MB or a number of bytes", param, ctx)
        return size


class Assignment(click.ParamType[tuple[str, str | bool | int | float]]):
    """``KEY=VALUE``; true, false and numbers are read as such."""

    name = "KEY=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str | bool | int | float]:
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        try:
            found = json.loads(text)
        except ValueError:
            found = text
        return key, found if isinstance(found, str | bool | int | float) else text


@click.command(epilog=_EPILOG)
@click.argument("source", metavar="SOURCE")
@click.option("--to", required=True, type=click.Choice(_TARGETS), help="The format to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file, or for safetensors a folder.")
@click.option(
    "--dtype",
    type=click.Choice((*_FLOATS, *_BLOCKS), case_sensitive=False),
    help="For floating-point tensors; others keep theirs.",
)
@click.option(
    "--max-shard-size", type=ByteSize(), default="5GB", show_default=True, help="Of safetensors: data per file."
)
@click.option("--like", metavar="TEMPLATE.onnx", help="For ONNX: the model whose initialisers get the values.")
@click.option(
    "--names",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON that maps names of tensors to others; those that it lacks stay.",
)
@click.option(
    "--metadata", type=Assignment(), multiple=True, help="To be written too; GGUF needs general.architecture."
)
@click.option(
    "--allow-lossy",
    "allowed",
    type=click.Choice(_LOSSES),
    multiple=True,
    help="A kind of loss that is accepted; once for each.",
)
@click.option("--verify/--no-verify", default=True, show_default=True, help="Read back what was written.")
@click.option("--endpoint", metavar="URL", help="The hub of a reference. [default: HF_ENDPOINT]")
@json_option
@click.pass_context
def command(
    context: click.Context,
    source: str,
    to: str,
    out: Path,
    dtype: str | None,
    max_shard_size: int,
    like: str | None,
    names: Path | None,
    metadata: tuple[tuple[str, str | bool | int | float], ...],
    allowed: tuple[str, ...],
    verify: bool,
    endpoint: str | None,
    as_json: bool,
) -> None:
    """Write the tensors of SOURCE, a file, folder or owner/name@revision, in another format."""
    from openshelf.analysis.checkpoints.opening import open_checkpoint
    from openshelf.analysis.files.ranges import UnreadableFile
    from openshelf.analysis.weights.conversion.convert import Converted, convert
    from openshelf.analysis.weights.conversion.losses import ConversionRefused, Loss

    found: Converted | None = None
    try:
        with ExitStack() as stack:
            checkpoint = stack.enter_context(open_checkpoint(source, endpoint=endpoint))
            template = stack.enter_context(open_checkpoint(like, endpoint=endpoint)) if like else None
            found = convert(
                checkpoint, to, out, dtype=dtype, names=_names(names), metadata=dict(metadata), like=template,
                max_shard_bytes=max_shard_size, allowed=[Loss(one) for one in allowed], verify=verify,
                progress=stack.enter_context(progress_bar()),
            )  # fmt: skip
    except (UnreadableFile, ConversionRefused) as error:
        if as_json:
            print_json({"error": str(error)})
        else:
            click.echo(f"Error: {error}", err=True)
        context.exit(REFUSED if isinstance(error, ConversionRefused) else UNREADABLE)
    _report(found, as_json)


def _names(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path} is not JSON: {error}", param_hint="--names") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise click.BadParameter(f"{path} must be a JSON object of names and names", param_hint="--names")
    return found


def _report(found: object, as_json: bool) -> None:
    from openshelf.analysis.weights.conversion.convert import Converted

    assert isinstance(found, Converted)
    if as_json:
        print_json(
            {
                "files": [str(path) for path in found.files],
                "tensors": found.tensors,
                "bytes": found.nbytes,
                "lost": {loss.value: names for loss, names in found.lost.items()},
                "kept_dtype": found.kept,
                "tied": found.tied,
                "verified": found.verified,
            }
        )
        return
    checked = " and read back" if found.verified else ""
    click.echo(f"{found.tensors:,} tensors of {found.nbytes:,} bytes were written{checked}:")
    for path in found.files:
        click.echo(f"  {path}")
    for loss, names in found.lost.items():
        click.echo(
            f"Lost as allowed, {loss.value}: {len(names):,} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        )
    if found.kept:
        some = ", ".join(found.kept[:3])
        click.echo(f"{len(found.kept):,} tensors keep their type, as their rows are no whole blocks: {some}")
    if found.tied:
        click.echo(f"{len(found.tied):,} groups of names share values; these were written under each name.")
