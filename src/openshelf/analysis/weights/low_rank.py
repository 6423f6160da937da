"""Evidence that a change is of low rank, as a folded-in adapter leaves it."""

from __future__ import annotations

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array
from openshelf.analysis.weights.difference import LowRank
from openshelf.analysis.weights.sides import Side

DIRECTIONS = 48
"""How many directions are looked for; a change that needs more is called not low."""
MOST_ROWS = 1024
_LEAST_SIDE = 96
_MOST_ELEMENTS = 4_000_000
_STRIPS = 16
_KEPT = (1, 2, 4, 8, 16, 32, DIRECTIONS)


def can_be_examined(shape: tuple[int, ...]) -> bool:
    """Whether a matrix is large enough for low to mean something, and its rows short enough to hold many."""
    return len(shape) == 2 and min(shape) >= _LEAST_SIDE and shape[1] * _LEAST_SIDE <= _MOST_ELEMENTS


def examine(before: Side, after: Side) -> LowRank | None:
    """The leading directions of ``after - before``, a matrix of shape (rows, columns); None where it is zero.

    Of a tall matrix 1,024 rows at most are read, in strips spread evenly over it; a change of low rank is of the same
    low rank there. At most 16 MB are held. The start is the same in every run, so the figures are. Values must be
    finite.
    """
    change = np.concatenate([_change(before, after, first, last) for first, last in _strips(before, after)])
    largest = float(np.abs(change).max())
    if not largest:
        return None
    change /= np.float32(largest)
    total = float(np.sum(change * change, dtype=np.float64))
    start = np.random.default_rng(0).standard_normal((change.shape[1], DIRECTIONS), np.float32)
    basis = np.linalg.qr(change @ start)[0]
    gathered = np.linalg.qr(change.T @ basis)[0]
    values = np.linalg.svd((change @ gathered).astype(np.float64), compute_uv=False)
    energy = np.minimum(np.cumsum(values**2) / total, 1.0)
    ratios = values[:-1] / np.maximum(values[1:], values[0] * 1e-7)
    most = int(np.argmax(ratios))
    return LowRank(
        {k: float(energy[k - 1]) for k in _KEPT if k <= len(energy)},
        float(ratios[most]),
        most + 1,
        len(change),
        tuple(float(value) * largest for value in values),
    )


def _strips(before: Side, after: Side) -> list[tuple[int, int]]:
    """The rows to read, in strips that begin where both sides can be read from."""
    rows, columns = after.tensor.shape
    most = min(MOST_ROWS, _MOST_ELEMENTS // columns)
    if rows <= most:
        return [(0, rows)]
    unit = int(np.lcm(before.step, after.step))
    aligned = unit // int(np.gcd(unit, columns))
    height = max(most // _STRIPS // aligned, 1) * aligned
    starts = [number * (rows - height) // (_STRIPS - 1) // aligned * aligned for number in range(_STRIPS)]
    return [(start, min(start + height, rows)) for start in dict.fromkeys(starts)]


def _change(before: Side, after: Side, first: int, last: int) -> Array:
    columns = after.tensor.shape[1]
    start, stop = first * columns, last * columns
    change = after.read(start, stop).astype(np.float32)
    change -= before.read(start, stop).astype(np.float32)
    for side in (before, after):
        side.release(start, stop)
    return change.reshape(-1, columns)
