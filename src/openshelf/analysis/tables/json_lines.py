"""JSON Lines as a table: one object a line, its names as columns."""

from __future__ import annotations

import json
from typing import Any

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.tables.summary import summarise_numbers, summarise_texts, summarise_words
from openshelf.analysis.tables.table import MAX_COLUMNS, SAMPLE_ROWS, Column, Table, shown

_MOST_CELLS = 200_000
_MOST_LINE = 1_000_000
_WHOLE_VALUE = "value"


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def read_json_lines(text: str, *, is_whole: bool, size: int, first: int = 0, most: int = 100) -> Table:
    """Rows ``first`` to ``first + most`` of those that ``text`` holds, and figures about its first 10,000 rows.

    ``text`` is the start of a file of ``size`` bytes, or all of it. Raises UnreadableFile with the line.
    """
    names: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    place = cells = number = 0
    while place < len(text) and len(rows) < SAMPLE_ROWS and cells < _MOST_CELLS:
        end = text.find("\n", place)
        if end < 0 and not is_whole and rows:
            break
        number += 1
        line = text[place : end if end >= 0 else len(text)]
        place = end + 1 if end >= 0 else len(text)
        if line.strip():
            row = _row(line, number)
            rows.append(row)
            names.update(dict.fromkeys(row))
            cells += len(row)
    ended = is_whole and not text[place:].strip()
    kept = list(names)[:MAX_COLUMNS]
    read = len(text[:place].encode("utf-8", "replace")) or 1
    return Table(
        columns=tuple(_column(name, [row.get(name) for row in rows]) for name in kept),
        rows=tuple(tuple(_cell(row.get(name)) for name in kept) for row in rows[first : first + most]),
        first=first,
        total=len(rows) if ended else max(len(rows), round(size / read * len(rows))),
        sampled=len(rows),
        is_estimate=not ended,
        has_more=first + most < len(rows),
        left_out_columns=len(names) - len(kept),
    )


def _row(line: str, number: int) -> dict[str, Any]:
    if len(line) > _MOST_LINE:
        raise UnreadableFile(f"line {number:,}: it has {len(line):,} characters; at most {_MOST_LINE:,} are read")
    try:
        found = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"line {number:,}, column {error.colno:,}: {error.msg}") from None
    except RecursionError:
        raise UnreadableFile(f"line {number:,}: it is nested too deep to be read") from None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {_WHOLE_VALUE: found}


def _type(value: Any) -> str:
    if isinstance(value, _Number):
        return "integer" if value.lstrip("-").isdecimal() else "number"
    names = {str: "text", bool: "boolean", dict: "object", list: "list"}
    return names.get(type(value), "other")


def _column(name: str, values: list[Any]) -> Column:
    said = [value for value in values if value is not None]
    nulls = len(values) - len(said)
    kinds = sorted({_type(value) for value in said})
    if not kinds:
        return Column(name, "empty", nulls, 0)
    if kinds == ["text"]:
        found = summarise_words(name, "text", said, nulls)
    elif set(kinds) <= {"integer", "number"}:
        found = summarise_numbers(name, kinds[-1], [float(value) for value in said], nulls)
    elif kinds == ["list"]:
        found = summarise_numbers(name, "list", [float(len(value)) for value in said], nulls)
        return Column(name, "list", nulls, bins=found.bins, bins_of="lengths")
    elif kinds == ["boolean"]:
        found = summarise_texts(name, [str(value).lower() for value in said])
        return Column(name, "boolean", nulls, found.distinct, bins=found.bins, bins_of=found.bins_of)
    else:
        return Column(name, " or ".join(kinds), nulls)
    return found


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return shown(value)
    return shown(written(value))


def written(value: Any) -> str:
    """A value as JSON again, its numbers as they were."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
