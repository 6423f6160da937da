"""Rows and figures of a Parquet or Arrow file, by pyarrow. Imported in the confined process alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.tables.columnar_cells import cell, type_name
from openshelf.analysis.tables.columnar_messages import Request
from openshelf.analysis.tables.summary import summarise_numbers, summarise_words
from openshelf.analysis.tables.table import MAX_COLUMNS, SAMPLE_ROWS, Bin, Column, Table, number_bins

READ_BYTES = 32 * 1024 * 1024
"""What the columns of one page, and those of the sample, may cost each, in stored bytes."""
_BATCH = 128
_MOST_SAMPLED_CELLS = 400_000
_MOST_CHUNKS = 50_000
_FOOTER_TEXT = 16 * 1024 * 1024
_FOOTER_MEMBERS = 4_000_000


def read_table(file: Any, request: Request) -> Table:
    """Raises UnreadableFile and whatever pyarrow raises."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    source = pa.PythonFile(file, mode="r")
    if request.form == "parquet":
        return _Parquet(source).table(request)
    return _arrow(source, request)


def _arrow(source: Any, request: Request) -> Table:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    if request.form == "arrow":
        file = pa.ipc.open_file(source, options=options)
        schema, batches = file.schema, (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        stream = pa.ipc.open_stream(source, options=options)
        schema, batches = stream.schema, iter(stream)
    width = min(len(schema), MAX_COLUMNS)
    keep = range(width)
    wanted = _sample_rows(width)
    read: list[Any] = []
    total, ended = 0, False
    last = max(request.first + request.most + 1, 1)
    while total < max(last, wanted):
        batch = next(batches, None)
        if batch is None:
            ended = True
            break
        read.append(batch.select(list(keep)))
        total += batch.num_rows
    ended = ended or (request.form == "arrow" and len(read) == file.num_record_batches)
    kept = pa.Table.from_batches(read, schema=pa.schema([schema.field(place) for place in keep]))
    sample = kept.slice(0, wanted)
    columns = [_column(kept.field(place).name, sample.column(place)) for place in keep]
    if ended and total <= wanted:
        columns = [replace(column, is_exact=True) for column in columns]
    return Table(
        columns=tuple(columns),
        rows=_rows(kept.slice(request.first, request.most)),
        first=request.first,
        total=total if ended else None,
        sampled=sample.num_rows,
        has_more=total > request.first + request.most,
        left_out_columns=len(schema) - width,
    )


class _Parquet:
    """One file: its footer is read at once, row groups only as they are asked for."""

    def __init__(self, source: Any) -> None:
        self.file = pq.ParquetFile(
            source,
            pre_buffer=False,
            buffer_size=1024 * 1024,
            thrift_string_size_limit=_FOOTER_TEXT,
            thrift_container_size_limit=_FOOTER_MEMBERS,
        )
        self.meta = self.file.metadata
        self.schema = self.file.schema_arrow
        self.leaves = list(_leaf_ranges(self.schema))
        if self.leaves and self.leaves[-1][1] != self.meta.num_columns:
            raise UnreadableFile("the columns in its footer and those of its schema do not agree")

    def table(self, request: Request) -> Table:
        width = min(len(self.schema), MAX_COLUMNS)
        total = self.meta.num_rows
        wanted = min(_sample_rows(width), total)
        sample, too_large = self._read(0, wanted, width)
        page, left_out = self._read(request.first, min(request.most, max(0, total - request.first)), width)
        columns = [
            self._with_footer(place, _column(self.schema.field(place).name, _at(sample, place, too_large)))
            if place not in too_large
            else self._unread(place)
            for place in range(width)
        ]
        if wanted == total:
            columns = [replace(column, is_exact=True) if column.nulls is not None else column for column in columns]
        return Table(
            columns=tuple(columns),
            rows=self._rows(page, left_out, width),
            first=request.first,
            total=total,
            sampled=wanted,
            has_more=request.first + request.most < total,
            left_out_columns=len(self.schema) - width,
            facts=self._facts(),
            notes=self._notes(left_out),
        )

    def _unread(self, place: int) -> Column:
        field = self.schema.field(place)
        return self._with_footer(place, Column(field.name, type_name(field.type), note="too large to be measured here"))

    def _notes(self, left_out: frozenset[int]) -> tuple[str, ...]:
        if not left_out:
            return ()
        names = ", ".join(self.schema.field(place).name[:60] for place in sorted(left_out)[:5])
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        return (f"To show these rows, too many bytes of some columns would have to be read: {names}{more}.",)

    def _rows(self, page: Any, left_out: frozenset[int], width: int) -> tuple[tuple[str | None, ...], ...]:
        read = iter(_columns_of_cells(page))
        columns = [["…"] * page.num_rows if place in left_out else next(read) for place in range(width)]
        if not columns:
            return ()
        return tuple(zip(*columns, strict=True))

    def _read(self, first: int, most: int, width: int) -> tuple[Any, frozenset[int]]:
        """Rows ``first`` to ``first + most`` of as many columns as may be read; the places of the others."""
        groups, skip = self._groups(first, most)
        left_out = self._too_large(groups, skip + most, width)
        keep = [place for place in range(width) if place not in left_out]
        schema = pa.schema([self.schema.field(place) for place in keep])
        if not groups or not keep:
            rows = most if groups else 0
            empty = pa.schema([]).empty_table() if not keep else schema.empty_table()
            return (pa.table({"": pa.nulls(rows)}).select([]) if not keep and rows else empty), left_out
        names = [self.schema.field(place).name for place in keep]
        batches = self.file.iter_batches(batch_size=_BATCH, row_groups=groups, columns=names, use_threads=False)
        read = pa.Table.from_batches(list(_window(batches, skip, most)), schema=None if most else schema)
        if read.num_columns != len(keep):
            raise UnreadableFile("two of its columns have the same name, so that they cannot be told apart")
        return read, left_out

    def _groups(self, first: int, most: int) -> tuple[list[int], int]:
        """The row groups that rows ``first`` to ``first + most`` lie in, and how many rows before them."""
        found: list[int] = []
        begin = skip = 0
        for number in range(self.meta.num_row_groups):
            rows = self.meta.row_group(number).num_rows
            if begin + rows > first and begin < first + most:
                skip = skip if found else first - begin
                found.append(number)
            begin += rows
            if begin >= first + most:
                break
        return found, skip

    def _too_large(self, groups: list[int], rows: int, width: int) -> frozenset[int]:
        """The columns that would cost too many bytes, the largest first, if ``rows`` of ``groups`` are read."""
        costs = []
        for place in range(width):
            cost = 0.0
            left = rows
            for number in groups:
                group = self.meta.row_group(number)
                share = min(1.0, (left + _BATCH) / max(1, group.num_rows))
                cost += share * sum(_stored(group.column(leaf)) for leaf in range(*self.leaves[place]))
                left -= group.num_rows
            costs.append((cost, place))
        dropped: set[int] = set()
        spent = sum(cost for cost, _ in costs)
        for cost, place in sorted(costs, reverse=True):
            if spent <= READ_BYTES:
                break
            dropped.add(place)
            spent -= cost
        return frozenset(dropped)

    def _with_footer(self, place: int, column: Column) -> Column:
        """``column`` with what the footer says of all rows, for columns that are not nested."""
        start, end = self.leaves[place]
        groups = self.meta.num_row_groups
        if end - start != 1 or groups * len(self.leaves) > _MOST_CHUNKS or pa.types.is_nested(self.schema.types[place]):
            return column
        found = [self.meta.row_group(number).column(start).statistics for number in range(groups)]
        if not found or any(one is None or not one.has_null_count for one in found):
            return column
        nulls = sum(one.null_count for one in found)
        column = replace(column, nulls=nulls, minimum="", maximum="", is_exact=True)
        if all(one.has_min_max for one in found) and _has_plain_bounds(self.schema.types[place]):
            low, high = min(one.min for one in found), max(one.max for one in found)
            column = replace(column, minimum=_figure(low), maximum=_figure(high))
        elif all(one.has_min_max for one in found) and _is_instant(self.schema.types[place], found):
            kind = self.schema.types[place]
            low, high = min(one.min_raw for one in found), max(one.max_raw for one in found)
            column = replace(column, minimum=_moment(low, kind), maximum=_moment(high, kind))
        return column

    def _facts(self) -> tuple[tuple[str, str], ...]:
        codecs = {
            self.meta.row_group(0).column(leaf).compression
            for leaf in range(min(self.meta.num_columns, 200))
            if self.meta.num_row_groups
        }
        return (
            ("Row groups", f"{self.meta.num_row_groups:,}"),
            ("Packed with", ", ".join(sorted(codecs)).lower() or "nothing"),
            ("Written by", str(self.meta.created_by or "unknown")[:100]),
        )


def _has_plain_bounds(kind: Any) -> bool:
    """Whether the bounds in a footer become figures without a database of time zones, and without showing bytes."""
    is_zoned = pa.types.is_timestamp(kind) and kind.tz is not None
    is_raw = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_float16(kind)
    return not is_zoned and not is_raw


def _is_instant(kind: Any, chunks: list[Any]) -> bool:
    """Whether the raw bounds are the numbers that Arrow has for this type of time."""
    return bool(pa.types.is_timestamp(kind)) and all(one.physical_type == "INT64" for one in chunks)


def _moment(number: float, kind: Any) -> str:
    """A count of time units since 1970 as date and time; of dates, days."""
    bare = pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind
    text = str(pa.scalar(int(number), pa.int32() if kind == pa.date32() else pa.int64()).cast(bare).cast(pa.string()))
    return text.partition(".")[0] + ("Z" if pa.types.is_timestamp(kind) and kind.tz else "")


def _moment_bins(values: Any) -> tuple[Bin, ...]:
    kind = values.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return ()
    bare = values.cast(pa.timestamp(kind.unit)) if pa.types.is_timestamp(kind) else values
    numbers = bare.cast(pa.int32() if kind == pa.date32() else pa.int64()).drop_null().to_pylist()
    return tuple(
        replace(found, label=f"{_moment(found.low or 0, kind)} – {_moment(found.high or 0, kind)}")
        for found in number_bins([float(number) for number in numbers])
    )


def _sample_rows(width: int) -> int:
    return min(SAMPLE_ROWS, _MOST_SAMPLED_CELLS // max(1, width))


def _stored(chunk: Any) -> int:
    return max(0, int(chunk.total_compressed_size))


def _figure(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _leaf_ranges(schema: Any) -> Iterator[tuple[int, int]]:
    """For each column, which leaves of the Parquet schema it is made of."""
    place = 0
    for field in schema:
        end = place + _leaves(field.type)
        yield place, end
        place = end


def _leaves(kind: Any) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _leaves(kind.storage_type)
    if pa.types.is_struct(kind):
        return sum(_leaves(kind.field(place).type) for place in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _leaves(kind.key_type) + _leaves(kind.item_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _leaves(kind.value_type)
    return 1


def _window(batches: Iterator[Any], skip: int, most: int) -> Iterator[Any]:
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        part = batch.slice(skip, most)
        skip, most = 0, most - part.num_rows
        yield part
        if most <= 0:
            return


def _at(table: Any, place: int, without: frozenset[int]) -> Any:
    return table.column(place - sum(one < place for one in without))


def _rows(table: Any) -> tuple[tuple[str | None, ...], ...]:
    columns = list(_columns_of_cells(table))
    return tuple(zip(*columns, strict=True)) if columns else ()


def _columns_of_cells(table: Any) -> Iterator[list[str | None]]:
    for column in table.columns:
        yield [cell(value) for chunk in column.chunks for value in chunk]


def _column(name: str, values: Any) -> Column:
    """Figures about one column of the sample."""
    kind, label = values.type, type_name(values.type)
    if pa.types.is_dictionary(kind):
        values = pa.chunked_array([chunk.dictionary_decode() for chunk in values.chunks], kind.value_type)
        kind = kind.value_type
    nulls = values.null_count
    if pa.types.is_boolean(kind):
        return summarise_words(name, label, [str(value).lower() for value in values.drop_null().to_pylist()], nulls)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return summarise_numbers(name, label, [float(value) for value in values.drop_null().to_pylist()], nulls)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return summarise_words(name, label, values.drop_null().to_pylist(), nulls)
    if pa.types.is_temporal(kind):
        texts = [found for value in values.drop_null() if (found := cell(value)) is not None]
        words = summarise_words(name, label, texts, nulls, by_order=True)
        return replace(words, bins=_moment_bins(values), bins_of="values") if not words.bins else words
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.list_value_length(values).drop_null().to_pylist()
        spread = number_bins([float(length) for length in lengths])
        return Column(name, label, nulls, bins=spread, bins_of="lengths")
    return Column(name, label, nulls)
