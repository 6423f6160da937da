"""A page of a table, and figures about its columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_CELL = 1_000
MAX_COLUMNS = 200
SAMPLE_ROWS = 10_000
BINS = 20
_MOST_DISTINCT = 1_000
_COMMON = 5


@dataclass(frozen=True, slots=True)
class Bin:
    """``count`` values from ``low`` to below ``high`` (the last one with ``high``); a word where both are None."""

    count: int
    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """``type``: as the format calls it, or as the values look. Counts are of the sample; None is not known.

    ``minimum``, ``maximum``: as text. ``bins``: of numbers and lengths in equal steps, of words the most common.
    ``is_exact``: whether nulls, minimum and maximum are of all rows.
    """

    name: str
    type: str
    nulls: int | None = None
    distinct: int | None = None
    has_more_distinct: bool = False
    minimum: str = ""
    maximum: str = ""
    mean: str = ""
    bins: tuple[Bin, ...] = ()
    bins_of: str = ""
    is_exact: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows ``first`` and on of a table; None in a cell is a null.

    ``total``: rows in all, None where unknown; ``is_estimate`` where it is guessed from the size. ``sampled``: rows
    that the figures of the columns are about. ``facts``: what else is known, as pairs of words. ``has_more``: rows
    after these can be asked for.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    first: int
    total: int | None
    sampled: int
    is_estimate: bool = False
    has_more: bool = False
    left_out_columns: int = 0
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def shown(value: str) -> str:
    """A cell as the page has it: cut, and said so."""
    return value if len(value) <= MAX_CELL else value[:MAX_CELL] + "…"


def number_text(value: float) -> str:
    """A figure in at most six significant digits, whole numbers in full."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def number_bins(values: Sequence[float], bins: int = BINS) -> tuple[Bin, ...]:
    """Finite ``values`` counted in at most ``bins`` equal steps from the smallest to the largest."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ()
    low, high = min(finite), max(finite)
    whole = all(value == int(value) for value in finite)
    steps = min(bins, int(high - low) + 1) if whole and high - low < bins else bins
    # Halved, for the span of the largest floats is infinite.
    width = high / 2 - low / 2
    if width == 0:
        return (Bin(len(finite), number_text(low), low, high),)
    counts = [0] * steps
    for value in finite:
        counts[min(steps - 1, int((value / 2 - low / 2) / width * steps))] += 1
    edges = [low + 2 * width * (step / steps) for step in range(steps)] + [high]
    return tuple(
        Bin(count, f"{number_text(edges[step])} – {number_text(edges[step + 1])}", edges[step], edges[step + 1])
        for step, count in enumerate(counts)
    )


def common_bins(values: Iterable[str]) -> tuple[tuple[Bin, ...], int, bool]:
    """The most common of ``values`` and the rest together; how many differ, and whether counting them was given up."""
    counts: dict[str, int] = {}
    others = 0
    for value in values:
        if value in counts or len(counts) < _MOST_DISTINCT:
            counts[value] = counts.get(value, 0) + 1
        else:
            others += 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    rest = sum(count for _, count in ranked[_COMMON:]) + others
    found = [Bin(count, value[:60]) for value, count in ranked[:_COMMON]]
    return tuple(found + ([Bin(rest, "")] if rest else [])), len(counts), others > 0
