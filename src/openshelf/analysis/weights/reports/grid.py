"""The cells of the picture: for every layer and every kind of tensor in it, how much it moved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from openshelf.analysis.weights.blocks import place_of
from openshelf.analysis.weights.difference import ModelDifference, Status, TensorDifference
from openshelf.analysis.weights.headline import percent
from openshelf.analysis.weights.reports.wording import LEVELS, printable

MOST_LAYERS, MOST_KINDS, MOST_ALONE, MOST_SERIES = 400, 40, 40, 12


@dataclass(frozen=True, slots=True)
class Cell:
    """``level`` is 0 (the same) to 5 (10 % and more), or ``added``, ``removed``,
    ``broken`` (NaN or infinite values), ``unknown``; ``words`` say it."""

    level: int | str
    words: str


@dataclass(slots=True)
class Grid:
    """One series of layers: ``cells`` by (layer, kind)."""

    series: str
    layers: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    cells: dict[tuple[int, str], Cell] = field(default_factory=dict)
    left_out: str = ""


def grids(difference: ModelDifference) -> tuple[list[Grid], list[tuple[str, Cell]]]:
    """The series of layers, and the tensors that belong to none, each with its cell."""
    places = [(one, place_of(one.name)) for one in difference.tensors]
    order = {block.series: number for number, block in enumerate(difference.blocks)}
    members: dict[str, dict[tuple[int, str], list[TensorDifference]]] = {}
    alone: list[tuple[str, Cell]] = []
    for one, place in places:
        if place.number is None:
            alone.append((one.name, _cell([one])))
        else:
            members.setdefault(place.series, {}).setdefault((place.number, place.kind), []).append(one)
    found = [_grid(series, members[series]) for series in sorted(members, key=lambda series: order[series])]
    alone.sort(key=lambda pair: pair[1].level == 0)
    return found[:MOST_SERIES], alone[:MOST_ALONE]


def _grid(series: str, members: dict[tuple[int, str], list[TensorDifference]]) -> Grid:
    layers, kinds = sorted({layer for layer, _ in members}), list(dict.fromkeys(kind for _, kind in members))
    grid = Grid(series, layers[:MOST_LAYERS], kinds[:MOST_KINDS])
    shown = set(grid.kinds)
    grid.cells = {
        place: _cell(tensors) for place, tensors in members.items() if place[1] in shown and place[0] <= grid.layers[-1]
    }
    rest = [
        f"{len(all_of) - len(some):,} {noun}"
        for all_of, some, noun in ((layers, grid.layers, "layers"), (kinds, grid.kinds, "kinds of tensors"))
        if len(all_of) > len(some)
    ]
    grid.left_out = f"{' and '.join(rest)} more are not drawn" if rest else ""
    return grid


def _cell(tensors: Sequence[TensorDifference]) -> Cell:
    """One cell for a tensor, or for several of one kind, such as the experts of a layer."""
    name = printable(tensors[0].name) + (f" and {len(tensors) - 1} more" if len(tensors) > 1 else "")
    states = {one.status for one in tensors}
    if states <= {Status.EQUAL}:
        return Cell(0, f"{name}: the same")
    for status in (Status.ADDED, Status.REMOVED):
        if states == {status}:
            return Cell(status.value, f"{name}: {status.value}")
    moved = _relative(tensors)
    broken = sum(one.values.nan_after + one.values.inf_after for one in tensors if one.values)
    if broken:
        return Cell("broken", f"{name}: {broken:,} NaN or infinite values")
    if moved is None:
        changed = [one.values.changed_share for one in tensors if one.values]
        if not changed:
            note = next((one.note for one in tensors if one.note), "not compared")
            return Cell("unknown", f"{name}: {note}")
        return Cell(level(max(changed)), f"{name}: {percent(max(changed))} of its values changed")
    return Cell(level(moved), f"{name}: relative change {percent(moved)}")


def level(moved: float) -> int:
    """1 to 5, by the steps of ``LEVELS``."""
    return 1 + sum(moved >= limit for limit in LEVELS)


def _relative(tensors: Iterable[TensorDifference]) -> float | None:
    values = [one.values for one in tensors if one.values and one.values.l2 is not None]
    base = math.fsum((value.norm_before or 0) ** 2 for value in values)
    if not base:
        return None
    return math.sqrt(math.fsum((value.l2 or 0) ** 2 for value in values) / base)
