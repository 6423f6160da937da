"""Weighted sums: linear, average, task arithmetic, LoRA."""

from __future__ import annotations

import math
from collections.abc import Sequence

from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.methods.method import Kernel, Method, Parameter
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work

LAMBDA = Parameter(1.0, -100, 100, "what the sum of changes is multiplied with before it is added to the base")


def linear(work: Work) -> Kernel:
    """sum(w_i S_i) / sum(w_i). Model soups: Wortsman et al. 2022, arXiv 2203.05482.

    As an average by sample count, w_i being the samples of side i, it is FedAvg: McMahan et al. 2016, arXiv 1602.05629.
    """
    total = sum(work.weights)
    if abs(total) < 1e-12:
        raise MergeError(f"the weights of the sides that changed {work.name!r} add up to nothing")
    factors = [weight / total for weight in work.weights]

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(0), tile.scratch(1)
        for index, factor in enumerate(factors):
            tile.scaled(index, factor, room if index else found)
            if index:
                found += room
        return found

    return kernel


def task_arithmetic(work: Work) -> Kernel:
    """O + lambda * sum(w_i d_i). Ilharco et al. 2022, arXiv 2212.04089."""
    weights, scale = _factored(work.weights, work.parameters["lambda"])

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(0), tile.scratch(1)
        for index, weight in enumerate(weights):
            change = tile.delta(index, room if index else found)
            if weight != 1:
                change *= change.dtype.type(weight)
            if index:
                found += change
        return onto_base(tile, found, scale)

    return kernel


def _factored(weights: Sequence[float], scale: float) -> tuple[Sequence[float], float]:
    """The same weights, taken into ``scale`` where all are one power of two: that rounds nothing."""
    first = weights[0]
    if abs(math.frexp(first)[0]) == 0.5 and all(weight == first for weight in weights):
        return (1.0,) * len(weights), scale * first
    return weights, scale


def lora(work: Work) -> Kernel:
    """O + lambda * sum(w_i s_i B_i A_i), s = alpha / r, or alpha / sqrt(r) where rank-stabilised.

    Hu et al. 2021, arXiv 2106.09685; Kalajdzievski 2023, arXiv 2312.03732. It is task arithmetic: sides that are no
    adapters come in by what they changed, and any method takes adapters as sides.
    """
    return task_arithmetic(work)


def onto_base(tile: Tile, change: Array, scale: float) -> Array:
    """O + scale * change, in the room of ``change``."""
    assert tile.base is not None
    if scale != 1:
        change *= change.dtype.type(scale)
    change += tile.base
    return change


_SCALE = {"lambda": LAMBDA}
METHODS = (
    Method("task-arithmetic", "Task arithmetic", task_arithmetic, parameters=_SCALE, shows_non_finite=True),
    Method("linear", "Weighted mean", linear, needs_base=False, shows_non_finite=True),
    Method("average", "Mean by sample count", linear, needs_base=False, votes=True, shows_non_finite=True),
    Method("lora", "LoRA adapters folded in", lora, parameters=_SCALE, shows_non_finite=True),
)
