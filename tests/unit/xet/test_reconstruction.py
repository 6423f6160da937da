"""Plans for clients and for our own reading: whatever range is asked, the bytes are those of the file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet.errors import RangeNotSatisfiableError, UnknownXorbError, XetFormatError
from openshelf.xet.hashes import to_hex
from openshelf.xet.reads import decode_read, plan_reads
from openshelf.xet.reconstruction import (
    FetchRange,
    ReconstructionPlan,
    merge_ranges,
    plan,
    render_v1,
    render_v2,
    resolve_range,
)
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import read_chunks

from .material import Stored, nothing_stored


def _lookup(stored: Stored, xorb_hash: bytes) -> XorbIndex | None:
    built = stored.xorbs.get(xorb_hash)
    return built.index if built else None


def _plan(stored: Stored, byte_range: tuple[int, int] | None = None) -> ReconstructionPlan:
    return plan(stored.file.segments, lambda name: _lookup(stored, name), byte_range)


def _as_client(stored: Stored, made: ReconstructionPlan) -> bytes:
    """Join the terms from nothing but the listed fetch ranges."""
    joined = b""
    for term in made.terms:
        (fetch,) = (
            fetch
            for fetch in made.fetches[term.xorb_hash]
            if fetch.start_chunk <= term.start_chunk and term.end_chunk <= fetch.end_chunk
        )
        chunks = list(read_chunks(stored.xorbs[term.xorb_hash].body[fetch.byte_start : fetch.byte_end]))
        assert len(chunks) == fetch.end_chunk - fetch.start_chunk
        raw = b"".join(chunks[term.start_chunk - fetch.start_chunk : term.end_chunk - fetch.start_chunk])
        assert len(raw) == term.length
        joined += raw
    return joined[made.offset_into_first_range :]


def test_the_whole_file(stored: Stored) -> None:
    made = _plan(stored)
    assert made.terms == stored.file.segments
    assert made.offset_into_first_range == 0
    assert _as_client(stored, made) == stored.data
    first = stored.file.segments[0].xorb_hash
    index = stored.xorbs[first].index
    assert made.fetches[first] == (FetchRange(0, len(index), 0, index.body_length),)


def _ranges(stored: Stored, data: st.DataObject) -> tuple[int, int]:
    size = len(stored.data)
    edges, at = [0, size - 1], 0
    for segment in stored.file.segments:
        edges += [at - 1, at, at + 1]
        at += segment.length
    offsets = st.integers(0, size - 1) | st.sampled_from([edge for edge in edges if 0 <= edge < size])
    first = data.draw(offsets)
    return first, first + data.draw(st.integers(0, 3) | st.integers(0, 2 * size))


@given(st.data())
def test_any_range_for_a_client(stored: Stored, data: st.DataObject) -> None:
    first, last = _ranges(stored, data)
    made = _plan(stored, (first, last))
    wanted = stored.data[first : last + 1]
    joined = _as_client(stored, made)
    assert joined[: len(wanted)] == wanted
    surplus = made.offset_into_first_range + len(joined) - len(wanted)
    assert surplus < 2 * 131072
    start = made.terms[0]
    index = stored.xorbs[start.xorb_hash].index
    assert made.offset_into_first_range < index.raw_length_of(start.start_chunk, start.start_chunk + 1)


@given(st.data(), st.sampled_from([1, 50_000, 200_000, 4 << 20]))
def test_any_range_for_ourselves(stored: Stored, data: st.DataObject, max_read: int) -> None:
    first, last = _ranges(stored, data)
    joined = b""
    for read in plan_reads(stored.file.segments, lambda name: _lookup(stored, name), (first, last), max_read):
        assert read.byte_end - read.byte_start <= max_read or read.end_chunk == read.start_chunk + 1
        records = stored.xorbs[read.xorb_hash].body[read.byte_start : read.byte_end]
        pieces = list(decode_read(read, records))
        assert sum(map(len, pieces)) == read.take
        joined += b"".join(pieces)
    assert joined == stored.data[first : last + 1]


def test_reading_everything_takes_few_steps(stored: Stored) -> None:
    reads = list(plan_reads(stored.file.segments, lambda name: _lookup(stored, name)))
    assert len(reads) == 3
    assert sum(read.take for read in reads) == len(stored.data)


@pytest.mark.parametrize("planner", [plan, plan_reads])
def test_a_start_beyond_the_end(stored: Stored, planner: type) -> None:
    size = len(stored.data)
    for segments, first, end in ((stored.file.segments, size, size), ((), 0, 0)):
        with pytest.raises(RangeNotSatisfiableError) as caught:
            planner(segments, lambda name: _lookup(stored, name), (first, first + 5))
        assert (caught.value.first, caught.value.size) == (first, end)
    with pytest.raises(ValueError, match="5-4 is not a byte range"):
        planner(stored.file.segments, lambda name: _lookup(stored, name), (5, 4))


def test_the_empty_file_has_an_empty_plan() -> None:
    assert plan((), nothing_stored) == ReconstructionPlan(0, (), {})
    assert list(plan_reads((), nothing_stored)) == []


def test_only_needed_xorbs_are_looked_up(stored: Stored) -> None:
    asked = []

    def lookup(name: bytes) -> XorbIndex | None:
        asked.append(name)
        return _lookup(stored, name)

    plan(stored.file.segments, lookup, (0, 10))
    assert set(asked) == {stored.file.segments[0].xorb_hash}


def test_a_lost_or_changed_xorb_is_told(stored: Stored) -> None:
    with pytest.raises(UnknownXorbError):
        plan(stored.file.segments, nothing_stored)
    with pytest.raises(UnknownXorbError):
        list(plan_reads(stored.file.segments, nothing_stored))
    longer = replace(stored.file.segments[0], length=stored.file.segments[0].length + 1)
    for planner in (plan, plan_reads):
        with pytest.raises(XetFormatError, match="a stored segment is damaged"):
            list(planner([longer], lambda name: _lookup(stored, name)) or ())  # type: ignore[arg-type]


def test_missing_bytes_are_told(stored: Stored) -> None:
    read = next(plan_reads(stored.file.segments, lambda name: _lookup(stored, name)))
    body = stored.xorbs[read.xorb_hash].body
    with pytest.raises(XetFormatError, match="are missing"):
        list(decode_read(read, body[: read.index.body_ends[0]]))


def test_a_range_that_starts_on_a_chunk_drops_nothing(stored: Stored) -> None:
    segment = stored.file.segments[0]
    first = stored.xorbs[segment.xorb_hash].index.raw_length_of(0, 1)
    made = _plan(stored, (first, first))
    assert made.offset_into_first_range == 0
    assert [(term.start_chunk, term.end_chunk) for term in made.terms] == [(1, 2)]


def test_the_end_of_a_range_is_clamped(stored: Stored) -> None:
    size = len(stored.data)
    assert resolve_range(stored.file.segments, (5, 10 * size)) == (5, size)
    assert resolve_range(stored.file.segments, None) == (0, size)


def test_ranges_are_merged() -> None:
    assert merge_ranges([(8, 9), (0, 2), (2, 4), (5, 7), (6, 6), (5, 6)]) == [(0, 4), (5, 7), (8, 9)]
    assert merge_ranges([]) == []


def test_the_json_of_both_versions(stored: Stored) -> None:
    first, second, third = stored.file.segments
    made = _plan(stored, (first.length + 10, first.length + second.length))
    name, other = to_hex(second.xorb_hash), to_hex(third.xorb_hash)
    chunk = {"start": third.start_chunk, "end": third.start_chunk + 1}
    before, end = stored.xorbs[third.xorb_hash].index.byte_range(third.start_chunk, third.start_chunk + 1)
    v2 = render_v2(made, lambda xorb, ranges: f"http://cas/{to_hex(xorb)[:4]}/{len(ranges)}")
    v1 = render_v1(made, lambda xorb, ranges: f"http://cas/{to_hex(xorb)[:4]}/{ranges[0].byte_start}")
    assert v2["offset_into_first_range"] == v1["offset_into_first_range"] == 10
    assert v2["terms"] == v1["terms"]
    assert v2["terms"][1]["range"] == chunk
    assert v2["xorbs"][other] == [
        {"url": f"http://cas/{other[:4]}/1", "ranges": [{"chunks": chunk, "bytes": {"start": before, "end": end - 1}}]}
    ]
    assert list(v2["xorbs"]) == list(v1["fetch_info"]) == [name, other]
    assert v1["fetch_info"][other] == [
        {"range": chunk, "url": f"http://cas/{other[:4]}/{before}", "url_range": {"start": before, "end": end - 1}}
    ]
