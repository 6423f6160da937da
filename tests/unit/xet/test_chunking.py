"""The chunker against upstream vectors, the rule word for word, and itself in other pieces."""

import hashlib
import tracemalloc
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet.chunking import MAX_CHUNK, MIN_CHUNK, Chunker, iter_chunks
from openshelf.xet.gear import GEAR


def _cuts(data: bytes) -> list[int]:
    return list(accumulate(len(chunk) for chunk in iter_chunks([data])))


def test_the_gear_table_is_the_one_of_the_crate() -> None:
    digest = hashlib.sha256(GEAR.astype("<u8").tobytes()).hexdigest()
    assert digest == "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c"


def test_upstream_vector(splitmix: bytes) -> None:
    assert _cuts(splitmix) == [
        *(84493, 134421, 144853, 243318, 271793, 336457, 467529, 494581, 582000, 596735),
        *(616815, 653164, 678202, 724510, 815591, 827760, 958832, 991092, 1000000),
    ]


def test_constant_data_is_cut_at_the_maximum() -> None:
    assert _cuts(bytes([59]) * 1_000_000) == [*range(MAX_CHUNK, 1_000_000, MAX_CHUNK), 1_000_000]


def _rolled(data: bytes) -> list[int]:
    """Section 2 word for word, byte by byte, without skip-ahead."""
    table = GEAR.tolist()
    cuts, start, rolling = [], 0, 0
    for at, byte in enumerate(data, 1):
        rolling = ((rolling << 1) + table[byte]) & 0xFFFFFFFFFFFFFFFF
        length = at - start
        if (length >= MIN_CHUNK and not rolling >> 48) or length == MAX_CHUNK:
            cuts.append(at)
            start, rolling = at, 0
    return cuts if not data or (cuts and cuts[-1] == len(data)) else [*cuts, len(data)]


def _window_that_cuts(data: bytes) -> bytes:
    end = next(end for end in _cuts(data) if end % MAX_CHUNK)
    return data[end - 64 : end]


@pytest.mark.parametrize("gap", [*range(60, 70), 127, 128, 129, 4096, 8126, 8127, 8128, *range(8188, 8196), 16384])
def test_candidates_near_the_minimum(splitmix: bytes, gap: int) -> None:
    window = _window_that_cuts(splitmix)
    data = (window + bytes([59]) * (gap - 64 if gap > 64 else 0)) * (60_000 // gap)
    assert _cuts(data) == _rolled(data)


@pytest.mark.parametrize("length", [131071, 131072, 131073])
def test_a_candidate_at_the_maximum_is_one_cut(splitmix: bytes, length: int) -> None:
    window = _window_that_cuts(splitmix)
    data = bytes([59]) * (length - 64) + window + bytes([59]) * 20_000
    assert _cuts(data) == _rolled(data)


@given(st.lists(st.integers(0, 250_000), max_size=12))
def test_pieces_do_not_matter(splitmix: bytes, ends: list[int]) -> None:
    data = splitmix[:250_000]
    pieces = [memoryview(data)[start:end] for start, end in pairwise([0, *sorted(ends), len(data)])]
    assert list(iter_chunks(pieces)) == list(iter_chunks([data]))


@given(st.integers(5, 300), st.integers(0, 2**32))
def test_tiny_pieces_do_not_matter(step: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(12_000)
    assert list(iter_chunks(data[at : at + step] for at in range(0, len(data), step))) == list(iter_chunks([data]))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_chunks_join_to_the_data_within_the_bounds(pattern: bytes, times: int) -> None:
    data = pattern * times
    chunks = list(iter_chunks([data]))
    assert b"".join(chunks) == data
    assert all(MIN_CHUNK <= len(chunk) <= MAX_CHUNK for chunk in chunks[:-1])


def test_nothing_is_no_chunk() -> None:
    assert list(iter_chunks([])) == list(iter_chunks([b"", b""])) == []


def test_a_finished_chunker_starts_afresh(splitmix: bytes) -> None:
    chunker = Chunker()
    for _ in range(2):
        chunks = chunker.push(splitmix)
        last = chunker.finish()
        assert [*chunks, last] == list(iter_chunks([splitmix]))


def test_other_buffers_are_chunked_by_their_bytes(splitmix: bytes) -> None:
    words = memoryview(splitmix).cast("Q")
    assert list(iter_chunks([words])) == list(iter_chunks([bytearray(splitmix)]))


def test_memory_does_not_grow_with_the_stream(splitmix: bytes) -> None:
    def stream() -> int:
        return sum(len(chunk) for chunk in iter_chunks(splitmix for _ in range(10)))

    tracemalloc.start()
    try:
        assert stream() == 10_000_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
