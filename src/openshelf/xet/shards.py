"""Shards: the records by which clients register files and learn of known chunks (section 5)."""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np

from openshelf.xet.chunking import MAX_CHUNK
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import HASH_LENGTH, from_hex, to_hex
from openshelf.xet.segments import FileSegment
from openshelf.xet.xorb_index import MAX_XORB_CHUNKS, XorbIndex

MAX_SHARD_LENGTH = 256 * 1024 * 1024
RECORD_LENGTH = 48
TAG = b"HFRepoMetaData\x00" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
SHARD_VERSION = 2
FOOTER_VERSION = 1
BOOKEND = b"\xff" * HASH_LENGTH
HAS_VERIFICATION = 1 << 31
HAS_SHA256 = 1 << 30

SHARD_HEADER = struct.Struct("<32s2Q")
FILE_HEADER = struct.Struct("<32s2IQ")
SEGMENT = struct.Struct("<32s4I")
XORB_HEADER = struct.Struct("<32s4I")
HASH_RECORD = struct.Struct("<32s16x")
FOOTER = struct.Struct("<9Q32s2Q48x4Q")
CHUNK_RECORD = np.dtype([("hash", "V32"), ("start", "<u4"), ("length", "<u4"), ("flags", "<u4"), ("unused", "<u4")])
FILE_LOOKUP_LENGTH = 12
XORB_LOOKUP_LENGTH = 12
CHUNK_LOOKUP_LENGTH = 16


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file: verification holds one range hash per segment; sha256 is the plain digest that is claimed."""

    file_hash: bytes
    segments: tuple[FileSegment, ...]
    verification: tuple[bytes, ...] | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class ShardXorb:
    """One xorb: concatenated chunk hashes (keyed in a dedup answer) and cumulative uncompressed ends in bytes.

    body_length is the length of the stored chunk records in bytes, or 0 where the sender does not tell.
    """

    xorb_hash: bytes
    hashes: bytes
    raw_ends: tuple[int, ...]
    body_length: int = 0

    @classmethod
    def from_index(cls, xorb_hash: bytes, index: XorbIndex) -> Self:
        """Describe a stored xorb."""
        return cls(xorb_hash, index.hashes, index.raw_ends, index.body_length)


@dataclass(frozen=True, slots=True)
class Shard:
    """A parsed shard; key, created and expires (unix seconds) come from the footer and are None without one."""

    files: tuple[ShardFile, ...]
    xorbs: tuple[ShardXorb, ...]
    hmac_key: bytes | None = None
    created: int | None = None
    expires: int | None = None


def sha256_to_record(digest: bytes) -> bytes:
    """Turn a plain sha256 digest into the byte-swapped form that shards hold (section 1)."""
    return from_hex(digest.hex())


def sha256_from_record(stored: bytes) -> bytes:
    """Turn the sha256 of a shard record into the plain digest."""
    return bytes.fromhex(to_hex(stored))


def parse_shard(data: bytes) -> Shard:
    """Read a shard with or without footer; XetFormatError for anything malformed, trailing or too large.

    Counts are checked against the bytes that are left before anything is allocated for them.
    """
    if len(data) > MAX_SHARD_LENGTH:
        raise XetFormatError(f"the shard has {len(data)} bytes; at most {MAX_SHARD_LENGTH} are allowed")
    cursor = _Cursor(data)
    tag, version, footer_length = SHARD_HEADER.unpack(cursor.take(1, "the shard header"))
    if tag != TAG:
        raise XetFormatError("these bytes do not begin with the tag of a Xet shard", 0)
    if version != SHARD_VERSION:
        raise XetFormatError(f"the shard has version {version}; only {SHARD_VERSION} is known", 32)
    if footer_length not in (0, FOOTER.size):
        raise XetFormatError(f"the shard declares a footer of {footer_length} bytes, not 0 or {FOOTER.size}", 40)
    files = _parse_files(cursor)
    xorbs_offset = cursor.at
    xorbs = _parse_xorbs(cursor)
    if footer_length:
        return _with_footer(data, files, xorbs, xorbs_offset, cursor.at)
    if cursor.at != len(data):
        raise XetFormatError(f"{len(data) - cursor.at} bytes follow the shard's last record", cursor.at)
    return Shard(files, xorbs)


class _Cursor:
    """Hands out whole records, and never more than there are."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        """Return the next count records as bytes; what names them in the error if fewer are left."""
        end = self.at + count * RECORD_LENGTH
        if end > len(self._data):
            left = (len(self._data) - self.at) // RECORD_LENGTH
            raise XetFormatError(f"{what} at byte {self.at}: {count} records expected, {left} left", self.at)
        records = self._data[self.at : end]
        self.at = end
        return records


def _parse_files(cursor: _Cursor) -> tuple[ShardFile, ...]:
    files: list[ShardFile] = []
    while True:
        header = cursor.take(1, "a file header or the end of the file section")
        file_hash, flags, count, _ = FILE_HEADER.unpack(header)
        if file_hash == BOOKEND:
            return tuple(files)
        segments = _parse_segments(cursor, count)
        verification = sha256 = None
        if flags & HAS_VERIFICATION:
            records = cursor.take(count, "the verification hashes of a file")
            verification = tuple(value for (value,) in HASH_RECORD.iter_unpack(records))
        if flags & HAS_SHA256:
            (stored,) = HASH_RECORD.unpack(cursor.take(1, "the sha256 of a file"))
            sha256 = sha256_from_record(stored)
        files.append(ShardFile(file_hash, segments, verification, sha256))


def _parse_segments(cursor: _Cursor, count: int) -> tuple[FileSegment, ...]:
    start = cursor.at
    records = cursor.take(count, "the segments of a file")
    segments = []
    for number, (xorb_hash, _, length, first, end) in enumerate(SEGMENT.iter_unpack(records)):
        if first >= end or not length:
            offset = start + number * RECORD_LENGTH
            raise XetFormatError(f"the file segment at byte {offset} holds no chunks (from {first} to {end})", offset)
        segments.append(FileSegment(xorb_hash, first, end, length))
    return tuple(segments)


def _parse_xorbs(cursor: _Cursor) -> tuple[ShardXorb, ...]:
    xorbs: list[ShardXorb] = []
    while True:
        start = cursor.at
        header = cursor.take(1, "a xorb header or the end of the xorb section")
        xorb_hash, _, count, raw_length, body_length = XORB_HEADER.unpack(header)
        if xorb_hash == BOOKEND:
            return tuple(xorbs)
        if not 1 <= count <= MAX_XORB_CHUNKS:
            raise XetFormatError(
                f"the xorb at byte {start} declares {count} chunks; 1 to {MAX_XORB_CHUNKS} are allowed", start
            )
        chunks = np.frombuffer(cursor.take(count, "the chunks of a xorb"), dtype=CHUNK_RECORD)
        lengths = chunks["length"].astype(np.int64)
        raw_ends = np.cumsum(lengths)
        if lengths.min() < 1 or lengths.max() > MAX_CHUNK or (chunks["start"] != raw_ends - lengths).any():
            raise XetFormatError(f"the chunks of the xorb at byte {start} do not follow one another", start)
        if raw_ends[-1] != raw_length:
            raise XetFormatError(
                f"the xorb at byte {start} declares {raw_length} bytes but its chunks have {raw_ends[-1]}", start
            )
        xorbs.append(ShardXorb(xorb_hash, chunks["hash"].tobytes(), tuple(raw_ends.tolist()), body_length))


def _with_footer(
    data: bytes, files: tuple[ShardFile, ...], xorbs: tuple[ShardXorb, ...], xorbs_offset: int, sections_end: int
) -> Shard:
    """Check that the footer describes what was parsed and that nothing lies between, and take its times and key."""
    footer_start = len(data) - FOOTER.size
    if footer_start < sections_end:
        raise XetFormatError("the shard ends inside its footer", sections_end)
    version, *offsets, key, created, expires, _, _, _, offset = FOOTER.unpack_from(data, footer_start)
    if version != FOOTER_VERSION:
        raise XetFormatError(f"the shard's footer has version {version}, not {FOOTER_VERSION}", footer_start)
    file_info, xorb_info, *tables = offsets
    if (file_info, xorb_info, offset) != (RECORD_LENGTH, xorbs_offset, footer_start):
        raise XetFormatError("the shard's footer does not agree with where its sections lie", footer_start)
    at = sections_end
    for (start, count), length in zip(
        zip(tables[::2], tables[1::2], strict=True),
        (FILE_LOOKUP_LENGTH, XORB_LOOKUP_LENGTH, CHUNK_LOOKUP_LENGTH),
        strict=True,
    ):
        if start != at:
            raise XetFormatError(f"a lookup table of the shard begins at byte {start}, not {at}", footer_start)
        at += count * length
    if at != footer_start:
        raise XetFormatError(f"the shard's lookup tables end at byte {at}, not {footer_start}", footer_start)
    return Shard(files, xorbs, key, created, expires)
