"""Merging from Python: ``openshelf.merge``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openshelf.analysis.checkpoints.writers.safetensors import MAX_SHARD_BYTES
from openshelf.analysis.weights.merging import recipe as recipes
from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.recipe import Recipe, Rule, Side, Source, Thresholds
from openshelf.analysis.weights.merging.recipe_file import load_recipe
from openshelf.analysis.weights.merging.run import (
        MergeReport,
    Options,
    Progress,
    check_recipe,
    merge_recipe,
)  # fmt: skip

if TYPE_CHECKING:
    AnyPath = str | os.PathLike[str]

RuleGiven = tuple[str, str] | tuple[str, str, Mapping[str, float]]
DEFAULT_METHOD = "task-arithmetic"
HASHING = ("blake3", "sha256", "none")


def merge(
    base: AnyPath | None = None,
    *sides: AnyPath,
    out: AnyPath | None = None,
    method: str = DEFAULT_METHOD,
    recipe: AnyPath | Recipe | None = None,
    weights: Sequence[float] | None = None,
    samples: Sequence[int] | None = None,
    statistics: Sequence[AnyPath] | None = None,
    rules: Sequence[RuleGiven] = (),
    seed: int = 0,
    dtype: str = recipes.KEEP,
    three_way: bool | None = None,
    thresholds: Thresholds | None = None,
    check: bool = False,
    strict: bool = False,
    threads: int | None = None,
    shard_bytes: int = MAX_SHARD_BYTES,
    hashing: str = "blake3",
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
    **parameters: float,
) -> MergeReport:
    """Merge ``sides`` (ours first), descendants of ``base``, into the folder ``out``; or only ``check``.

    ``base`` is None where there is no common ancestor. ``weights``, ``samples`` and ``statistics`` have one entry a
    side. ``rules`` are ``(glob, method or side)`` or ``(glob, method, parameters)``; the first that matches the name of
    a tensor decides. Other keywords are parameters of the method (``lambda_`` for lambda). Instead of all that a
    ``recipe`` can be given. ``hashing`` says how inputs are identified in the record: ``blake3`` (of small files
    SHA-256 too), ``sha256`` beside it, or ``none``. Arithmetic is in float32 (float64 for tensors of float64), rounded
    once at the end.

    Inputs are paths, references (``owner/name@revision``) or addresses, as for ``open_checkpoint``: ``endpoint`` is the
    hub of references, and the only server that is told ``token``. What is fetched is kept beside ``out`` until the
    end. The record names the commit that a revision was, which a replay opens.

    Raises MergeRefused (``conflicts`` is the list) where hard conflicts stop it, MergeError for what was asked wrongly,
    UnreadableCheckpoint for inputs that cannot be read. Nothing is left behind then.
    """
    if hashing not in HASHING:
        raise MergeError(f"inputs are identified by {', '.join(HASHING)}, not by {hashing!r}")
    options = Options(threads, shard_bytes, hashing, strict, progress, _tool(), endpoint, token)
    folder = Path()
    if recipe is None:
        made = _recipe(base, sides, method, parameters, weights, samples, statistics, rules)
        limits = thresholds or Thresholds()
        made = Recipe(
            made.base, made.sides, made.choice, made.rules, seed, recipes.check_dtype(dtype), three_way, limits
        )
    elif isinstance(recipe, Recipe):
        made = recipe
    else:
        made, folder = load_recipe(Path(recipe)), Path(recipe).parent
    made = recipes.checked(made)
    if check:
        return check_recipe(made, folder, options)
    if out is None:
        raise MergeError("say into which folder to merge (out), or only check")
    return merge_recipe(made, Path(out), folder, options)


def _recipe(
    base: AnyPath | None,
    sides: Sequence[AnyPath],
    method: str,
    parameters: Mapping[str, float],
    weights: Sequence[float] | None,
    samples: Sequence[int] | None,
    statistics: Sequence[AnyPath] | None,
    rules: Sequence[RuleGiven],
) -> Recipe:
    for name, given in (("weights", weights), ("samples", samples), ("statistics", statistics)):
        if given is not None and len(given) != len(sides):
            raise MergeError(f"{len(given)} {name} are given for {len(sides)} sides; give one for each, ours first")
    made = [
        Side(
            Source(str(side)),
            float(weights[index]) if weights is not None else None,
            int(samples[index]) if samples is not None else None,
            Source(str(statistics[index])) if statistics is not None else None,
        )
        for index, side in enumerate(sides)
    ]
    numbers = {name.rstrip("_"): float(value) for name, value in parameters.items()}
    return Recipe(
        Source(str(base)) if base is not None else None,
        tuple(made),
        recipes.choice_of(method, numbers),
        tuple(_rule(given) for given in rules),
    )


def _rule(given: RuleGiven) -> Rule:
    numbers = {name.rstrip("_"): float(value) for name, value in given[2].items()} if len(given) == 3 else {}
    return recipes.rule(given[0], recipes.choice_of(given[1], numbers))


def _tool() -> str:
    from openshelf import __version__

    return f"openshelf {__version__}"
