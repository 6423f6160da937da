"""Words and figures that all reports share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openshelf.analysis.weights.difference import ModelDifference, Row, Status, Structure, TensorDifference
from openshelf.analysis.weights.headline import counted, percent

DASH = "–"
MOST_NAMES = 8
LEVELS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Where the steps of the shading end: 0.01 %, 0.1 %, 1 %, 10 % of relative change."""


def printable(text: str, most: int = 120) -> str:
    """A name as it can be shown: nothing that moves a cursor or turns the direction, and not without end."""
    ends = text if len(text) <= 2 * most else text[:most] + text[-most:]
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in ends)
    if len(shown) <= most:
        return shown
    return f"{shown[: most // 2 - 1]}…{shown[-(most - most // 2) :]}"


def figure(value: float | int | None, digits: int = 3) -> str:
    """A number with a few digits that count, or a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{digits}g}"


def share(value: float | None) -> str:
    return DASH if value is None else percent(value)


def cosine(value: float | None) -> str:
    """Four digits, and more where it is almost 1."""
    if value is None:
        return DASH
    if 0 < 1 - value < 5e-5:
        return f"1 − {1 - value:.0e}".replace("e-0", "e-")
    return f"{value:.4f}"


def shape(one: TensorDifference) -> str:
    """``4096 × 1536``, or both where they differ."""
    before, after = _shape(one.shape_before), _shape(one.shape_after)
    return after or before if before == after or not (before and after) else f"{before} → {after}"


def _shape(sides: Sequence[int] | None) -> str:
    return "" if sides is None else " × ".join(map(str, sides)) or "scalar"


def dtype(one: TensorDifference) -> str:
    before, after = one.dtype_before, one.dtype_after
    return f"{before} → {after}" if before and after and before != after else after or before or ""


def notes(one: TensorDifference) -> str:
    """What is special about a tensor, in a few words."""
    found = []
    if one.former_name:
        found.append(f"was {printable(one.former_name, 60)}")
    if one.is_cast:
        found.append("cast only")
    if one.is_reshaped:
        found.append("reshaped")
    if one.rows and (one.rows.added or one.rows.removed):
        found.append(f"{one.rows.added:,} rows added" if one.rows.added else f"{one.rows.removed:,} rows removed")
    if one.rows and one.rows.changed:
        found.append(f"{one.rows.changed:,} of {one.rows.common:,} rows changed{_named(one.rows.most_changed)}")
    values = one.values
    if values and (values.nan_before or values.nan_after):
        found.append(f"NaN {values.nan_before:,} → {values.nan_after:,}")
    if values and (values.inf_before or values.inf_after):
        found.append(f"infinite {values.inf_before:,} → {values.inf_after:,}")
    if one.low_rank:
        k = min((k for k, energy in one.low_rank.energy.items() if energy >= 0.9), default=max(one.low_rank.energy))
        gap = f", gap {one.low_rank.gap:.3g} after {one.low_rank.gap_after}" if one.low_rank.gap >= 2 else ""
        found.append(f"{percent(one.low_rank.energy[k])} of energy in {k} directions{gap}")
    if one.note:
        found.append(one.note)
    return "; ".join(found)


def _named(rows: Sequence[Row]) -> str:
    """The rows that changed most, by their tokens where they are known, else by number."""
    shown = [f"{printable(row.token, 24)!r}" if row.token is not None else f"{row.index:,}" for row in rows[:3]]
    return f", most {', '.join(shown)}" if shown else ""


def relative(one: TensorDifference) -> str:
    """The relative distance; where the former tensor is all zero, the distance itself."""
    values = one.values
    if values is None:
        return DASH
    if values.relative_l2 is None and values.l2 is not None:
        return f"{values.l2:.3g} from 0"
    return share(values.relative_l2)


def by_change(difference: ModelDifference) -> list[TensorDifference]:
    """Tensors that are not the same, the most changed first: what broke, what moved, what came and went."""
    return sorted((one for one in difference.tensors if one.status is not Status.EQUAL), key=_rank)


def _rank(one: TensorDifference) -> tuple[float, float, float]:
    values = one.values
    if values is None:
        return (2 if one.status in (Status.ADDED, Status.REMOVED) else 1, 0, 0)
    broken = values.nan_after > values.nan_before or values.inf_after > values.inf_before
    moved = values.relative_l2 if values.relative_l2 is not None else (math.inf if values.l2 else 0.0)
    return (-1 if broken else 0, -moved, -values.changed_share)


@dataclass(frozen=True, slots=True)
class Fact:
    """A line about structure: what it is about, what is to be said, and names that go with it."""

    title: str
    text: str
    names: tuple[str, ...] = ()


def facts(structure: Structure) -> list[Fact]:
    """What changed apart from values."""
    found = [
        _change("Format", structure.format_before, structure.format_after),
        _change("Files", f"{structure.files_before:,}", f"{structure.files_after:,}"),
        _change("Parameters", f"{structure.parameters_before:,}", f"{structure.parameters_after:,}"),
    ]
    if structure.architecture_before != structure.architecture_after:
        sides = (structure.architecture_before, structure.architecture_after)
        found.append(_change("Architecture", *(printable(side or "not said") for side in sides)))
    if structure.is_resharded:
        found.append(Fact("Re-sharded", "the same tensors are divided otherwise among the files"))
    renamed = tuple(f"{one.before} → {one.after}" for one in structure.renamed)
    for title, names in (
        ("Added", structure.added), ("Removed", structure.removed), ("Renamed", renamed),
        ("Reshaped", structure.reshaped), ("Resized", structure.resized), ("Cast only", structure.cast),
        ("Type and values", structure.retyped), ("Newly tied", tuple(map(" = ".join, structure.tied))),
        ("No longer tied", tuple(map(" = ".join, structure.untied))),
    ):  # fmt: skip
        if names:
            noun = "group" if "tied" in title else "tensor"
            found.append(Fact(title, counted(len(names), noun), tuple(printable(name, 160) for name in names)))
    return found


def _change(title: str, before: str, after: str) -> Fact:
    return Fact(title, before if before == after else f"{before} → {after}")
