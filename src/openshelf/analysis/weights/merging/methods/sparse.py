"""Methods that leave out a part of what the sides changed: TIES by magnitude, DARE at random."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from openshelf.analysis.weights.merging.methods.linear import LAMBDA, onto_base
from openshelf.analysis.weights.merging.methods.method import Kernel, Method, Parameter
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.selection import thresholds
from openshelf.analysis.weights.merging.tiles import Tile, Work

Sparsify = Callable[[Tile, int, Array], None]
"""Sets to zero, in place, what is left out of the change of a side."""


def ties(work: Work) -> Kernel:
    """O + lambda * (sum over agreeing i of w_i d'_i) / (sum over agreeing i of w_i).

    Yadav et al. 2023, arXiv 2306.01708. d'_i keeps of each d_i the share ``density`` of elements largest in magnitude,
    per tensor, ties at the limit kept as in the authors' code. A side agrees, per element, where w_i d'_i is not zero
    and has the sign of sum(w_i d'_i); of a sum of zero the sign is plus. Where none agrees, the base stays.
    """
    limits = thresholds(work, work.parameters["density"])

    def trim(tile: Tile, side: int, change: Array) -> None:
        if limits[side] > 0:
            magnitude = np.abs(change, out=tile.scratch(0))
            np.multiply(change, magnitude >= limits[side], out=change)

    return _elected(work, trim)


def dare_linear(work: Work) -> Kernel:
    """O + lambda * sum(w_i m_i d_i / density), m_i keeping each element with that chance.

    Yu et al. 2023, arXiv 2311.03099. The chance of an element follows from the seed, the name of the tensor, the place
    of the side in the recipe and the element's own (Philox, Salmon et al. 2011), so threads, order and shards make no
    difference.
    """
    drop = _random_drop(work)
    scale = work.parameters["lambda"]

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(1), tile.scratch(2)
        for index, weight in enumerate(work.weights):
            change = tile.delta(index, room if index else found)
            drop(tile, index, change)
            if weight != 1:
                change *= change.dtype.type(weight)
            if index:
                found += change
        return onto_base(tile, found, scale)

    return kernel


def dare_ties(work: Work) -> Kernel:
    """DARE in place of the trimming of TIES; then its election of signs and its mean of those that agree."""
    return _elected(work, _random_drop(work))


def _elected(work: Work, sparsify: Sparsify) -> Kernel:
    scale = work.parameters["lambda"]
    count = len(work.sides)

    def kernel(tile: Tile) -> Array:
        changes = [tile.delta(index, tile.scratch(4 + index)) for index in range(count)]
        total, below, room = tile.scratch(1), tile.scratch(2), tile.scratch(3)
        for index, change in enumerate(changes):
            sparsify(tile, index, change)
            if work.weights[index] != 1:
                change *= change.dtype.type(work.weights[index])
            np.copyto(total, change) if not index else np.add(total, change, out=total)
        plus = total >= 0
        total.fill(0)
        below.fill(0)
        for change, weight in zip(changes, work.weights, strict=True):
            agrees = (change > 0) == plus
            agrees &= change != 0
            total += np.multiply(change, agrees, out=room)
            below += np.multiply(agrees, room.dtype.type(weight), out=room)
        np.copyto(below, 1, where=below == 0)
        total /= below
        return onto_base(tile, total, scale)

    return kernel


def _random_drop(work: Work) -> Sparsify:
    density = work.parameters["density"]
    limit = min(int(density * 2**32), 2**32 - 1)
    keys = [_key(work.seed, work.name, position) for position in work.positions]

    def drop(tile: Tile, side: int, change: Array) -> None:
        if density < 1:
            kept = uniform(keys[side], tile.start, tile.stop) < limit
            change *= change.dtype.type(1 / density)
            np.multiply(change, kept, out=change)

    return drop


def _key(seed: int, name: str, position: int) -> int:
    said = f"{seed}\0{position}\0{name}".encode()
    return int.from_bytes(blake2b(said, digest_size=16, person=b"openshelf-dare").digest(), "little")


def uniform(key: int, start: int, stop: int) -> Array:
    """Elements ``[start, stop)`` of the stream of ``key``: uint32, each the same whatever run it is asked for in."""
    block = start // 8
    found = np.random.Philox(key=key, counter=block).random_raw(-(-(stop - block * 8) // 2))
    return np.asarray(found).astype("<u8", copy=False).view("<u4")[start - block * 8 : stop - block * 8]


_DENSITY = "the share of each change that is kept"
METHODS = (
    Method(
        "ties", "TIES", ties, parameters={"density": Parameter(0.2, 1e-6, 1, _DENSITY), "lambda": LAMBDA}
    ),
    Method(
        "dare-linear", "DARE, then task arithmetic", dare_linear, symmetric=False,
        parameters={"density": Parameter(0.5, 1e-6, 1, _DENSITY), "lambda": LAMBDA},
    ),
    Method(
        "dare-ties", "DARE, then TIES", dare_ties, symmetric=False,
        parameters={"density": Parameter(0.5, 1e-6, 1, _DENSITY), "lambda": LAMBDA},
    ),
)  # fmt: skip
