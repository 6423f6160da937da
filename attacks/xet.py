"""Xorbs and shards that lie about their sizes and counts."""

from __future__ import annotations

from collections.abc import Iterator

import lz4.frame

from attacks import Attack
from openshelf.xet.shards import (
    BOOKEND,
    FILE_HEADER,
    HAS_VERIFICATION,
    SEGMENT,
    SHARD_HEADER,
    SHARD_VERSION,
    TAG,
    XORB_HEADER,
)


def attacks() -> Iterator[Attack]:
    yield Attack(
        "a bomb in a chunk", "xorb", _record(lz4.frame.compress(bytes(50 * 1024 * 1024)), 1), "more than the 1 bytes"
    )
    yield Attack("a chunk beyond the limit", "xorb", _record(b"x", 2**24 - 1), "131072 are allowed")
    yield Attack("a payload that is not there", "xorb", _header(2**24 - 1, 10), "")
    yield Attack("an unknown compression", "xorb", _header(1, 1, scheme=9) + b"x", "scheme")
    yield Attack("nothing", "xorb", b"", "no chunk")
    start = SHARD_HEADER.pack(TAG, SHARD_VERSION, 0)
    yield Attack("four billion segments", "shard", start + FILE_HEADER.pack(bytes(32), 0, 2**32 - 1, 0), "left")
    proofs = FILE_HEADER.pack(b"f" * 32, HAS_VERIFICATION, 1, 0) + SEGMENT.pack(b"x" * 32, 0, 5, 9, 3)
    yield Attack("a segment that ends before it begins", "shard", start + proofs, "no chunks")
    end = BOOKEND + bytes(16)
    xorb = XORB_HEADER.pack(b"x" * 32, 0, 2**32 - 1, 1, 1)
    yield Attack("four billion chunks", "shard", start + end + xorb, "chunks")
    yield Attack("a footer of another length", "shard", SHARD_HEADER.pack(TAG, SHARD_VERSION, 2**63), "footer")


def _header(payload: int, raw: int, scheme: int = 1) -> bytes:
    return (payload << 8 | scheme << 32 | raw << 40).to_bytes(8, "little")


def _record(payload: bytes, raw: int) -> bytes:
    return _header(len(payload) % 2**24, raw % 2**24) + payload
