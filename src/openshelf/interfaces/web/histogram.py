"""Histograms as bars in an SVG, drawn on the server; the data stands beside it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openshelf.analysis.tables.table import Bin

WIDTH = 120
HEIGHT = 32
_LEAST = 1


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in a box of ``WIDTH`` by ``HEIGHT``, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def bars(bins: Sequence[Bin]) -> list[Bar]:
    """One bar a bin, as high as its share of the largest; what is there at all can be seen."""
    if not bins:
        return []
    most = max(found.count for found in bins) or 1
    step = WIDTH / len(bins)
    gap = 1 if len(bins) > 1 else 0
    found = []
    for place, one in enumerate(bins):
        height = round(max(_LEAST, one.count / most * HEIGHT), 1) if one.count else 0
        found.append(Bar(round(place * step, 1), round(HEIGHT - height, 1), round(step - gap, 1), height))
    return found
