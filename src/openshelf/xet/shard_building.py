"""Writing shards: what a client uploads (section 5), and the answer to a global deduplication query (section 8)."""

import struct
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from openshelf.xet.hashes import HASH_LENGTH, hmac_hash, truncated
from openshelf.xet.shards import (
    BOOKEND,
    CHUNK_RECORD,
    FILE_HEADER,
    FOOTER,
    FOOTER_VERSION,
    HAS_SHA256,
    HAS_VERIFICATION,
    HASH_RECORD,
    RECORD_LENGTH,
    SEGMENT,
    SHARD_HEADER,
    SHARD_VERSION,
    TAG,
    XORB_HEADER,
    ShardFile,
    ShardXorb,
    sha256_to_record,
)

_SECTION_END = BOOKEND + bytes(RECORD_LENGTH - HASH_LENGTH)
_XORB_LOOKUP = struct.Struct("<QI")
_CHUNK_LOOKUP = struct.Struct("<Q2I")


def build_upload_shard(files: Sequence[ShardFile], xorbs: Sequence[ShardXorb]) -> bytes:
    """Write a shard as clients upload it: both sections, no lookup tables, no footer."""
    return b"".join(
        (
            SHARD_HEADER.pack(TAG, SHARD_VERSION, 0),
            *map(_file_records, files),
            _SECTION_END,
            *map(_xorb_records, xorbs),
            _SECTION_END,
        )
    )


def _file_records(file: ShardFile) -> bytes:
    flags = (HAS_VERIFICATION if file.verification is not None else 0) | (HAS_SHA256 if file.sha256 else 0)
    records = [FILE_HEADER.pack(file.file_hash, flags, len(file.segments), 0)]
    records += (
        SEGMENT.pack(segment.xorb_hash, 0, segment.length, segment.start_chunk, segment.end_chunk)
        for segment in file.segments
    )
    records += (HASH_RECORD.pack(value) for value in file.verification or ())
    if file.sha256:
        records.append(HASH_RECORD.pack(sha256_to_record(file.sha256)))
    return b"".join(records)


def _xorb_records(xorb: ShardXorb) -> bytes:
    chunks = np.zeros(len(xorb.raw_ends), dtype=CHUNK_RECORD)
    chunks["hash"] = np.frombuffer(xorb.hashes, dtype="V32")
    chunks["start"] = (0, *xorb.raw_ends[:-1])
    chunks["length"] = [end - start for start, end in pairwise((0, *xorb.raw_ends))]
    header = XORB_HEADER.pack(xorb.xorb_hash, 0, len(xorb.raw_ends), xorb.raw_ends[-1], xorb.body_length)
    return header + chunks.tobytes()


def build_dedup_shard(xorbs: Sequence[ShardXorb], hmac_key: bytes, created: int, expires: int) -> bytes:
    """Write a shard with footer and lookup tables that tells a client of xorbs it may refer to.

    xorbs carry plain hashes; they are keyed here with hmac_key (32 bytes, zero = unkeyed). Times are unix seconds;
    clients ignore the shard after expires.
    """
    keyed = [_with_keyed_hashes(xorb, hmac_key) for xorb in xorbs]
    sections = SHARD_HEADER.pack(TAG, SHARD_VERSION, FOOTER.size) + _SECTION_END
    xorb_info = len(sections)
    sections += b"".join(map(_xorb_records, keyed)) + _SECTION_END
    xorb_table, chunk_table = _lookup_tables(keyed)
    chunk_lookup = len(sections) + len(xorb_table)
    footer_start = chunk_lookup + len(chunk_table)
    footer = FOOTER.pack(
        FOOTER_VERSION,
        RECORD_LENGTH,
        xorb_info,
        *(len(sections), 0),
        *(len(sections), len(keyed)),
        *(chunk_lookup, len(chunk_table) // _CHUNK_LOOKUP.size),
        hmac_key,
        created,
        expires,
        sum(xorb.body_length for xorb in xorbs),
        0,
        sum(xorb.raw_ends[-1] for xorb in xorbs),
        footer_start,
    )
    return sections + xorb_table + chunk_table + footer


def _with_keyed_hashes(xorb: ShardXorb, hmac_key: bytes) -> ShardXorb:
    hashes = b"".join(hmac_hash(hmac_key, value) for value in _split(xorb.hashes))
    return ShardXorb(xorb.xorb_hash, hashes, xorb.raw_ends, xorb.body_length)


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_LENGTH] for at in range(0, len(hashes), HASH_LENGTH)]


def _lookup_tables(xorbs: Sequence[ShardXorb]) -> tuple[bytes, bytes]:
    """Return the tables of xorbs and of chunks, sorted by the first u64 of their hash."""
    xorb_rows, chunk_rows = [], []
    record = 0
    for xorb in xorbs:
        xorb_rows.append((truncated(xorb.xorb_hash), record))
        chunk_rows += [(truncated(value), record, number) for number, value in enumerate(_split(xorb.hashes))]
        record += 1 + len(xorb.raw_ends)
    return (
        b"".join(_XORB_LOOKUP.pack(*row) for row in sorted(xorb_rows)),
        b"".join(_CHUNK_LOOKUP.pack(*row) for row in sorted(chunk_rows)),
    )
