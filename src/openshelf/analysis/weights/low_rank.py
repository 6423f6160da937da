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
_SQUARE = 64
"""With 48 directions fewer than the 262,144 multiplications from which on OpenBLAS shares out one product."""
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
    basis = _orthonormal(_times(change, start))
    gathered = _orthonormal(_times(change.T, basis))
    squares = np.linalg.eigvalsh(_gram(_times(change, gathered)))[::-1]
    values = np.zeros(min(DIRECTIONS, *change.shape))
    values[: len(squares)] = np.sqrt(np.maximum(squares, 0))
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


def _times(matrix: Array, other: Array) -> Array:
    """``matrix @ other``, in squares so small that OpenBLAS wakes no other threads: that cost five times the work."""
    found = np.zeros((len(matrix), other.shape[1]), matrix.dtype)
    for column in range(0, len(other), _SQUARE):
        factor = other[column : column + _SQUARE]
        for row in range(0, len(matrix), _SQUARE):
            found[row : row + _SQUARE] += matrix[row : row + _SQUARE, column : column + _SQUARE] @ factor
    return found


def _gram(image: Array) -> Array:
    """The products of all pairs of columns, in float64."""
    wide = image.astype(np.float64)
    found: Array = np.zeros((image.shape[1], image.shape[1]))
    for start in range(0, len(wide), _SQUARE):
        piece = wide[start : start + _SQUARE]
        found += piece.T @ piece
    return found


def _orthonormal(image: Array) -> Array:
    """A basis of what the columns span, but for directions that are lost in rounding."""
    values, vectors = np.linalg.eigh(_gram(image))
    kept = values > values[-1] * 1e-13
    return _times(image.astype(np.float64), vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)


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
