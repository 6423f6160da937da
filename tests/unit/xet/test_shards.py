"""Shards: round trips, the answer to a dedup query, and what must be refused."""

import struct
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import hmac_hash, truncated
from openshelf.xet.segments import FileSegment, pack_segments, unpack_segments
from openshelf.xet.shard_building import build_dedup_shard, build_upload_shard
from openshelf.xet.shards import MAX_SHARD_LENGTH, ShardFile, ShardXorb, parse_shard

from .material import Stored

KEY = bytes(range(100, 132))
XORBS = [
    ShardXorb(b"\xaa" * 32, b"\x09" * 32 + b"\x01" * 32, (100, 131_172), 777),
    ShardXorb(b"\x11" * 32, b"\x05" * 32, (1,), 9),
]
DEDUP = build_dedup_shard(XORBS, KEY, 1_700_000_000, 1_800_000_000)


def test_upload_shard_round_trip(stored: Stored) -> None:
    shard = parse_shard(stored.shard)
    assert shard.files == (stored.file,)
    assert [xorb.xorb_hash for xorb in shard.xorbs] == list(stored.xorbs)
    assert shard.xorbs[0] == ShardXorb.from_index(*next((b.xorb_hash, b.index) for b in stored.xorbs.values()))
    assert (shard.hmac_key, shard.created, shard.expires) == (None, None, None)
    assert build_upload_shard(shard.files, shard.xorbs) == stored.shard


def test_the_sha256_is_stored_swapped(stored: Stored) -> None:
    assert stored.file.sha256 == bytes(range(32))
    assert bytes([7, 6, 5, 4, 3, 2, 1, 0, 15, 14]) in stored.shard
    assert bytes(range(32)) not in stored.shard


def test_optional_parts(stored: Stored) -> None:
    files = (
        replace(stored.file, verification=None),
        stored.file,
        replace(stored.file, sha256=None),
        replace(stored.file, verification=None, sha256=None),
    )
    assert parse_shard(build_upload_shard(files, ())).files == files


def test_dedup_shard_is_keyed_and_says_when() -> None:
    shard = parse_shard(DEDUP)
    assert shard.files == ()
    assert (shard.hmac_key, shard.created, shard.expires) == (KEY, 1_700_000_000, 1_800_000_000)
    assert [xorb.raw_ends for xorb in shard.xorbs] == [xorb.raw_ends for xorb in XORBS]
    assert shard.xorbs[0].hashes == hmac_hash(KEY, b"\x09" * 32) + hmac_hash(KEY, b"\x01" * 32)
    assert not any(plain in DEDUP for plain in (b"\x09" * 32, b"\x01" * 32, b"\x05" * 32))


def test_dedup_lookup_tables_are_sorted_and_point_right() -> None:
    values = struct.unpack("<9Q", DEDUP[-200:-128])
    _, _, xorb_info, _, file_count, xorb_at, xorb_count, chunk_at, chunk_count = values
    assert (file_count, xorb_count, chunk_count) == (0, 2, 3)
    xorbs = list(struct.iter_unpack("<QI", DEDUP[xorb_at : xorb_at + 24]))
    assert xorbs == [(truncated(b"\x11" * 32), 3), (truncated(b"\xaa" * 32), 0)]
    chunks = list(struct.iter_unpack("<Q2I", DEDUP[chunk_at : chunk_at + 48]))
    assert chunks == sorted(chunks)
    for short, record, number in chunks:
        at = xorb_info + 48 * (record + 1 + number)
        assert truncated(DEDUP[at : at + 32]) == short


def _patched(data: bytes, at: int, value: bytes) -> bytes:
    at = at if at >= 0 else len(data) + at
    return data[:at] + value + data[at + len(value) :]


