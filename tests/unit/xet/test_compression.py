"""Chunk payloads: round trips, and what must be refused."""

import tracemalloc

import lz4.frame
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet.compression import Scheme, compress, decompress, group_bytes, ungroup_bytes
from openshelf.xet.errors import XetFormatError


@given(st.binary(max_size=100))
def test_grouping_is_undone(raw: bytes) -> None:
    assert ungroup_bytes(group_bytes(raw)) == raw


def test_grouping_puts_bytes_where_the_specification_says() -> None:
    assert group_bytes(bytes(range(11))) == bytes([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7])


@given(st.binary(min_size=1, max_size=40), st.integers(1, 3000))
def test_round_trip(pattern: bytes, times: int) -> None:
    raw = (pattern * times)[:131072]
    scheme, payload = compress(raw)
    assert decompress(scheme, payload, len(raw)) == raw
    assert len(payload) <= len(raw)


def test_the_scheme_fits_the_data(samples: dict[str, bytes]) -> None:
    chosen = {name: compress(data[:65536])[0] for name, data in samples.items()}
    assert chosen["random"] is Scheme.STORED
    assert chosen["bf16"] is chosen["float32"] is Scheme.BG4_LZ4
    assert chosen["text"] is chosen["zeros"] is Scheme.LZ4
    assert chosen["one"] is Scheme.STORED


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("checksums", [False, True])
@pytest.mark.parametrize("size", [True, False])
@pytest.mark.parametrize("block", [4, 5, 6, 7])
def test_any_conforming_frame_is_read(linked: bool, checksums: bool, size: bool, block: int) -> None:
    raw = np.random.default_rng(1).integers(0, 9, 131072).astype(np.uint8).tobytes()
    frame = lz4.frame.compress(
        raw,
        block_size=block,
        block_linked=linked,
        content_checksum=checksums,
        block_checksum=checksums,
        store_size=size,
    )
    assert decompress(Scheme.LZ4, frame, len(raw)) == raw


FRAME = lz4.frame.compress(b"open shelf " * 1000, store_size=False, content_checksum=True)


@pytest.mark.parametrize(
    ("payload", "raw_length", "message"),
    [
        (FRAME, 10_999, "more than the 10999 bytes"),
        (FRAME, 11_001, "to 11000 bytes but declares 11001"),
        (FRAME[:-5], 11_000, "ends too early"),
        (FRAME + b"\0", 11_000, "1 bytes follow"),
        (FRAME + FRAME, 11_000, "bytes follow"),
        (FRAME[:-1] + bytes([FRAME[-1] ^ 1]), 11_000, "damaged"),
        (FRAME[:6] + bytes([FRAME[6] ^ 1]) + FRAME[7:], 11_000, "damaged"),
        (FRAME[:4] + bytes([FRAME[4] | 1]) + FRAME[5:], 11_000, "dictionary"),
        (b"\x50\x2a\x4d\x18\x04\0\0\0skip" + FRAME, 11_000, "does not begin with an LZ4 frame"),
        (b"", 11_000, "does not begin with an LZ4 frame"),
    ],
)
def test_other_frames_are_refused(payload: bytes, raw_length: int, message: str) -> None:
    with pytest.raises(XetFormatError, match=message):
        decompress(Scheme.LZ4, payload, raw_length)


def test_stored_bytes_must_have_the_declared_length() -> None:
    with pytest.raises(XetFormatError, match="stores 3 bytes but declares 4"):
        decompress(Scheme.STORED, b"abc", 4)


def test_unknown_scheme() -> None:
    with pytest.raises(XetFormatError, match="scheme 3 is unknown"):
        decompress(3, b"abc", 3)


def test_a_bomb_is_cut_off_at_the_declared_length() -> None:
    bomb = lz4.frame.compress(bytes(60_000_000), block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    tracemalloc.start()
    try:
        with pytest.raises(XetFormatError, match="more than the 65536 bytes"):
            decompress(Scheme.LZ4, bomb, 65536)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=60), st.sampled_from(list(Scheme)), st.integers(1, 131072))
def test_any_payload_raises_one_error_or_gives_the_length(tail: bytes, scheme: Scheme, raw_length: int) -> None:
    for payload in (tail, FRAME[:7] + tail, FRAME[:4] + tail):
        try:
            assert len(decompress(scheme, payload, raw_length)) == raw_length
        except XetFormatError:
            pass
