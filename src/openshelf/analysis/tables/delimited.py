"""CSV and TSV: the first rows, the delimiter found by looking, figures about each column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.tables.summary import NULL_WORDS, summarise_texts
from openshelf.analysis.tables.table import MAX_COLUMNS, SAMPLE_ROWS, Table, shown

READ_BYTES = 4 * 1024 * 1024
_DELIMITERS = ",\t;|"
_SNIFFED_LINES = 20
_MOST_CELLS = 400_000
_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}


def read_delimited(
    text: str, *, is_whole: bool, size: int, first: int = 0, most: int = 100, tabs: bool = False
) -> Table:
    """Rows ``first`` to ``first + most`` of those that ``text`` holds, and figures about its first 10,000 rows.

    ``text`` is the start of a file of ``size`` bytes, or all of it. Raises UnreadableFile with the line.
    """
    delimiter = "\t" if tabs else find_delimiter(text)
    if not is_whole:
        text = text[: text.rfind("\n") + 1] or text
    records = _records(text, delimiter)
    header = next(records, [])
    has_header = _is_header(header)
    width = len(header)
    rows = [] if has_header else [header]
    notes, uneven, cells = [], 0, 0
    for record in islice(records, SAMPLE_ROWS):
        uneven += len(record) != width
        cells += len(record)
        if cells > _MOST_CELLS:
            is_whole = False
            break
        rows.append(record)
    ended = is_whole and next(records, None) is None
    if uneven:
        notes.append(f"{uneven:,} of the first {len(rows):,} rows do not have {width:,} cells as the first line has.")
    names = _names(header if has_header else [], width)
    read = rows[first : first + most]
    kept = names[:MAX_COLUMNS]
    return Table(
        columns=tuple(summarise_texts(name, _cells(rows, place)) for place, name in enumerate(kept)),
        rows=tuple(tuple(_cell(record, place) for place in range(len(kept))) for record in read),
        first=first,
        total=len(rows) if ended else _estimate(text, len(rows), size),
        sampled=len(rows),
        is_estimate=not ended,
        has_more=first + most < len(rows),
        left_out_columns=len(names) - len(kept),
        facts=(("Delimiter", _NAMES.get(delimiter, delimiter)),),
        notes=tuple(notes),
    )


def find_delimiter(text: str) -> str:
    """The character that divides the first lines most evenly; a comma where none does."""
    best, score = ",", 0.0
    sample = text[:100_000]
    for candidate in _DELIMITERS:
        try:
            widths = [len(record) for record in islice(csv.reader(_lines(sample), delimiter=candidate), _SNIFFED_LINES)]
        except csv.Error:
            continue
        most = max(widths, default=0)
        if most > 1:
            even = sum(width == widths[0] for width in widths) / len(widths)
            if even**2 * min(most, 50) > score * 1.01:
                best, score = candidate, even**2 * min(most, 50)
    return best


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(_lines(text), delimiter=delimiter)
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise UnreadableFile(f"line {reader.line_num:,}: {error}") from None
        if record is None:
            return
        if record:
            yield record


def _lines(text: str) -> Iterator[str]:
    """The lines of ``text``, one at a time: a list of millions of short ones would take many times its memory."""
    place = 0
    while place < len(text):
        end = text.find("\n", place) + 1 or len(text)
        yield text[place:end].replace("\0", "\ufffd")
        place = end


def _is_header(record: list[str]) -> bool:
    """A first line of words that differ; numbers or repeated cells are data."""
    cells = [cell.strip() for cell in record]
    numbers = sum(cell.replace(".", "", 1).replace("-", "", 1).isdecimal() for cell in cells)
    return bool(cells) and numbers == 0 and any(cells) and len(set(cells)) >= len(cells) - 1


def _names(header: list[str], width: int) -> list[str]:
    found = [name.strip() for name in header] or [""] * width
    return [name or f"column {place}" for place, name in enumerate(found, 1)]


def _cells(rows: list[list[str]], place: int) -> list[str | None]:
    return [_cell(record, place) for record in rows]


def _cell(record: list[str], place: int) -> str | None:
    if place >= len(record) or record[place] in NULL_WORDS:
        return None
    return shown(record[place])


def _estimate(text: str, rows: int, size: int) -> int:
    """Rows of the whole file, if all are as long as those that were read."""
    place = 0
    for _ in range(rows + 1):
        found = text.find("\n", place)
        if found < 0:
            break
        place = found + 1
    read = len(text[:place].encode("utf-8", "replace")) or 1
    return max(rows, round(size / read * rows))
