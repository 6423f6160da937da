"""The k-th largest magnitude of a change, exactly, without holding the tensor.

The bits of a non-negative IEEE number, read as an integer, are in the order of the numbers. So a histogram of their
upper bits tells in which bin the k-th largest lies, and a second pass over that bin alone tells which number it is:
two passes (four for float64) and 65,536 counters, whatever the size.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np

from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work

_DIGIT = 16


def thresholds(work: Work, share: float) -> tuple[float, ...]:
    """For each side the least magnitude among the ``share`` of elements that it changed most; 0 to keep them all."""
    keep = max(1, math.floor(share * work.elements + 0.5)) if work.elements else 0
    if keep >= work.elements:
        return (0.0,) * len(work.sides)
    return kth_magnitudes(work, keep)


def kth_magnitudes(work: Work, rank: int) -> tuple[float, ...]:
    """For each side the ``rank``-th largest magnitude (from 1) of what it changed."""
    width = work.held.itemsize * 8
    prefixes, ranks = [0] * len(work.sides), [rank] * len(work.sides)
    for shift in range(width - _DIGIT, -1, -_DIGIT):
        counts = _histograms(work, shift, prefixes)
        for side, held in enumerate(counts):
            above = np.cumsum(held[::-1])
            place = int(np.searchsorted(above, ranks[side]))
            ranks[side] -= int(above[place - 1]) if place else 0
            prefixes[side] = prefixes[side] << _DIGIT | (len(held) - 1 - place)
    bits = np.array(prefixes, dtype=f"u{work.held.itemsize}")
    return tuple(float(value) for value in bits.view(work.held))


def _histograms(work: Work, shift: int, prefixes: Sequence[int]) -> list[Array]:
    """How often each digit at ``shift`` stands below the upper digits that are known already."""
    width = work.held.itemsize * 8
    total = [np.zeros(1 << _DIGIT, np.int64) for _ in prefixes]
    lock = threading.Lock()

    def count(tile: Tile) -> None:
        for side, prefix in enumerate(prefixes):
            change = tile.delta(side, tile.scratch(0))
            bits = np.abs(change, out=change).view(f"u{change.dtype.itemsize}")
            if shift + _DIGIT < width:
                bits = bits[(bits >> (shift + _DIGIT)) == prefix]
            counts = np.bincount(bits.view(np.uint16)[shift // _DIGIT :: width // _DIGIT])
            with lock:
                total[side][: len(counts)] += counts

    work.each(count)
    return total
