"""What is written as safetensors is what the safetensors library and the reader here read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from openshelf import open_checkpoint
from openshelf.analysis.checkpoints.dtypes import numpy_dtype
from openshelf.analysis.checkpoints.writers.safetensors import SafetensorsWriter, is_writable, plan_shards
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "float8_e5m2",
)
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__" and name.isprintable())


def values(tensor: PlannedTensor, seed: int) -> bytes:
    content = np.random.default_rng(seed).integers(0, 2 if tensor.dtype == "bool" else 256, tensor.nbytes, np.uint8)
    return content.tobytes()


def write(folder: Path, tensors: list[PlannedTensor], most: int = 1 << 40) -> tuple[str, ...]:
    with SafetensorsWriter(folder, tensors, {"format": "pt"}, most) as writer:
        for number, tensor in enumerate(tensors):
            content = values(tensor, number)
            half = len(content) // 2
            writer.write(tensor.name, half, content[half:])
            writer.write(tensor.name, 0, content[:half])
        return writer.finish()


@given(
    st.lists(st.tuples(NAMES, st.sampled_from(DTYPES), SHAPES), max_size=6, unique_by=lambda found: found[0]),
    st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
def test_it_reads_back(
    tmp_path_factory: pytest.TempPathFactory, planned: list[tuple[str, str, tuple[int, ...]]], most: int
) -> None:
    folder = tmp_path_factory.mktemp("written")
    tensors = [PlannedTensor(*found) for found in planned]
    names = write(folder, tensors, most)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    with open_checkpoint(folder) as found:
        assert {t.name: (t.dtype, t.shape) for t in found} == {t.name: (t.dtype, t.shape) for t in tensors}
        for number, tensor in enumerate(tensors):
            assert bytes(found.raw(found[tensor.name])) == values(tensor, number)
    for name in (name for name in names if name.endswith(".safetensors")):
        with safe_open(folder / name, "numpy") as theirs:
            assert theirs.metadata() == {"format": "pt"}
            assert set(theirs.keys()) <= {tensor.name for tensor in tensors}


def test_values_as_the_library_reads_them(tmp_path: Path) -> None:
    tensors = [
        PlannedTensor("a", "float32", (3, 4)),
        PlannedTensor("b", "int64", (5,)),
        PlannedTensor("c", "float16", ()),
    ]
    write(tmp_path, tensors)
    with safe_open(tmp_path / "model.safetensors", "numpy") as theirs, open_checkpoint(tmp_path) as ours:
        for tensor in tensors:
            expected = theirs.get_tensor(tensor.name)
            assert ours.array(tensor.name).dtype == numpy_dtype(tensor.dtype) == expected.dtype
            assert ours.array(tensor.name).tobytes() == expected.tobytes()
            assert ours.array(tensor.name).shape == expected.shape


def test_shards_and_their_index(tmp_path: Path) -> None:
    tensors = [PlannedTensor(f"layer.{n}", "float32", (10,)) for n in range(5)]
    assert [len(shard.tensors) for shard in plan_shards(tensors, 80)] == [2, 2, 1]
    assert [len(shard.tensors) for shard in plan_shards(tensors, 1)] == [1] * 5, "a tensor too large gets its own file"
    names = write(tmp_path, tensors, 80)
    assert names[0] == "model-00001-of-00003.safetensors"
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 200}
    assert index["weight_map"]["layer.4"] == "model-00003-of-00003.safetensors"


def test_threads_write_in_any_order(tmp_path: Path) -> None:
    tensors = [PlannedTensor(f"t{n}", "float32", (1000,)) for n in range(40)]
    with SafetensorsWriter(tmp_path, tensors) as writer:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: writer.write(f"t{n}", 0, values(tensors[n], n)), reversed(range(40))))
        writer.finish()
    with open_checkpoint(tmp_path) as found:
        assert all(bytes(found.raw(found[f"t{n}"])) == values(tensors[n], n) for n in range(40))


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with SafetensorsWriter(tmp_path, [PlannedTensor("a", "float32", (2,))]) as writer:
        writer.write("a", 0, b"1234")
        with pytest.raises(NotWritable, match="8 bytes, and 4 were written"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ([PlannedTensor("a", "Q4_0", (32,))], "type Q4_0"),
        ([PlannedTensor("a", "complex128", (1,))], "type complex128"),
        ([PlannedTensor("a", "int8", (1,)), PlannedTensor("a", "int8", (2,))], "twice"),
        ([PlannedTensor("__metadata__", "int8", (1,))], "reserved"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, tensors: list[PlannedTensor], why: str) -> None:
    with pytest.raises(NotWritable, match=why):
        SafetensorsWriter(tmp_path, tensors)
    assert not is_writable("Q4_0")
    assert list(tmp_path.iterdir()) == []


def test_bytes_past_the_end_of_a_tensor_are_refused(tmp_path: Path) -> None:
    writer = SafetensorsWriter(tmp_path, [PlannedTensor("a", "int8", (4,))])
    with pytest.raises(NotWritable, match="which has 4 bytes"):
        writer.write("a", 2, b"123")
    writer.abort()
