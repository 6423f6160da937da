"""``openshelf merge``: one model of several."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.weights import merge as merging
from openshelf.analysis.weights.merging.conflicts import Conflict, MergeError, MergeRefused
from openshelf.analysis.weights.merging.methods.method import methods
from openshelf.analysis.weights.merging.recipe import Recipe, Source
from openshelf.analysis.weights.merging.recipe_file import load_recipe
from openshelf.analysis.weights.merging.run import MergeReport
from openshelf.interfaces.cli.context import json_option, progress_bar

CONFLICTS, FAILED = 1, 2
NO_BASE = "-"
_EXAMPLES = """
\b
Examples:
  openshelf merge base ours theirs --out merged
  openshelf merge base ours theirs more --method ties --set density=0.3 --out merged
  openshelf merge base ours theirs --rule 'model.layers.0.*=ours' --rule '*.mlp.*=linear' --check
  openshelf merge base adapter --method lora --out merged
  openshelf merge base a b c --method average --samples 1200,400,90 --out merged
  openshelf merge acme/model@v1 acme/model@main ada/tuned --out merged
  openshelf merge --recipe merged/openshelf-merge.yaml --out again

\b
Exit code: 0 where it was done (or with --check, could be), 1 where conflicts stop it, 2 for everything else that went
wrong. Nothing is left in --out then. Soft conflicts are reported and do not stop a merge, unless --strict is given.
"""


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter("numbers with commas between them are expected, ours first") from None


def _settings(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, float]:
    found = {}
    for each in value:
        name, _, number = each.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise click.BadParameter(f"NAME=NUMBER is expected, not {each!r}") from None
    return found


def _rules(context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> list[merging.RuleGiven]:
    found: list[merging.RuleGiven] = []
    for each in value:
        pattern, sign, said = each.partition("=")
        name, *given = said.split(":")
        if not pattern or not sign or not name:
            raise click.BadParameter(f"GLOB=METHOD or GLOB=SIDE is expected, not {each!r}")
        found.append((pattern, name, _settings(context, parameter, given)))
    return found


@click.command(epilog=_EXAMPLES)
@click.argument("inputs", metavar="[BASE OURS THEIRS...]", nargs=-1)
@click.option(
    "--recipe", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Do what a recipe says."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to make.")
@click.option("--method", metavar="M", help=f"{', '.join(methods())}. [default: {merging.DEFAULT_METHOD}]")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=X", callback=_settings, help="A number of the method."
)
@click.option("--density", type=float, metavar="X", help="The same as --set density=X; so are the next three.")
@click.option("--lambda", "lambda_", type=float, metavar="X", help="What the sum of changes is multiplied with.")
@click.option("-t", "--t", type=float, metavar="X", help="How far slerp goes from ours to theirs.")
@click.option("--trim", type=float, metavar="X", help="The share of sides left out at each end.")
@click.option("--weights", metavar="A,B,...", callback=_numbers, help="One for each side, ours first.")
@click.option("--samples", metavar="A,B,...", callback=_numbers, help="The same, as numbers of samples.")
@click.option("--statistics", multiple=True, metavar="FILE", help="For fisher and regmean; one for each side in turn.")
@click.option(
    "--rule", "rules", multiple=True, metavar="GLOB=M", callback=_rules,
    help="For tensors whose name matches: a method (M:NAME=X with numbers), or base, ours, theirs.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), default=0, help="For dare. [default: 0]")
@click.option("--dtype", default="keep", metavar="T", help="float16, bfloat16, float32, float64. [default: keep]")
@click.option("--every-side/--three-way", default=None, help="Count sides that changed nothing too, or not.")
@click.option("--check", is_flag=True, help="Only say what would be done, and what stands in the way.")
@click.option("--strict", is_flag=True, help="Let soft conflicts stop the merge.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="[default: one for each core, 8 at most]")
@click.option("--shard-bytes", type=click.IntRange(min=1), metavar="N", help="The size of a file. [default: 5 GB]")
@click.option(
    "--hash", "hashing", type=click.Choice(merging.HASHING), default="blake3",
    help="How to identify inputs in the record; sha256 is taken beside blake3. [default: blake3]",
)  # fmt: skip
@click.option("--endpoint", metavar="URL", help="The hub of references. [default: HF_ENDPOINT]")
@json_option
@click.pass_context
def command(context: click.Context, /, inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Make one model of several that descend from BASE (- where there is none): weights, tokenizer and configuration.

    BASE, OURS and THEIRS are files, folders, owner/name@revision or addresses.

    A tensor that one side alone changed is taken from it byte for byte; where several changed it, the method decides.
    Arithmetic is in float32 with one rounding. The folder is there whole or not at all, with a record that makes the
    merge again bit for bit.
    """
    try:
        with progress_bar() as progress:
            report = _merge(inputs, options, progress)
    except MergeRefused as error:
        _show_refusal(error, as_json)
        context.exit(CONFLICTS)
    except (MergeError, UnreadableFile) as error:
        _fail(context, str(error), as_json)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(context, f"{where}{error.strerror or error}", as_json)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _show(report)
    context.exit(CONFLICTS if report.hard or (options["strict"] and report.soft) else 0)


