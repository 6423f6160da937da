"""A merge from beginning to end: open, look, refuse or compute, and put the folder in its place at once."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from openshelf.analysis.checkpoints.remote.references import is_address
from openshelf.analysis.checkpoints.remote.spool import Spool
from openshelf.analysis.checkpoints.writers.safetensors import MAX_SHARD_BYTES, SafetensorsWriter
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor
from openshelf.analysis.weights.merging import carry, recipe_file
from openshelf.analysis.weights.merging import recipe as recipes
from openshelf.analysis.weights.merging.compute import Merger, taken, written_type
from openshelf.analysis.weights.merging.conflicts import Conflict, Kind, MergeError, MergeRefused
from openshelf.analysis.weights.merging.directions import opposed
from openshelf.analysis.weights.merging.inputs import Access, Inputs, identify, open_inputs
from openshelf.analysis.weights.merging.methods.method import method
from openshelf.analysis.weights.merging.operands import is_quantised
from openshelf.analysis.weights.merging.plan import Combine, Plan, Take, make_plan
from openshelf.analysis.weights.merging.recipe import Recipe, Source, word
from openshelf.analysis.weights.merging.tiles import Threads, worker_threads

Progress = Callable[[str, int, int], None]
MANY_LEFT = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What does not decide a single value: threads, sizes of files, how inputs are hashed (see ``identify``).

    ``endpoint`` is the hub of references, and ``token`` what it, and no other server, is told.
    """

    threads: int | None = None
    shard_bytes: int = MAX_SHARD_BYTES
    hashing: str = "blake3"
    strict: bool = False
    progress: Progress | None = None
    tool: str = "openshelf"
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge did, or would do. ``steps``: why tensors were taken, or the method, with the number of tensors.

    ``hard`` is empty after a merge that was done.
    """

    out: str | None
    tensors: int
    steps: Mapping[str, int]
    dropped: tuple[str, ...]
    hard: tuple[Conflict, ...]
    soft: tuple[Conflict, ...]
    files: Mapping[str, str]
    notes: tuple[str, ...]
    recipe: Recipe = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "out": self.out,
            "tensors": self.tensors,
            "steps": dict(self.steps),
            "dropped": list(self.dropped),
            "hard": [_plain(conflict) for conflict in self.hard],
            "soft": [_plain(conflict) for conflict in self.soft],
            "files": dict(self.files),
            "notes": list(self.notes),
            "recipe": recipes.as_mapping(self.recipe),
        }


def check_recipe(recipe: Recipe, folder: Path, options: Options | None = None) -> MergeReport:
    """What a merge would do and what stands in its way; nothing is written. Paths lead from ``folder``."""
    options = options or Options()
    with Spool() as spool, _examined(recipe, folder, options, spool, thorough=True) as found:
        return found.report(None)


def merge_recipe(recipe: Recipe, out: Path, folder: Path, options: Options | None = None) -> MergeReport:
    """Do what a recipe says, and write the folder ``out``: weights, other files and the record.

    It is there whole or not at all. Raises MergeRefused with all hard conflicts, MergeError where the recipe, the
    output or the disk will not do, UnreadableCheckpoint for inputs that cannot be read.
    """
    options = options or Options()
    _check_free(out)
    beside = out.parent if out.parent.is_dir() else None
    with Spool(beside) as spool, _examined(recipe, folder, options, spool) as found:
        if found.hard:
            raise MergeRefused(found.hard, found.soft)
        if found.soft and options.strict:
            raise MergeRefused(found.soft)
        with _whole_folder(out) as unfinished:
            found.write(unfinished)
            report = found.report(str(out))
            record = replace(found.recipe, **_relocated(found.recipe, folder, out))
            text = _HEAD + recipe_file.write_recipe(record, _result(report, options))
            (unfinished / carry.RECORD).write_text(text, encoding="utf-8")
        return report


_HEAD = "# What made this model. To make it again: openshelf merge --recipe openshelf-merge.yaml --out DIR\n"


@dataclass(slots=True)
class _Examined:
    """A merge that was looked at: inputs open, plan made, conflicts found."""

    recipe: Recipe
    inputs: Inputs
    plan: Plan
    carried: carry.Carried
    threads: Threads
    options: Options
    hard: list[Conflict]
    soft: list[Conflict]

    def write(self, folder: Path) -> None:
        """Weights and carried files, into a folder that nobody sees yet."""
        tensors = [self._planned(step) for step in self.plan.steps]
        wrong: list[Conflict] = []
        total = sum(tensor.nbytes for tensor in tensors)
        done = 0
        try:
            with SafetensorsWriter(folder, tensors, self._metadata(), self.options.shard_bytes) as writer:
                merger = Merger(self.recipe, self.inputs, self.threads, writer.write)
                for step, tensor in zip(self.plan.steps, tensors, strict=True):
                    found = merger.take(step) if isinstance(step, Take) else merger.combine(step)
                    if found is not None:
                        wrong.extend(self.non_finite(step) or [found])
                    done += tensor.nbytes
                    self._tell("merging", done, total)
                if wrong:
                    raise MergeRefused(wrong, self.soft)
                writer.finish()
        except NotWritable as error:
            raise MergeError(f"the merged tensors cannot be written: {error}") from None
        carry.copy(self.carried, self.inputs, folder)

    def non_finite(self, step: Take | Combine) -> list[Conflict]:
        """A conflict for each operand of a tensor that has NaN or infinite values."""
        wrong: list[Conflict] = []
        indices = step.sides if isinstance(step, Combine) else (step.side,)
        for index in (*indices, -1) if isinstance(step, Combine) and step.with_base else indices:
            held = self.inputs.base if index < 0 else self.inputs.sides[index]
            count = held.tensors[step.name].non_finite() if held is not None else 0
            if count:
                text = f"has {count:,} values that are NaN or infinite in {word(index)}"
                wrong.append(Conflict(Kind.NON_FINITE, step.name, text))
        return wrong

    def _planned(self, step: Take | Combine) -> PlannedTensor:
        if isinstance(step, Take):
            source = taken(step, self.inputs)
            return PlannedTensor(step.name, written_type(source.dtype, self.recipe), source.shape)
        return PlannedTensor(step.name, step.dtype, step.shape)

    def _metadata(self) -> dict[str, str]:
        """The metadata of the safetensors files: the recipe without paths, the same wherever the inputs lie."""
        recipe = recipes.as_mapping(self.recipe, paths=False)
        ours = self.inputs.sides[0].checkpoint.metadata.get("format")
        written = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {
            "format": ours if isinstance(ours, str) else "pt",
            "openshelf_merge": written,
            "openshelf_tool": self.options.tool,
        }

    def report(self, out: str | None) -> MergeReport:
        counts = Counter(step.why if isinstance(step, Take) else step.method for step in self.plan.steps)
        notes = [
            f"{each.label}: {each.left_out:,} tensors are no weights (optimiser state, constants) and are left behind"
            for each in self.inputs.all() if each.left_out
        ]  # fmt: skip
        files = {name: word(index) for name, index in self.carried.files.items()}
        soft = (*self.soft, *self.carried.notes)
        return MergeReport(
            out, len(self.plan.steps), dict(counts.most_common()), tuple(self.plan.dropped), tuple(self.hard), soft,
            files, tuple(notes), self.recipe,
        )  # fmt: skip

    def _tell(self, what: str, number: int, total: int) -> None:
        if self.options.progress is not None:
            self.options.progress(what, number, total)


@contextmanager
def _examined(
    recipe: Recipe, folder: Path, options: Options, spool: Spool, thorough: bool = False
) -> Iterator[_Examined]:
    recipes.checked(recipe)
    access = Access(folder, options.endpoint, options.token, spool)
    with worker_threads(options.threads) as threads, open_inputs(recipe, access) as inputs:
        found_out = [replace(each.source, identity=identify(each, threads, options.hashing)) for each in inputs.all()]
        known = _with_sources(recipe, found_out)
        plan = make_plan(known, inputs)
        carried = carry.carry(inputs)
        hard = [*_misfits(inputs), *plan.hard, *carried.hard]
        found = _Examined(known, inputs, plan, carried, threads, options, hard, [])
        _look(found, thorough)
        yield found


def _look(found: _Examined, thorough: bool) -> None:
    """Read what was changed: values that are not finite, and sides that oppose each other.

    Where not ``thorough``, operands of methods that show such values are left for the computation to tell, unless
    something else stops the merge: then the list is to be full.
    """
    left: list[Combine] = []
    jobs = [step for step in found.plan.steps if isinstance(step, Combine) or step.side >= 0]
    for number, step in enumerate(jobs, 1):
        if not thorough and isinstance(step, Combine) and method(step.method).shows_non_finite:
            left.append(step)
        else:
            found.hard.extend(found.non_finite(step))
        if isinstance(step, Combine):
            found.soft.extend(_opposed(found, step))
        if found.options.progress is not None:
            found.options.progress("looking", number, len(jobs))
    if found.hard:
        found.hard.extend(conflict for step in left for conflict in found.non_finite(step))


def _opposed(found: _Examined, step: Combine) -> list[Conflict]:
    base = found.inputs.base
    if len(step.sides) < 2 or base is None or step.name not in base.tensors:
        return []
    operands = [found.inputs.sides[index].tensors[step.name] for index in step.sides]
    soft = opposed(step.name, base.tensors[step.name], operands, step.sides, found.recipe.thresholds)
    return [soft] if soft is not None else []


def _misfits(inputs: Inputs) -> list[Conflict]:
    """Inputs that cannot be merged as a whole."""
    wrong: list[Conflict] = [conflict for side in inputs.sides for conflict in side.problems]
    first = inputs.base or inputs.sides[0]
    for each in inputs.all():
        if any(is_quantised(tensor.dtype) for tensor in each.tensors.values()) and each.checkpoint.format == "gguf":
            text = "is quantised: merge the models it was made from, and quantise the result"
            wrong.append(Conflict(Kind.QUANTISED, each.label, text))
    for side in inputs.sides:
        shared = len(first.tensors.keys() & side.tensors.keys())
        if shared < MANY_LEFT * max(len(first.tensors), len(side.tensors)):
            text = f"shares only {shared} of {len(side.tensors)} names of tensors with {first.label}: another model"
            wrong.append(Conflict(Kind.ARCHITECTURE, side.label, text))
    return wrong


def _with_sources(recipe: Recipe, sources: Sequence[Source]) -> Recipe:
    """The recipe with all that was found out of its sources, which come in the order of ``Inputs.all``."""
    held = iter(sources)
    base = next(held) if recipe.base is not None else None
    sides = [replace(side, source=next(held)) for side in recipe.sides]
    known = [replace(side, statistics=next(held) if side.statistics is not None else None) for side in sides]
    return replace(recipe, base=base, sides=tuple(known))


def _relocated(recipe: Recipe, folder: Path, out: Path) -> dict[str, Any]:
    """Base and sides with paths that lead from the folder of the output."""

    def moved(source: Source) -> Source:
        if source.commit is not None or is_address(source.path):
            return source
        there = folder / source.path if (folder / source.path).exists() else Path(source.path)
        if not there.exists():
            return source
        leads = os.path.relpath(there.parent.resolve() / there.name, out.parent.resolve() / out.name)
        return replace(source, path=Path(leads).as_posix())

    sides = tuple(
        replace(side, source=moved(side.source), statistics=side.statistics and moved(side.statistics))
        for side in recipe.sides
    )
    return {"base": recipe.base and moved(recipe.base), "sides": sides}


def _result(report: MergeReport, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {"tool": options.tool, "tensors": report.tensors, "steps": dict(report.steps)}
    if report.dropped:
        found["dropped"] = list(report.dropped)
    if report.files:
        found["files"] = dict(report.files)
    if report.soft:
        found["soft_conflicts"] = [_plain(conflict) for conflict in report.soft]
    return found


def _plain(conflict: Conflict) -> dict[str, Any]:
    return {
        "kind": conflict.kind.value, "where": conflict.where, "text": conflict.text, **dict(conflict.numbers)
    }  # fmt: skip


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MergeError(f"{out} is there already: name a folder that does not exist, or an empty one")


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place at the end, or is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=f".{out.name}.unfinished-", dir=out.parent))
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())
        unfinished.replace(out)
        _sync(out.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MergeError(f"the disk is full: nothing was written to {out}; make room and try again") from None
        raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
