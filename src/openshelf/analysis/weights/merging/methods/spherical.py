"""Spherical interpolation of two sides."""

from __future__ import annotations

import math

import numpy as np

from openshelf.analysis.weights.merging.methods.method import Kernel, Method, Parameter
from openshelf.analysis.weights.merging.operands import Array
from openshelf.analysis.weights.merging.tiles import Tile, Work, product

_NEARLY_PARALLEL = 0.9995


def slerp(work: Work) -> Kernel:
    """sin((1-t) a)/sin(a) S_1 + sin(t a)/sin(a) S_2, a the angle between the whole tensors. Shoemake 1985.

    Where |cos a| is above 0.9995, or a side is zero, it is (1-t) S_1 + t S_2.
    """
    share = work.parameters["t"]

    def measure(tile: Tile) -> tuple[float, float, float]:
        first, second = tile.sides
        return product(first, first), product(second, second), product(first, second)

    sums = [math.fsum(column) for column in zip(*work.each(measure), strict=True)] or [0.0, 0.0, 0.0]
    first, second = factors(sums[0], sums[1], sums[2], share)

    def kernel(tile: Tile) -> Array:
        found, room = tile.scratch(0), tile.scratch(1)
        np.multiply(tile.sides[0], found.dtype.type(first), out=found)
        np.multiply(tile.sides[1], found.dtype.type(second), out=room)
        found += room
        return found

    return kernel


def factors(first: float, second: float, both: float, share: float) -> tuple[float, float]:
    """What the two sides are multiplied with, from their squared norms and their scalar product."""
    norm = math.sqrt(first) * math.sqrt(second)
    cosine = both / norm if norm > 0 else 1.0
    if abs(cosine) > _NEARLY_PARALLEL:
        return 1 - share, share
    angle = math.acos(cosine)
    return math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)


METHODS = (
    Method(
        "slerp",
        "Spherical interpolation",
        slerp,
        needs_base=False,
        parameters={"t": Parameter(0.5, 0, 1, "how far from the first side to the second")},
        least=2,
        most=2,
        symmetric=False,
    ),
)