def _merge(inputs: Sequence[str], options: Mapping[str, Any], progress: Any) -> MergeReport:
    names = ("out", "check", "strict", "threads", "hashing", "endpoint")
    shared = {name: options[name] for name in names} | {"progress": progress}
    if options["shard_bytes"]:
        shared["shard_bytes"] = options["shard_bytes"]
    if options["recipe"] is not None:
        return merging.merge(recipe=_recipe(options["recipe"], inputs, options), **shared)
    if len(inputs) < 2:
        raise MergeError("name BASE and at least one side (OURS THEIRS...), or a --recipe")
    given = {name.rstrip("_"): options[name] for name in ("density", "lambda_", "t", "trim")}
    numbers = {**options["parameters"], **{name: value for name, value in given.items() if value is not None}}
    base, *sides = inputs
    every = options["every_side"]
    return merging.merge(
        None if base == NO_BASE else base, *sides,
        method=options["method"] or merging.DEFAULT_METHOD, weights=options["weights"], samples=options["samples"],
        statistics=list(options["statistics"]) or None, rules=options["rules"], seed=options["seed"],
        dtype=options["dtype"], three_way=None if every is None else not every,
        **shared, **{_keyword(name): value for name, value in numbers.items()},
    )  # fmt: skip


def _keyword(name: str) -> str:
    return name.replace("-", "_") + "_"


def _recipe(path: Path, inputs: Sequence[str], options: Mapping[str, Any]) -> Path | Recipe:
    """The recipe; with inputs named beside it, they take the place of its paths, and must be the same models."""
    if options["method"] or options["rules"] or options["parameters"]:
        raise MergeError("a recipe says all of it: give either --recipe, or a method and rules")
    if not inputs:
        return path
    recipe = load_recipe(path)
    wanted = len(recipe.sides) + 1
    if len(inputs) != wanted:
        raise MergeError(f"the recipe has {wanted - 1} sides: name {wanted} inputs, {NO_BASE} for no base, or none")

    def moved(source: Source, place: str) -> Source:
        where = str(Path(place).resolve()) if Path(place).exists() else place
        return replace(source, path=where, endpoint=None, commit=None)

    sides = tuple(
        replace(
            side,
            source=moved(side.source, place),
            statistics=side.statistics and _beside(side.statistics, path.parent),
        )
        for side, place in zip(recipe.sides, inputs[1:], strict=True)
    )
    base = moved(recipe.base, inputs[0]) if recipe.base is not None else None
    return replace(recipe, base=base, sides=sides)


def _beside(source: Source, folder: Path) -> Source:
    """A source of the recipe that was not named anew: a path leads from the folder of the recipe."""
    if source.commit is not None or not (folder / source.path).exists():
        return source
    return replace(source, path=str((folder / source.path).resolve()))


def _show(report: MergeReport) -> None:
    done = f"{report.tensors:,} tensors" + (f" in {report.out}" if report.out else "")
    steps = ", ".join(f"{count:,} {why}" for why, count in report.steps.items())
    click.echo(f"{done}: {steps}" if steps else done)
    if report.dropped:
        click.echo(f"{len(report.dropped):,} tensors are left out: {', '.join(report.dropped[:5])}")
    for name, side in report.files.items():
        click.echo(f"  {name} from {side}")
    for note in report.notes:
        click.echo(note)
    _show_conflicts("Soft conflicts, worth a look:", report.soft)
    _show_conflicts("Conflicts that stop this merge:", report.hard)
    if report.out:
        click.echo("A clean merge is no evidence of a good model: evaluate it before you use it.")


def _show_refusal(error: MergeRefused, as_json: bool) -> None:
    if as_json:
        found = {"error": str(error), "hard": _plain(error.conflicts), "soft": _plain(error.soft)}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    click.echo(f"Error: {error}", err=True)
    click.echo("Nothing was written.", err=True)


def _show_conflicts(title: str, conflicts: Sequence[Conflict]) -> None:
    if conflicts:
        click.echo(title)
        for conflict in conflicts:
            click.echo(f"  {conflict.kind}: {conflict}")


def _plain(conflicts: Sequence[Conflict]) -> list[dict[str, Any]]:
    return [
        {"kind": each.kind.value, "where": each.where, "text": each.text, **dict(each.numbers)} for each in conflicts
    ]


def _fail(context: click.Context, message: str, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"error": message}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"Error: {message}", err=True)
    context.exit(FAILED)
