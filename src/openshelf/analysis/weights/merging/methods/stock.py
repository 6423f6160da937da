"""Model stock: how far to go from the base to the mean, told by the angle between what the sides changed."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from openshelf.analysis.weights.merging.methods.linear import onto_base
from openshelf.analysis.weights.merging.methods.method import Kernel, Method
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work, product


def model_stock(work: Work) -> Kernel:
    """t * mean(S_i) + (1-t) * O with t = N c / (1 + (N-1) c), c the mean cosine of the pairs of d_i.

    Jang et al. 2024, arXiv 2403.19522. t is kept within 0 and 1: opposed changes (c below 0) leave the base.
    """
    count = len(work.sides)
    share = ratio(count, mean_cosine(work))

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(0), tile.scratch(1)
        for index in range(count):
            change = tile.delta(index, room if index else found)
            if index:
                found += change
        return onto_base(tile, found, share / count)

    return kernel


def mean_cosine(work: Work) -> float:
    """The mean over the pairs of sides of the cosine of what they changed in the whole tensor; 0 of nothing."""
    pairs = list(combinations(range(len(work.sides)), 2))

    def measure(tile: Tile) -> list[float]:
        changes = [tile.delta(index, tile.scratch(index)) for index in range(len(work.sides))]
        return [product(each, each) for each in changes] + [product(changes[i], changes[j]) for i, j in pairs]

    sums = [math.fsum(column) for column in zip(*work.each(measure), strict=True)]
    if not sums or not pairs:
        return 1.0
    squares, products = sums[: len(work.sides)], sums[len(work.sides) :]
    cosines = []
    for (first, second), both in zip(pairs, products, strict=True):
        norm = math.sqrt(squares[first]) * math.sqrt(squares[second])
        cosines.append(float(np.clip(both / norm, -1, 1)) if norm > 0 else 0.0)
    return math.fsum(cosines) / len(cosines)


def ratio(count: int, cosine: float) -> float:
    """t of the paper, kept within 0 and 1."""
    below = 1 + (count - 1) * cosine
    return min(1.0, max(0.0, count * cosine / below)) if below > 1e-6 else 0.0


METHODS = (Method("model-stock", "Model stock", model_stock),)
