"""Xorb bodies and their index: building, verifying, reading, and what must be refused."""

import mmap
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet.compression import Scheme
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import chunk_hash, xorb_hash
from openshelf.xet.xorb_builder import BuiltXorb, XorbBuilder
from openshelf.xet.xorb_index import MAX_XORB_CHUNKS, XorbIndex
from openshelf.xet.xorbs import (
    MAX_XORB_BODY,
    VerifiedXorb,
    XorbVerifier,
    feed_chunks,
    read_chunks,
    record_header,
    verify_xorb,
)

CHUNKS = [b"first chunk", bytes(100_000), b"\x01\x02" * 30_000, np.random.default_rng(2).bytes(8192)]


@pytest.fixture(scope="module")
def built() -> BuiltXorb:
    builder = XorbBuilder()
    assert [builder.append(chunk) for chunk in CHUNKS] == [0, 1, 2, 3]
    return builder.finish()


def _record(payload: bytes, raw_length: int | None = None, scheme: int = 0) -> bytes:
    length = len(payload) if raw_length is None else raw_length
    return (
        record_header(Scheme.STORED, len(payload), length)[:4]
        + bytes([scheme])
        + length.to_bytes(3, "little")
        + payload
    )


def test_what_was_built_is_verified(built: BuiltXorb) -> None:
    verified = verify_xorb(built.body, built.xorb_hash)
    assert (verified.index, verified.xorb_hash, verified.footer_length) == (built.index, built.xorb_hash, 0)
    assert built.xorb_hash == xorb_hash((chunk_hash(chunk), len(chunk)) for chunk in CHUNKS)
    assert built.index.body_length == len(built.body) < built.index.raw_length == sum(map(len, CHUNKS))


@pytest.mark.parametrize(("start", "end"), [(0, 4), (0, 1), (1, 3), (3, 4)])
def test_a_slice_gives_its_chunks(built: BuiltXorb, start: int, end: int) -> None:
    first, last = built.index.byte_range(start, end)
    assert list(read_chunks(built.body[first:last], built.index, start)) == CHUNKS[start:end]
    assert list(read_chunks(memoryview(built.body)[first:last])) == CHUNKS[start:end]


def test_an_mmap_can_be_closed_even_while_an_error_is_handled(built: BuiltXorb, tmp_path: Path) -> None:
    damaged = bytearray(built.body)
    damaged[built.index.body_ends[0] + 8] ^= 0xFF
    path = tmp_path / "xorb"
    path.write_bytes(damaged)
    with path.open("rb") as file:
        body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            verify_xorb(body)
        except XetFormatError:
            body.close()
        assert body.closed


