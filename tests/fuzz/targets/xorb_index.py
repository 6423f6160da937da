"""Stored indexes of xorbs, and packed segments of files."""

from __future__ import annotations

from openshelf.xet.errors import XetFormatError
from openshelf.xet.segments import pack_segments, unpack_segments
from openshelf.xet.xorb_index import XorbIndex
from tests.fuzz.material import index_of, segments_of, xorb
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    try:
        index = XorbIndex.unpack(data)
    except XetFormatError:
        pass
    else:
        assert index.pack() == data
        assert sum(length for _, length in index.nodes()) == index.raw_length
    try:
        assert pack_segments(unpack_segments(data)) == data
    except XetFormatError:
        pass


def _seeds() -> list[bytes]:
    body = xorb(b"c" * 5000, b"d" * 7000)
    return [index_of(body).pack(), pack_segments(segments_of(body))]


TARGET = Target(run, _seeds, per_byte=200)