U32_MAX = b"\xff" * 4
UPLOAD = build_upload_shard([ShardFile(b"\x77" * 32, (FileSegment(b"\xaa" * 32, 0, 2, 131_172),))], XORBS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the shard header at byte 0"),
        (b"PK" + UPLOAD[2:], "do not begin with the tag"),
        (_patched(UPLOAD, 32, b"\x03"), "version 3"),
        (_patched(UPLOAD, 40, b"\x64"), "footer of 100 bytes"),
        (_patched(UPLOAD, 48 + 36, U32_MAX), "segments of a file at byte 96: 4294967295 records expected, 8 left"),
        (_patched(UPLOAD, 48 + 32, b"\0\0\0\xc0"), "."),
        (_patched(UPLOAD, 96 + 40, b"\2"), "segment at byte 96 holds no chunks"),
        (_patched(UPLOAD, 192 + 36, U32_MAX), "declares 4294967295 chunks; 1 to 8192 are allowed"),
        (_patched(UPLOAD, 192 + 36, b"\0"), "declares 0 chunks"),
        (_patched(UPLOAD, 192 + 40, b"\0"), "declares 131072 bytes but its chunks have 131172"),
        (_patched(UPLOAD, 240 + 36, U32_MAX), "do not follow one another"),
        (_patched(UPLOAD, 288 + 32, b"\0"), "do not follow one another"),
        (UPLOAD[:-1], "end of the xorb section at byte .*: 1 records expected, 0 left"),
        (UPLOAD + b"\0", "1 bytes follow the shard's last record"),
        (DEDUP + b"\0", "footer"),
        (DEDUP[:-1], "footer"),
        (DEDUP[:-201], "footer"),
        (DEDUP[:96] + DEDUP[48:96], "ends inside its footer"),
        (_patched(DEDUP, -200, b"\2"), "footer has version 2"),
        (_patched(DEDUP, -192, b"\0"), "does not agree with where its sections lie"),
        (_patched(DEDUP, -176, b"\0"), "lookup table of the shard begins at byte"),
        (_patched(DEDUP, -136, b"\xff" * 8), "lookup tables end at byte"),
    ],
    ids=lambda value: value if isinstance(value, str) else "shard",
)
def test_malformed_shards_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(XetFormatError, match=message):
        parse_shard(data)


def test_a_chunk_over_the_limit_is_refused() -> None:
    with pytest.raises(XetFormatError, match="do not follow one another"):
        parse_shard(build_upload_shard((), [ShardXorb(b"\xaa" * 32, bytes(32), (131_073,))]))


def test_a_huge_shard_is_refused() -> None:
    with pytest.raises(XetFormatError, match="at most 268435456 are allowed"):
        parse_shard(bytes(MAX_SHARD_LENGTH + 1))


@given(st.sampled_from([UPLOAD, DEDUP]), st.data())
def test_mutated_shards_raise_one_error(shard: bytes, data: st.DataObject) -> None:
    mutated = bytearray(shard)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(mutated) - 4))
        mutated[at : at + 4] = data.draw(st.sampled_from([U32_MAX, b"\0\0\0\0", b"\x80", b"\1\0\0\0"]))
    tracemalloc.start()
    try:
        parse_shard(bytes(mutated[: data.draw(st.integers(0, len(mutated)))]))
    except XetFormatError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000


def test_segments_round_trip(stored: Stored) -> None:
    packed = pack_segments(stored.file.segments)
    assert len(packed) == 44 * 3
    assert unpack_segments(packed) == stored.file.segments
    assert unpack_segments(b"") == ()


@pytest.mark.parametrize("damage", [slice(0, 43), slice(0, 131)])
def test_partial_segments_are_refused(stored: Stored, damage: slice) -> None:
    with pytest.raises(XetFormatError, match="not whole segments"):
        unpack_segments(pack_segments(stored.file.segments)[damage])


@pytest.mark.parametrize("fields", [(2, 2, 5), (3, 2, 5), (0, 1, 0)])
def test_empty_segments_are_refused(fields: tuple[int, int, int]) -> None:
    with pytest.raises(XetFormatError, match="stored segment 0 is empty"):
        unpack_segments(pack_segments([FileSegment(bytes(32), *fields)]))