def test_a_wrong_name_is_refused(built: BuiltXorb) -> None:
    with pytest.raises(XetFormatError, match=r"the xorb's hash is .*, not 0000"):
        verify_xorb(built.body, bytes(32))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "holds no chunk"),
        (b"XETBLOB\x01", "holds no chunk"),
        (_record(b"abc") + b"\x00\x03", "chunk 1 at byte 11 has a header of 2 bytes"),
        (_record(b"abc")[:-1], "chunk 0 at byte 0 should end at byte 11, but the data ends at 10"),
        (b"\x01" + _record(b"abc")[1:], "chunk 0 at byte 0 has version 1"),
        (_record(b"abc") + _record(b"x", 200_000), "chunk 1 at byte 11 declares 200000 bytes; 1 to 131072 are allowed"),
        (_record(b"abc", 0), "declares 0 bytes"),
        (_record(b"", 3), "declares 0 compressed bytes"),
        (_record(bytes(262_145), 3), "declares 262145 compressed bytes; 1 to 262144 are allowed"),
        (_record(b"abc", 3, 9), "chunk 0 at byte 0 cannot be decoded: compression scheme 9 is unknown"),
        (_record(b"abc", 4), "stores 3 bytes but declares 4"),
        (_record(b"abc") + b"XETBLOB" + bytes(130), "footer has 137 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)
def test_malformed_bodies_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(XetFormatError, match=message):
        verify_xorb(body)


def test_bodies_over_the_limits_are_refused() -> None:
    zeros = lz4.frame.compress(bytes(131_072), store_size=False)
    for body, message in (
        (_record(b"x") * (MAX_XORB_CHUNKS + 1), "more than 8192 chunks"),
        (_record(zeros, 131_072, 1) * 513, r"chunk 512 at byte .* brings the xorb to 67239936 uncompressed bytes"),
        (bytes(MAX_XORB_BODY + 1), "at most 68157440 are allowed"),
    ):
        with pytest.raises(XetFormatError, match=message):
            verify_xorb(body)


def test_a_footer_is_tolerated(built: BuiltXorb) -> None:
    assert verify_xorb(built.body + b"XETBLOB\x01" + bytes(100)).footer_length == 108


@pytest.mark.parametrize("piece", [1, 7, 8, 9, 4096, 100_019, 10**7])
def test_a_body_in_pieces_is_judged_as_a_whole_one(built: BuiltXorb, piece: int) -> None:
    footer = b"XETBLOB\x01" + bytes(90)
    for body in (built.body, built.body + footer, built.body + footer[:7], built.body[:-1], built.body[:-9000]):
        assert _judged_in_pieces(body, piece) == _judged_whole(body)


@given(st.data())
def test_mutated_bodies_in_pieces_are_judged_as_whole_ones(built: BuiltXorb, data: st.DataObject) -> None:
    body = bytearray(built.body)
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
        body[at] ^= data.draw(st.integers(1, 255))
    piece = data.draw(st.sampled_from([5, 11, 4099, 60_013]))
    assert _judged_in_pieces(bytes(body), piece) == _judged_whole(bytes(body))


def _judged_in_pieces(body: bytes, piece: int) -> VerifiedXorb | str:
    verifier = XorbVerifier()
    for at in range(0, len(body), piece):
        verifier.update(body[at : at + piece])
    try:
        return verifier.finish()
    except XetFormatError as error:
        return str(error)


def _judged_whole(body: bytes) -> VerifiedXorb | str:
    try:
        return verify_xorb(memoryview(body))
    except XetFormatError as error:
        return str(error)


def test_chunks_are_fed_without_copies(built: BuiltXorb) -> None:
    fed = bytearray()
    assert feed_chunks(built.body, fed.extend) == len(b"".join(CHUNKS))
    assert fed == b"".join(CHUNKS)


def test_damage_at_rest_is_noticed(built: BuiltXorb) -> None:
    damaged = bytearray(built.body)
    damaged[-1] ^= 1
    assert len(list(read_chunks(damaged))) == 4
    with pytest.raises(XetFormatError, match="chunk 3 of the xorb is damaged"):
        list(read_chunks(damaged, built.index))


def test_a_record_beyond_the_index_is_damage(built: BuiltXorb) -> None:
    with pytest.raises(XetFormatError, match="chunk 4 of the xorb is damaged"):
        list(read_chunks(built.body + _record(b"abc"), built.index))


@given(st.data())
def test_mutated_bodies_raise_one_error(built: BuiltXorb, data: st.DataObject) -> None:
    body = bytearray(built.body)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    with pytest.raises(XetFormatError):
        verify_xorb(bytes(body), built.xorb_hash if bytes(body) != built.body else bytes(32))


def test_builder_limits() -> None:
    builder = XorbBuilder()
    assert not builder.fits(0)
    assert not builder.fits(131_073)
    for _ in range(512):
        builder.append(bytes(131_072), chunk_hash=b"h" * 32)
    assert builder.raw_length == 67_108_864
    assert not builder.fits(1)
    with pytest.raises(ValueError, match="does not fit"):
        builder.append(b"x")
    assert len(builder.finish().index) == 512
    with pytest.raises(ValueError, match="at least one chunk"):
        builder.finish()


def test_builder_counts_chunks() -> None:
    builder = XorbBuilder()
    for _ in range(MAX_XORB_CHUNKS):
        builder.append(b"x", chunk_hash=b"h" * 32)
    assert not builder.fits(1)


def test_index_round_trip_and_size(built: BuiltXorb) -> None:
    packed = built.index.pack()
    assert len(packed) == 40 * 4
    assert packed[:32] == chunk_hash(CHUNKS[0])
    assert XorbIndex.unpack(packed) == built.index


def test_index_questions(built: BuiltXorb) -> None:
    index = built.index
    assert len(index) == 4
    assert index.chunk_hash(2) == chunk_hash(CHUNKS[2])
    assert list(index.nodes(1, 3)) == [(chunk_hash(chunk), len(chunk)) for chunk in CHUNKS[1:3]]
    assert index.raw_length_of(1, 3) == len(CHUNKS[1]) + len(CHUNKS[2])
    for start, end in [(2, 2), (-1, 2), (3, 5)]:
        with pytest.raises(XetFormatError, match="of a xorb with 4 chunks"):
            index.byte_range(start, end)
    with pytest.raises(IndexError):
        index.chunk_hash(4)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (32, 8, "chunk 0 .* body_end that gives it 8 bytes"),
        (32 + 40, 2**32 - 1, "chunk 1 .* body_end"),
        (36, 0, "chunk 0 .* raw_end that gives it 0 bytes"),
        (36, 131_073, "chunk 0 .* raw_end that gives it 131073 bytes"),
    ],
)
def test_a_damaged_index_is_refused(built: BuiltXorb, at: int, value: int, message: str) -> None:
    packed = bytearray(built.index.pack())
    packed[at : at + 4] = value.to_bytes(4, "little")
    with pytest.raises(XetFormatError, match=message):
        XorbIndex.unpack(bytes(packed))


def test_an_index_over_the_xorb_limits_is_refused() -> None:
    ends = range(1, 514)
    index = XorbIndex(bytes(32 * 513), tuple(131_080 * end for end in ends), tuple(131_072 * end for end in ends))
    with pytest.raises(XetFormatError, match="more than 67108864 bytes"):
        XorbIndex.unpack(index.pack())
    with pytest.raises(XetFormatError, match="not 1 to 8192 whole chunks"):
        XorbIndex.unpack(bytes(40 * 8193))
    with pytest.raises(XetFormatError, match="a xorb index of 41 bytes is not"):
        XorbIndex.unpack(bytes(41))


@given(st.binary(max_size=200))
def test_any_bytes_as_index_raise_one_error(packed: bytes) -> None:
    try:
        assert XorbIndex.unpack(packed).pack() == packed
    except XetFormatError:
        pass
