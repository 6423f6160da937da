"""Headers of weights: safetensors, GGUF, NumPy; made ones, real ones, damaged ones."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.headers.gguf import read_gguf_header
from openshelf.analysis.checkpoints.headers.npy import read_npy_header
from openshelf.analysis.checkpoints.headers.safetensors import BITS, MAX_HEADER, read_safetensors_header
from openshelf.analysis.checkpoints.headers.safetensors_json import DuplicateName
from openshelf.analysis.checkpoints.headers.shard_index import read_shard_index
from openshelf.analysis.files.ranges import BoundedReader, UnreadableFile, in_memory
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples


def safetensors(header: Any, data: bytes = b"") -> bytes:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf() -> bytes:
    pairs = text("general.name") + struct.pack("<I", 8) + text("calm")
    pairs += text("tokens") + struct.pack("<IIQ", 9, 8, 12) + b"".join(text(f"t{number}") for number in range(12))
    pairs += text("scores") + struct.pack("<IIQ", 9, 6, 300_000) + b"\0" * 1_200_000
    tensors = text("w") + struct.pack("<IQQIQ", 2, 256, 2, 12, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3) + pairs + tensors
    return head + b"\0" * (-len(head) % 32) + b"\0" * 288


NPY = (
    b"\x93NUMPY\1\0" + struct.pack("<H", 62) + b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".ljust(62)
)


@given(
    st.lists(
        st.tuples(st.sampled_from(["F32", "BF16", "I64", "BOOL"]), st.lists(st.integers(0, 5), max_size=4)), max_size=8
    )
)
def test_tensors_of_a_proper_file(tensors: list[tuple[str, list[int]]]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for number, (dtype, shape) in enumerate(tensors):
        size = math.prod(shape) * BITS[dtype] // 8
        header[f"t{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    found = read_safetensors_header(in_memory(safetensors(header, b"\0" * place)))
    assert found.problems == ()
    assert sorted((tensor.name, tensor.dtype, list(tensor.shape)) for tensor in found.tensors) == sorted(
        (f"t{number}", dtype, shape) for number, (dtype, shape) in enumerate(tensors)
    )
    assert sum(size for _, _, size in found.by_dtype().values()) == place


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"abc", "begins with 8 bytes"),
        (struct.pack("<Q", 200_000_000) + b"{" * 30, "allows 100 MB"),
        (struct.pack("<Q", MAX_HEADER + 1) + b"{" * 30, "reads headers up to"),
        (struct.pack("<Q", 100) + b"{}", "ends at byte 10"),
        (safetensors(b"{]"), "not JSON at byte 9"),
        (safetensors(b"[]"), "not a JSON object"),
        (safetensors(b"[" * 5000), "deep|not JSON"),
        (safetensors(b'{"a": 1, "a": 2}'), "twice"),
        (safetensors({"a": 1}), "not an object"),
        (safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}), "no proper shape"),
        (safetensors({"a": entry(4, 0, [1])}), "ends before it begins"),
        (safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e300]}}), "data_offsets"),
        (safetensors({"__metadata__": {"a": 1}}), "names with texts"),
        (safetensors(b'{"a": NaN}'), "NaN"),
        (safetensors(b"\xff\xff"), "not UTF-8 at byte 8"),
    ],
)
def test_what_is_no_header_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile, match=words):
        read_safetensors_header(in_memory(content))


def test_a_name_that_stands_twice_has_its_own_error() -> None:
    with pytest.raises(DuplicateName):
        read_safetensors_header(in_memory(safetensors(b'{"x": {}, "x": {}}')))


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        ({"a": entry(0, 8, [1])}, 8, "4 bytes are needed"),
        ({"a": entry(0, 4, [1]), "b": entry(2, 6, [1])}, 6, "overlap"),
        ({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, 12, "a hole"),
        ({"a": entry(0, 400, [100])}, 10, "cut off"),
        ({"a": entry(0, 4, [1])}, 10, "more bytes follow"),
        ({"a": entry(0, 4, [1], "F99")}, 4, "not known"),
    ],
)
def test_what_a_strict_reader_refuses_is_told(header: Any, data: int, words: str) -> None:
    found = read_safetensors_header(in_memory(safetensors(header, b"\0" * data)))
    assert words in " ".join(found.problems)


def test_only_the_header_is_read() -> None:
    content = safetensors({"a": entry(0, 4 * 10**11, [10**11])})
    ranges = BoundedReader(len(content) + 4 * 10**11, lambda start, end: content[start:end], budget=len(content))
    assert read_safetensors_header(ranges).parameters == 10**11


def test_gguf() -> None:
    content = gguf()
    found = read_gguf_header(in_memory(content))
    assert found.metadata[0] == ("general.name", "calm")
    assert found.metadata[1] == ("tokens", "[t0, t1, t2, t3, t4, t5, t6, t7, …] (12)")
    assert found.metadata[2][1].endswith("(300,000)")
    assert [(one.name, one.dtype, one.shape, one.bytes) for one in found.tensors] == [("w", "Q4_K", (2, 256), 288)]
    assert found.problems == ()
    assert "ends at byte" in read_gguf_header(in_memory(content[:-10])).problems[0]


def test_numpy() -> None:
    found = read_npy_header(in_memory(NPY))
    assert (found.dtype, found.shape, found.values, found.has_objects) == ("<f4", (3, 4), 12, False)
    assert read_npy_header(in_memory(NPY.replace(b"'<f4'", b"'|O' "))).has_objects
    with pytest.raises(UnreadableFile):
        read_npy_header(in_memory(NPY.replace(b"(3, 4)", b"[3, 4]")))


@given(st.sampled_from([gguf()[:400], NPY, safetensors({"a": entry(0, 4, [1])}, b"\0" * 4)]), st.data())
def test_damaged_headers_are_refused_or_read(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        if place < len(damaged):
            damaged[place] = data.draw(st.integers(0, 255))
    for read in (read_safetensors_header, read_gguf_header, read_npy_header):
        try:
            read(in_memory(bytes(damaged)))
        except UnreadableFile as error:
            assert str(error)


def test_indexes_of_shards() -> None:
    found = read_shard_index(b'{"metadata": {"total_size": 9}, "weight_map": {"a": "1.st", "b": "2.st", "c": "1.st"}}')
    assert found
    assert (found.shards, found.tensors, found.total_size) == ((("1.st", 2), ("2.st", 1)), 3, 9)
    assert read_shard_index(b'{"weight_map": [1]}') is None
    with pytest.raises(UnreadableFile):
        read_shard_index(b"[" * 100_000)


@needs_samples
def test_real_files_have_the_tensors_that_others_counted() -> None:
    for one in entries("safetensors"):
        header = read_safetensors_header(in_memory((ROOT / one["file"]).read_bytes()))
        assert len(header.tensors) == one["expected_tensors"], one["file"]
        assert header.problems == ()
