"""Reading a file on the server in bounded steps, for plain GETs (browser, git-lfs, clients without Xet)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openshelf.xet.errors import XetFormatError
from openshelf.xet.files import XorbLookup, find_xorb
from openshelf.xet.hashes import Buffer
from openshelf.xet.reconstruction import clip, covering_chunks, resolve_range
from openshelf.xet.segments import FileSegment
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import read_chunks

MAX_READ = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class XorbRead:
    """One step: read the bytes [byte_start, byte_end) of a xorb body, decode the chunks [start_chunk, end_chunk)
    in them, drop the first skip bytes of the result and keep the next take bytes."""

    xorb_hash: bytes
    index: XorbIndex
    start_chunk: int
    end_chunk: int
    byte_start: int
    byte_end: int
    skip: int
    take: int


def plan_reads(
    segments: Sequence[FileSegment],
    lookup: XorbLookup,
    byte_range: tuple[int, int] | None = None,
    max_read: int = MAX_READ,
) -> Iterator[XorbRead]:
    """Yield the steps that give a file, or its bytes first..last inclusive (last is clamped), in order.

    Each step reads at most max_read bytes of a xorb body (or one chunk, if that is larger). Raises
    RangeNotSatisfiableError at once, and UnknownXorbError when a step needs a xorb that is gone.
    """
    start, end = resolve_range(segments, byte_range)
    return _steps(segments, lookup, start, end, max_read)


def _steps(
    segments: Sequence[FileSegment], lookup: XorbLookup, start: int, end: int, max_read: int
) -> Iterator[XorbRead]:
    known: tuple[bytes, XorbIndex] | None = None
    for segment, skip, take in clip(segments, start, end):
        if known is None or known[0] != segment.xorb_hash:
            known = segment.xorb_hash, find_xorb(segment.xorb_hash, lookup)
        yield from _segment_steps(segment, known[1], skip, take, max_read)


def _segment_steps(segment: FileSegment, index: XorbIndex, skip: int, take: int, max_read: int) -> Iterator[XorbRead]:
    first, last, skip = covering_chunks(segment, index, skip, take)
    while first < last:
        byte_start = index.body_ends[first - 1] if first else 0
        fitting = bisect_right(index.body_ends, byte_start + max_read, lo=first, hi=last)
        stop = max(fitting, first + 1)
        taken = min(take, index.raw_length_of(first, stop) - skip)
        byte_end = index.body_ends[stop - 1]
        yield XorbRead(segment.xorb_hash, index, first, stop, byte_start, byte_end, skip, taken)
        first, skip, take = stop, 0, take - taken


def decode_read(read: XorbRead, records: Buffer) -> Iterator[Buffer]:
    """Turn the bytes of one step into file bytes, in pieces of at most 128 KiB.

    Every chunk is checked against its hash first; XetFormatError if a byte is damaged or missing.
    """
    skip, left = read.skip, read.take
    for raw in read_chunks(records, read.index, read.start_chunk):
        piece = memoryview(raw)[skip : skip + left] if skip or len(raw) > left else raw
        skip = 0
        left -= len(piece)
        yield piece
    if left:
        raise XetFormatError(f"the last {left} bytes of a read of xorb chunks are missing")
