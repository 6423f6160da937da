"""CSV, TSV and JSON Lines as tables, and the figures of their columns."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.tables.delimited import find_delimiter, read_delimited
from openshelf.analysis.tables.json_lines import read_json_lines
from openshelf.analysis.tables.summary import NULL_WORDS, summarise_texts
from openshelf.analysis.tables.table import Table, number_bins
from openshelf.analysis.tables.table_json import table_from, table_values

CELLS = st.text(alphabet='abc ,;"\n\té0', min_size=1, max_size=8).filter(lambda text: text.strip() not in NULL_WORDS)


def delimited(text: str, **options: Any) -> Table:
    return read_delimited(text, is_whole=True, size=len(text.encode()), **options)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=20))
def test_rows_are_those_that_were_written(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerows([["x", "y", "z"], *rows])
    text = buffer.getvalue()
    found = read_delimited(text, is_whole=True, size=len(text.encode()), tabs=True)
    assert [column.name for column in found.columns] == ["x", "y", "z"]
    assert [list(row) for row in found.rows] == rows
    assert (found.total, found.is_estimate) == (len(rows), False)
    assert table_from(json.loads(json.dumps(table_values(found)))) == found


@given(st.text(max_size=300), st.booleans())
def test_any_text_is_read_or_refused(text: str, whole: bool) -> None:
    for read in (read_delimited, read_json_lines):
        try:
            found = read(text, is_whole=whole, size=10_000)
        except UnreadableFile as error:
            assert "line" in str(error)
        else:
            assert all(len(row) == len(found.columns) for row in found.rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = "".join(delimiter.join(["a, b" if delimiter != "," else "a", "1", "2"]) + "\n" for _ in range(9))
    assert find_delimiter(rows) == delimiter


def test_commas_in_a_text_are_no_delimiter() -> None:
    assert find_delimiter("id;text\n1;one, two, three\n2;plain\n") == ";"


def test_figures_of_columns() -> None:
    rows = "".join(
        f"{n},{n / 2},{['red', 'blue'][n % 2]},2024-01-{n + 1:02d},{'NA' if n % 2 else n}\n" for n in range(20)
    )
    found = delimited("id,half,colour,day,some\n" + rows)
    by_name = {column.name: column for column in found.columns}
    assert [column.type for column in found.columns] == ["integer", "number", "text", "date", "integer"]
    identity, colour, day = by_name["id"], by_name["colour"], by_name["day"]
    assert (identity.minimum, identity.maximum, identity.mean, identity.distinct) == ("0", "19", "9.5", 20)
    assert [found.count for found in identity.bins] == [1] * 20
    assert {(found.label, found.count) for found in colour.bins} == {("red", 10), ("blue", 10)}
    assert (day.minimum, day.maximum) == ("2024-01-01", "2024-01-20")
    assert by_name["some"].nulls == 10
    assert found.rows[1][4] is None


def test_pages_estimates_and_odd_rows() -> None:
    text = "a,b\n" + "1,2\n" * 20_000
    found = read_delimited(text[:60_001], is_whole=False, size=10 * len(text), first=100, most=50)
    assert (found.first, len(found.rows), found.is_estimate, found.has_more) == (100, 50, True, True)
    assert found.total is not None
    assert abs(found.total - 200_000) < 100
    assert "do not have 2 cells" in delimited("a,b\n1,2\n1,2,3\n").notes[0]
    assert [column.name for column in delimited("1,2\n3,4\n").columns] == ["column 1", "column 2"]
    assert delimited("a,b\n").rows == ()


def test_json_lines() -> None:
    lines = [
        '{"id": 1, "text": "x", "n": 1.50}',
        "",
        '{"id": 12345678901234567890, "tags": ["a", "b"], "n": null}',
        "7",
    ]
    text = "\n".join(lines)
    found = read_json_lines(text, is_whole=True, size=len(text))
    assert [column.name for column in found.columns] == ["id", "text", "n", "tags", "value"]
    assert found.rows[0] == ("1", "x", "1.50", None, None)
    assert found.rows[1] == ("12345678901234567890", None, None, '["a", "b"]', None)
    assert found.rows[2][4] == "7"
    assert found.total == 3
    with pytest.raises(UnreadableFile, match="line 2, column 2"):
        read_json_lines("{}\n{x}\n", is_whole=True, size=8)
    with pytest.raises(UnreadableFile, match="line 1: it is nested too deep"):
        read_json_lines("[" * 100_000, is_whole=True, size=100_000)


@given(st.lists(st.floats(), max_size=50))
def test_bins_hold_every_finite_number(values: list[float]) -> None:
    finite = [value for value in values if value - value == 0]
    bins = number_bins(values)
    assert sum(found.count for found in bins) == len(finite)
    assert len(bins) <= 20


@given(st.lists(st.none() | st.text(max_size=6), max_size=40))
def test_any_cells_have_figures(cells: list[str | None]) -> None:
    found = summarise_texts("x", cells)
    assert found.nulls is not None
    assert 0 <= found.nulls <= len(cells)
