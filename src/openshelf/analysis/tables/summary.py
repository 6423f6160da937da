"""Figures about a column of a sample: its type as the values look, nulls, distinct values, least, greatest, spread."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from openshelf.analysis.tables.table import Column, common_bins, number_bins, number_text, shown

NULL_WORDS = frozenset({"", "null", "NULL", "None", "NA", "N/A", "n/a", "NaN", "nan", "<NA>"})
_INTEGER = re.compile(r"[+-]?\d{1,40}\Z", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,4})?\Z|[+-]?inf(?:inity)?\Z", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?\Z", re.ASCII)
_BOOLEANS = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})
_FEW = 20
_MOST_MEMBERS_SHOWN = 30


def summarise_texts(name: str, cells: Sequence[str | None]) -> Column:
    """Figures about cells that are texts: what they look like decides the type."""
    said = [cell.strip() for cell in cells if cell is not None and cell.strip() not in NULL_WORDS]
    nulls = len(cells) - len(said)
    kind = _kind_of(said)
    if kind in ("integer", "number"):
        return summarise_numbers(name, kind, [float(cell) for cell in said], nulls)
    return summarise_words(name, kind, said, nulls, by_order=kind == "date")


def summarise_numbers(name: str, type_name: str, values: Sequence[float], nulls: int) -> Column:
    """Figures about numbers; NaN and infinities are counted but not measured."""
    finite = [value for value in values if math.isfinite(value)]
    odd = len(values) - len(finite)
    distinct = len(set(finite))
    if not finite:
        return Column(name, type_name, nulls, distinct, note=_odd(odd))
    mean = math.fsum(value / len(finite) for value in finite)
    return Column(
        name,
        type_name,
        nulls,
        distinct,
        minimum=number_text(min(finite)),
        maximum=number_text(max(finite)),
        mean=number_text(mean),
        bins=number_bins(finite),
        bins_of="values",
        note=_odd(odd),
    )


def summarise_words(name: str, type_name: str, values: Sequence[str], nulls: int, *, by_order: bool = False) -> Column:
    """Figures about texts: the most common where they repeat, else the spread of their lengths."""
    bins, distinct, has_more = common_bins(values)
    bins_of = "common values"
    if distinct > _FEW or (distinct > 1 and distinct == len(values)):
        # Of moments neither the length nor the first few say anything.
        bins, bins_of = (() if by_order else number_bins([float(len(value)) for value in values])), "lengths"
    order = sorted((min(values), max(values))) if by_order and values else ["", ""]
    return Column(
        name,
        type_name,
        nulls,
        distinct,
        has_more,
        minimum=shown(order[0])[:_MOST_MEMBERS_SHOWN],
        maximum=shown(order[1])[:_MOST_MEMBERS_SHOWN],
        bins=bins,
        bins_of=bins_of,
    )


def _odd(count: int) -> str:
    return f"{count} not finite" if count else ""


def _kind_of(said: Sequence[str]) -> str:
    if not said:
        return "empty"
    for kind, fits in (("integer", _INTEGER.match), ("number", _FLOAT.match), ("date", _DATE.match)):
        if all(fits(cell) for cell in said):
            return kind
    return "boolean" if all(cell in _BOOLEANS for cell in said) else "text"
