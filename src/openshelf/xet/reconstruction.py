"""Reconstruction: which byte ranges of which xorbs make up (a range of) a file (section 6)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from openshelf.xet.errors import RangeNotSatisfiableError, XetFormatError
from openshelf.xet.files import XorbLookup, check_inside, find_xorb
from openshelf.xet.hashes import to_hex
from openshelf.xet.segments import FileSegment
from openshelf.xet.xorb_index import XorbIndex


@dataclass(frozen=True, slots=True)
class FetchRange:
    """The chunks [start_chunk, end_chunk) of a xorb and the half-open byte range of its body with them."""

    start_chunk: int
    end_chunk: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class ReconstructionPlan:
    """offset_into_first_range: bytes to drop from the first term; terms: what to join, in file order;
    fetches: per xorb hash, the merged ranges that cover every term."""

    offset_into_first_range: int
    terms: tuple[FileSegment, ...]
    fetches: dict[bytes, tuple[FetchRange, ...]]


UrlFor: TypeAlias = Callable[[bytes, Sequence[FetchRange]], str]
"""From a xorb hash and the ranges that may be fetched to a signed URL."""


def plan(
    segments: Sequence[FileSegment], lookup: XorbLookup, byte_range: tuple[int, int] | None = None
) -> ReconstructionPlan:
    """Plan the reading of a file, or of its bytes first..last inclusive (as in HTTP; last is clamped to the end).

    Raises RangeNotSatisfiableError if first is at or beyond the end, UnknownXorbError if a needed xorb is gone.
    """
    start, end = resolve_range(segments, byte_range)
    terms: list[FileSegment] = []
    offset = 0
    for segment, skip, take in clip(segments, start, end):
        if take == segment.length:
            terms.append(segment)
            continue
        index = find_xorb(segment.xorb_hash, lookup)
        first, last, dropped = covering_chunks(segment, index, skip, take)
        offset = offset if terms else dropped
        terms.append(FileSegment(segment.xorb_hash, first, last, index.raw_length_of(first, last)))
    return ReconstructionPlan(offset, tuple(terms), _fetches(terms, lookup))


def resolve_range(segments: Iterable[FileSegment], byte_range: tuple[int, int] | None) -> tuple[int, int]:
    """Turn an inclusive byte range (or None for all) into the half-open range of the file that it stands for."""
    size = sum(segment.length for segment in segments)
    if byte_range is None:
        return 0, size
    first, last = byte_range
    if not 0 <= first <= last:
        raise ValueError(f"{first}-{last} is not a byte range")
    if first >= size:
        raise RangeNotSatisfiableError(first, size)
    return first, min(last + 1, size)


def clip(segments: Iterable[FileSegment], start: int, end: int) -> Iterator[tuple[FileSegment, int, int]]:
    """Yield each segment that overlaps the file's bytes [start, end), how many of its bytes to skip and to take."""
    at = 0
    for segment in segments:
        skip = max(start - at, 0)
        take = min(end - at, segment.length) - skip
        if take > 0:
            yield segment, skip, take
        at += segment.length
        if at >= end:
            return


def covering_chunks(segment: FileSegment, index: XorbIndex, skip: int, take: int) -> tuple[int, int, int]:
    """Return the chunks [first, last) that hold the segment's bytes [skip, skip + take), and what to drop of them."""
    _check_stored(segment, index)
    base = index.raw_ends[segment.start_chunk - 1] if segment.start_chunk else 0
    first = bisect_right(index.raw_ends, base + skip, lo=segment.start_chunk)
    last = bisect_left(index.raw_ends, base + skip + take, lo=first) + 1
    before = index.raw_ends[first - 1] if first else 0
    return first, last, base + skip - before


def _check_stored(segment: FileSegment, index: XorbIndex) -> None:
    try:
        check_inside(segment, index)
    except XetFormatError as error:
        raise XetFormatError(f"a stored segment is damaged: {error}") from None


def _fetches(terms: Sequence[FileSegment], lookup: XorbLookup) -> dict[bytes, tuple[FetchRange, ...]]:
    by_xorb: dict[bytes, list[FileSegment]] = {}
    for term in terms:
        by_xorb.setdefault(term.xorb_hash, []).append(term)
    fetches = {}
    for xorb_hash, wanted in by_xorb.items():
        index = find_xorb(xorb_hash, lookup)
        for term in wanted:
            _check_stored(term, index)
        ranges = merge_ranges((term.start_chunk, term.end_chunk) for term in wanted)
        fetches[xorb_hash] = tuple(FetchRange(*chunks, *index.byte_range(*chunks)) for chunks in ranges)
    return fetches


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort half-open ranges and join those that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def render_v2(reconstruction: ReconstructionPlan, url_for: UrlFor, ranges_per_url: int | None = None) -> dict[str, Any]:
    """Return the JSON value of GET /v2/reconstructions: one URL per xorb with all its ranges, or with so many each."""
    xorbs = {
        to_hex(xorb_hash): [
            {
                "url": url_for(xorb_hash, group),
                "ranges": [{"chunks": _chunks(item), "bytes": _bytes(item)} for item in group],
            }
            for group in _groups(ranges, ranges_per_url)
        ]
        for xorb_hash, ranges in reconstruction.fetches.items()
    }
    return {**_head(reconstruction), "xorbs": xorbs}


def _groups(ranges: Sequence[FetchRange], size: int | None) -> list[Sequence[FetchRange]]:
    step = size or len(ranges)
    return [ranges[start : start + step] for start in range(0, len(ranges), step)]


def render_v1(reconstruction: ReconstructionPlan, url_for: UrlFor) -> dict[str, Any]:
    """Return the JSON value of GET /v1/reconstructions: one URL per range."""
    fetch_info = {
        to_hex(xorb_hash): [
            {"range": _chunks(item), "url": url_for(xorb_hash, (item,)), "url_range": _bytes(item)} for item in ranges
        ]
        for xorb_hash, ranges in reconstruction.fetches.items()
    }
    return {**_head(reconstruction), "fetch_info": fetch_info}


def _head(reconstruction: ReconstructionPlan) -> dict[str, Any]:
    terms = [
        {
            "hash": to_hex(term.xorb_hash),
            "unpacked_length": term.length,
            "range": {"start": term.start_chunk, "end": term.end_chunk},
        }
        for term in reconstruction.terms
    ]
    return {"offset_into_first_range": reconstruction.offset_into_first_range, "terms": terms}


def _chunks(item: FetchRange) -> dict[str, int]:
    return {"start": item.start_chunk, "end": item.end_chunk}


def _bytes(item: FetchRange) -> dict[str, int]:
    """HTTP byte ranges include their last byte."""
    return {"start": item.byte_start, "end": item.byte_end - 1}
