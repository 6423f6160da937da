"""The values of one tensor in a few numbers, read a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Array, Checkpoint, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableValues

PIECE = 1 << 20
HEAD = 8


@dataclass(frozen=True, slots=True)
class Statistics:
    """``minimum`` to ``deviation`` (of the population) are over finite elements, None where there is none.

    ``head`` are the first elements in C order, as Python values.
    """

    elements: int
    zeros: int
    nans: int
    infinities: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    head: tuple[Any, ...]


def statistics_of(checkpoint: Checkpoint, tensor: Tensor) -> Statistics:
    """Reads all values of ``tensor``, 1 Mi elements at a time where they can be streamed. Raises UnreadableValues."""
    zeros = nans = infinities = 0
    sums: list[tuple[int, float, float]] = []
    ends: list[float] = []
    head: tuple[Any, ...] = ()
    for start in range(0, tensor.elements, PIECE):
        piece = checkpoint.elements(tensor, start, min(start + PIECE, tensor.elements))
        if start == 0:
            head = tuple(_python(value) for value in piece[:HEAD])
        values = _numbers(tensor, piece)
        zeros += int(values.size - np.count_nonzero(values))
        finite = np.isfinite(values)
        if not finite.all():
            nans += int(np.isnan(values).sum())
            infinities += int(np.isinf(values).sum())
            values = values[finite]
        if values.size:
            with np.errstate(all="ignore"):
                mean = float(values.mean())
                sums.append((values.size, mean, float(np.square(values - mean).sum())))
            ends += [float(values.min()), float(values.max())]
    low, high = (min(ends), max(ends)) if ends else (None, None)
    return Statistics(tensor.elements, zeros, nans, infinities, low, high, *_moments(sums), head)


def _numbers(tensor: Tensor, piece: Array) -> Array:
    if piece.dtype.kind in "cOSU":
        raise UnreadableValues(tensor.file, f"there are no statistics of values of the type {tensor.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):
        return piece.astype(np.float64)


def _moments(sums: list[tuple[int, float, float]]) -> tuple[float | None, float | None]:
    """Mean and deviation of the whole from count, mean and squared distance of each piece (Chan et al., 1979)."""
    count = sum(size for size, _, _ in sums)
    if not count:
        return None, None
    mean = sum(size / count * part for size, part, _ in sums)
    squares = sum(square + size * (part - mean) * (part - mean) for size, part, square in sums)
    return mean, sqrt(squares / count)


def _python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and value.dtype.kind in "biufc" else _other(value)


def _other(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
