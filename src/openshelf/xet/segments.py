"""A file as a list of chunk ranges in xorbs, and its compact stored form."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from openshelf.xet.errors import XetFormatError

_PACKED = struct.Struct("<32s3I")


@dataclass(frozen=True, slots=True)
class FileSegment:
    """The chunks [start_chunk, end_chunk) of one xorb; length is their uncompressed length in bytes."""

    xorb_hash: bytes
    start_chunk: int
    end_chunk: int
    length: int


def pack_segments(segments: Iterable[FileSegment]) -> bytes:
    """Serialise to 44 bytes per segment: xorb hash, then u32 start, end and length, little-endian."""
    return b"".join(
        _PACKED.pack(segment.xorb_hash, segment.start_chunk, segment.end_chunk, segment.length) for segment in segments
    )


def unpack_segments(packed: bytes) -> tuple[FileSegment, ...]:
    """Read what pack_segments wrote; XetFormatError if it is not whole records or a range is empty."""
    if len(packed) % _PACKED.size:
        raise XetFormatError(f"{len(packed)} bytes are not whole segments of {_PACKED.size} bytes")
    segments = tuple(FileSegment(*fields) for fields in _PACKED.iter_unpack(packed))
    for number, segment in enumerate(segments):
        if segment.start_chunk >= segment.end_chunk or not segment.length:
            raise XetFormatError(f"stored segment {number} is empty", number * _PACKED.size)
    return segments
