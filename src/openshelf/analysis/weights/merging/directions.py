"""Soft conflicts: tensors that two sides changed in opposed directions.

Measured on the whole tensor up to ``SAMPLE`` elements; of a larger one on runs of elements spread evenly over it,
always the same ones. A number here calls for a look, and proves nothing: only an evaluation tells a good merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from openshelf.analysis.weights.merging.conflicts import Conflict, Kind
from openshelf.analysis.weights.merging.operands import Array, Operand
from openshelf.analysis.weights.merging.recipe import Thresholds, word

SAMPLE = 1 << 15
_RUN = 1 << 11
MOST_SIDES = 16


def opposed(
    name: str, base: Operand, sides: Sequence[Operand], positions: Sequence[int], limits: Thresholds
) -> Conflict | None:
    """The pair of sides that oppose each other most in a tensor; None where no pair is beyond a threshold."""
    changes = _changes(base, sides[:MOST_SIDES])
    worst: tuple[float, float, int, int] | None = None
    for first, second in combinations(range(len(changes)), 2):
        cosine, disagreement = compare(changes[first], changes[second], limits.top)
        beyond = cosine < limits.cosine or disagreement > limits.sign_disagreement
        if beyond and (worst is None or (cosine, -disagreement) < (worst[0], -worst[1])):
            worst = (cosine, disagreement, first, second)
    if worst is None:
        return None
    cosine, disagreement, first, second = worst
    text = (
        f"{word(positions[first])} and {word(positions[second])} changed it in opposed directions: "
        f"cosine {cosine:.3f}, "
        f"{disagreement:.0%} of the magnitude of the largest changes has opposite signs"
    )
    return Conflict(
        Kind.DIRECTION, name, text, {"cosine": round(cosine, 6), "sign_disagreement": round(disagreement, 6)}
    )


def compare(first: Array, second: Array, top: float) -> tuple[float, float]:
    """The cosine of two changes, and the share of opposite signs.

    That share is sum(|x| + |y|) over elements with opposite signs by the sum over all, among the ``top`` share of
    elements for which |x| + |y| is largest.
    """
    norm = float(np.sqrt((first * first).sum()) * np.sqrt((second * second).sum()))
    if norm == 0 or not np.isfinite(norm):
        return 1.0, 0.0
    cosine = float(np.clip((first * second).sum() / norm, -1, 1))
    size = np.abs(first) + np.abs(second)
    keep = max(1, round(top * len(size)))
    limit = np.partition(size, len(size) - keep)[len(size) - keep]
    largest = size >= limit
    total = float(size[largest].sum())
    against = float(size[largest & (np.sign(first) * np.sign(second) < 0)].sum())
    return cosine, against / total if total > 0 else 0.0


def _changes(base: Operand, sides: Sequence[Operand]) -> list[Array]:
    """What each side changed, in float64, in the elements that are looked at."""
    count = min([base.elements, *(side.elements for side in sides)])
    runs = sample_runs(count)
    before = _read(base, runs)
    return [_read(side, runs) - before for side in sides]


def _read(operand: Operand, runs: Sequence[tuple[int, int]]) -> Array:
    size = sum(stop - start for start, stop in runs)
    found, room = np.empty(size, np.float64), np.empty(max((b - a for a, b in runs), default=0), np.float64)
    place = 0
    for start, stop in runs:
        found[place : place + stop - start] = operand.run(start, stop)(start, stop, room)
        place += stop - start
    return found


def sample_runs(count: int) -> list[tuple[int, int]]:
    """The runs of elements that are looked at: one of all, or evenly spread ones."""
    if count <= SAMPLE:
        return [(0, count)]
    runs = SAMPLE // _RUN
    return [(start := index * (count - _RUN) // (runs - 1), start + _RUN) for index in range(runs)]
