"""Methods that a minority of hostile or broken sides cannot lead far: median, trimmed mean, clipped norms."""

from __future__ import annotations

import math
import statistics

import numpy as np

from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.methods.linear import onto_base
from openshelf.analysis.weights.merging.methods.method import Kernel, Method, Parameter, Prepared, Takes
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work, product

_NETWORK = 32


def median(work: Work) -> Kernel:
    """The median of each element over the sides; of an even number, the mean of the two in the middle.

    Yin et al. 2018, arXiv 1803.01498. Weights are not used.
    """
    count = len(work.sides)
    return _mean_of_middle(count, (count - 1) // 2)


def trimmed_mean(work: Work) -> Kernel:
    """The mean of each element over the sides without the floor(trim * N) lowest and as many highest.

    Yin et al. 2018, arXiv 1803.01498. Weights are not used.
    """
    count = len(work.sides)
    cut = math.floor(work.parameters["trim"] * count + 1e-9)
    if not 0 < 2 * cut < count:
        raise MergeError(
            f"a trim of {work.parameters['trim']:g} leaves out {2 * cut} of the {count} sides of {work.name!r}; "
            "it must leave out some and not all: change trim, or give more sides"
        )
    return _mean_of_middle(count, cut)


def _mean_of_middle(count: int, cut: int) -> Kernel:
    def kernel(tile: Tile) -> Array:
        rows = _sorted(tile, count)
        found = rows[cut]
        for row in rows[cut + 1 : count - cut]:
            found += row
        if count - 2 * cut > 1:
            found /= count - 2 * cut
        return found

    return kernel


def _sorted(tile: Tile, count: int) -> list[Array]:
    """The values of each element over the sides, from the lowest to the highest, a row for each rank."""
    rows = [tile.scratch(1 + index) for index in range(count)]
    for row, side in zip(rows, tile.sides, strict=True):
        np.copyto(row, side)
    if count > _NETWORK:
        return list(np.sort(np.stack(rows), axis=0))
    room = tile.scratch(0)
    for turn in range(count):
        for index in range(turn % 2, count - 1, 2):
            low, high = rows[index], rows[index + 1]
            np.minimum(low, high, out=room)
            np.maximum(low, high, out=high)
            np.copyto(low, room)
    return rows


def norm_clip(work: Work) -> Prepared:
    """O + sum(w_i d_i min(1, c / |d_i|)) / sum(w_i), |d_i| the Euclidean norm over the tensor, c = ``max_norm``.

    Sun et al. 2019, arXiv 1911.07963. Without ``max_norm``, c is the median of the norms that are not zero.
    """
    norms = _norms(work)
    limit = work.parameters.get("max_norm") or statistics.median([norm for norm in norms if norm > 0] or [0.0])
    if len(norms) == 1 and norms[0] <= limit:
        return Takes(0)
    total = sum(work.weights)
    if total <= 0:
        raise MergeError(f"the weights of the sides of {work.name!r} add up to nothing")
    factors = [
        weight / total * (min(1.0, limit / norm) if norm > 0 else 0.0)
        for weight, norm in zip(work.weights, norms, strict=True)
    ]

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(0), tile.scratch(1)
        for index, factor in enumerate(factors):
            change = tile.delta(index, room if index else found)
            change *= change.dtype.type(factor)
            if index:
                found += change
        return onto_base(tile, found, 1)

    return kernel


def _norms(work: Work) -> list[float]:
    def measure(tile: Tile) -> list[float]:
        room = tile.scratch(0)
        return [
            product(change, change)
            for index in range(len(tile.sides))
            if (change := tile.delta(index, room)) is not None
        ]

    return [math.sqrt(math.fsum(column)) for column in zip(*work.each(measure), strict=True)] or [0.0] * len(work.sides)


METHODS = (
    Method("median", "Median of each element", median, needs_base=False, votes=True),
    Method(
        "trimmed-mean", "Trimmed mean of each element", trimmed_mean, needs_base=False, votes=True, least=3,
        parameters={"trim": Parameter(0.2, 0, 0.5, "the share of sides left out at each end")},
    ),
    Method(
        "norm-clip", "Mean of changes with clipped norms", norm_clip, votes=True, runs_alone=True,
        parameters={
            "max_norm": Parameter(None, 1e-30, 1e30, "the largest norm of a tensor's change; by default their median")
        },
    ),
)  # fmt: skip
