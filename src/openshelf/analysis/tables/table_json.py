"""A Table as JSON and back, for what passes between processes and for what is kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from openshelf.analysis.tables.table import Bin, Column, Table


def table_values(table: Table) -> dict[str, Any]:
    return asdict(table)


def table_from(said: dict[str, Any]) -> Table:
    """Raises KeyError and TypeError where ``said`` is not what :func:`table_values` gives."""
    columns = tuple(_column(column) for column in said["columns"])
    rows = tuple(tuple(None if cell is None else str(cell) for cell in row) for row in said["rows"])
    if any(len(row) != len(columns) for row in rows):
        raise TypeError("a row does not have a cell for each column")
    total = said["total"]
    return Table(
        columns=columns,
        rows=rows,
        first=int(said["first"]),
        total=None if total is None else int(total),
        sampled=int(said["sampled"]),
        is_estimate=bool(said["is_estimate"]),
        has_more=bool(said["has_more"]),
        left_out_columns=int(said["left_out_columns"]),
        facts=tuple((str(name), str(value)) for name, value in said["facts"]),
        notes=tuple(str(note) for note in said["notes"]),
    )


def _column(said: dict[str, Any]) -> Column:
    nulls, distinct = (None if said[name] is None else int(said[name]) for name in ("nulls", "distinct"))
    return Column(
        name=str(said["name"]),
        type=str(said["type"]),
        nulls=nulls,
        distinct=distinct,
        has_more_distinct=bool(said["has_more_distinct"]),
        minimum=str(said["minimum"]),
        maximum=str(said["maximum"]),
        mean=str(said["mean"]),
        bins=tuple(_bin(found) for found in said["bins"]),
        bins_of=str(said["bins_of"]),
        is_exact=bool(said["is_exact"]),
        note=str(said["note"]),
    )


def _bin(said: dict[str, Any]) -> Bin:
    low, high = (None if said[name] is None else float(said[name]) for name in ("low", "high"))
    return Bin(int(said["count"]), str(said["label"]), low, high)
