"""Methods that weigh the sides by statistics of their training data: Fisher and RegMean.

Statistics are supplied by whoever trained a side, as a checkpoint (safetensors) that has, under the name of each
tensor, its statistic. They tell something of the data they were computed on.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from openshelf.analysis.weights.merging.conflicts import MergeError
from openshelf.analysis.weights.merging.methods.linear import linear
from openshelf.analysis.weights.merging.methods.method import Aligned, Kernel, Method, Parameter, Prepared
from openshelf.analysis.weights.merging.operands import Array, Operand
from openshelf.analysis.weights.merging.tiles import TILE, Tile, Work


def fisher(work: Work) -> Kernel:
    """sum(w_i F_i S_i) / sum(w_i F_i), F_i the diagonal of the Fisher information, at least ``floor``.

    Matena and Raffel 2021, arXiv 2111.09832. The statistic has the shape of the tensor and no negative values.
    """
    floor = work.parameters["floor"]
    if min(work.weights) < 0 or sum(work.weights) <= 0:
        raise MergeError("fisher needs weights that are not negative, and one that is positive")

    def kernel(tile: Tile) -> Array:
        total, below, room, part = tile.scratch(0), tile.scratch(1), tile.scratch(2), tile.scratch(3)
        total.fill(0)
        below.fill(0)
        for side, statistic, weight in zip(tile.sides, tile.statistics, work.weights, strict=True):
            np.maximum(statistic, room.dtype.type(floor), out=room)
            room *= room.dtype.type(weight)
            below += room
            total += np.multiply(room, side, out=part)
        total /= below
        return total

    return kernel


def regmean(work: Work) -> Prepared:
    """(sum W_i G_i) (sum G_i)^-1 for matrices W (outputs x inputs); other tensors get the weighted mean.

    Jin et al. 2022, arXiv 2212.09849. G_i = X_i^T X_i over the inputs X_i of the layer, times w_i, its elements off the
    diagonal times ``shrink``. Tensors without a statistic on any side get the mean too, as in the paper. It is solved
    in float64; beside the tiles it needs 32 + 4 N bytes for each element of G (twice the 4 for tensors of float64):
    0.7 GB for two sides and 4,096 inputs, 4.8 GB for 11,008.
    """
    if len(work.shape) != 2 or not work.statistics:
        return linear(work)
    columns = work.shape[1]
    if columns > TILE:
        raise MergeError(f"{work.name!r} has {columns:,} inputs; RegMean takes up to {TILE:,}")
    grams = [
        partial(_gram, each, columns, work.parameters["shrink"], weight)
        for each, weight in zip(work.statistics, work.weights, strict=True)
    ]
    total = grams[0]()
    for gram in grams[1:]:
        total += gram()  # and read again below: one at a time is held, however many sides there are
    try:
        inverse = np.linalg.inv(total)
    except np.linalg.LinAlgError:
        inverse = None
    if inverse is None or not np.isfinite(inverse).all():
        raise MergeError(
            f"the statistics of {work.name!r} leave it undetermined (their sum has no inverse): "
            "choose a smaller shrink, or add more examples to them"
        )
    del total
    shares = [(gram() @ inverse).astype(work.held) for gram in grams]
    del inverse

    def kernel(tile: Tile) -> Array:
        found = tile.scratch(0)
        found.fill(0)
        for side, share in zip(tile.sides, shares, strict=True):
            found += (side.reshape(-1, columns) @ share).reshape(-1)
        return found

    return Aligned(kernel, columns)


def _gram(statistic: Operand, columns: int, shrink: float, weight: float) -> Array:
    found = np.empty(columns * columns, np.float64)
    found[:] = statistic.run(0, len(found))(0, len(found), np.empty(len(found), np.float64))
    gram = found.reshape(columns, columns)
    diagonal = gram.diagonal().copy()
    gram *= shrink
    np.fill_diagonal(gram, diagonal)
    gram *= weight
    return gram


METHODS = (
    Method(
        "fisher", "Fisher-weighted mean", fisher, needs_base=False, statistics="fisher",
        parameters={"floor": Parameter(1e-6, 0, 1e6, "the least Fisher value an element counts with")},
    ),
    Method(
        "regmean", "Regression mean", regmean, needs_base=False, statistics="gram",
        parameters={"shrink": Parameter(0.9, 0, 1, "what elements off the diagonal are multiplied with")},
    ),
)  # fmt: skip
