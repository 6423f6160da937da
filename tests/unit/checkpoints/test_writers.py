"""What is written as npz, GGUF and ONNX is read by NumPy, gguf and onnx themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import onnx
import pytest
from gguf import quants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.writers import npz as npz_module
from openshelf.analysis.checkpoints.writers.gguf import NOT_QUANTISED, QUANTISED, GgufWriter, pair
from openshelf.analysis.checkpoints.writers.npz import NpzWriter
from openshelf.analysis.checkpoints.writers.onnx import OnnxWriter
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor

NUMPY = sorted(name for name in dtypes._BITS if npz_module.is_writable(name))
FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
LLAMA = {"general.architecture": pair("general.architecture", "llama")}


def _npz(path: Path, tensors: dict[str, Any]) -> None:
    planned = [PlannedTensor(name, tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()]
    with NpzWriter(path, planned) as writer:
        for name, tensor in tensors.items():
            content = tensor.tobytes()
            for start in range(0, len(content), 7):
                writer.write(name, start, content[start : start + 7])
        writer.finish()


@FEW
@given(st.data())
def test_numpy_reads_every_npz(tmp_path: Path, data: st.DataObject) -> None:
    tensors = {}
    for name in data.draw(st.lists(st.text("ab./é", min_size=2, max_size=6), unique=True, max_size=4)):
        if name.startswith("/") or ".." in name.split("/"):
            continue
        dtype = np.dtype(data.draw(st.sampled_from(NUMPY)))
        shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
        size = int(np.prod(shape)) * dtype.itemsize
        content = data.draw(st.binary(min_size=size, max_size=size))
        tensors[name] = np.frombuffer(
            bytes(one & 1 for one in content) if dtype.kind == "b" else content, dtype
        ).reshape(shape)
    _npz(tmp_path / "a.npz", tensors)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found.files == list(tensors)
        for name, tensor in tensors.items():
            got = found[name]
            assert (got.dtype, got.shape, got.tobytes()) == (tensor.dtype, tensor.shape, tensor.tobytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.testzip() is None
    if tensors:
        with open_checkpoint(tmp_path / "a.npz") as checkpoint:
            assert all(checkpoint[name].is_plain for name in tensors)


@pytest.mark.slow
def test_a_sparse_npz_of_five_gigabytes_is_read_by_numpy_and_here(tmp_path: Path) -> None:
    big = PlannedTensor("big", "uint8", (4_400_000_000,))
    last = PlannedTensor("last", "int32", (3,))
    with NpzWriter(tmp_path / "a.npz", [big, last]) as writer:
        zeros = bytes(100_000_000)
        for start in range(0, big.nbytes, len(zeros)):
            writer.write("big", start, zeros)
        writer.write("last", 0, np.array([1, 2, 3], np.int32).tobytes())
        writer.finish()
    with np.load(tmp_path / "a.npz") as found:
        assert found["last"].tolist() == [1, 2, 3]
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.getinfo("big.npy").file_size == big.nbytes + 128
    with open_checkpoint(tmp_path / "a.npz") as checkpoint:
        assert checkpoint["big"].nbytes == big.nbytes
        assert checkpoint.array("last").tolist() == [1, 2, 3]
    (tmp_path / "a.npz").unlink()


def test_what_npz_cannot_hold_is_refused(tmp_path: Path) -> None:
    for tensors, said in (
        ([PlannedTensor("a", "bfloat16", (2,))], "NumPy does not have"),
        ([PlannedTensor("../a", "int8", (2,))], "name of a member"),
        ([PlannedTensor("a", "int8", (2,))] * 2, "stands twice"),
    ):
        with pytest.raises(NotWritable, match=said):
            NpzWriter(tmp_path / "a.npz", tensors)
    with NpzWriter(tmp_path / "a.npz", [PlannedTensor("a", "int8", (2,))]) as writer:
        with pytest.raises(NotWritable, match="in order"):
            writer.write("a", 1, b"x")
        writer.write("a", 0, b"x")
        with pytest.raises(NotWritable, match="has 2 bytes, and 1 were written"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_gguf_reads_what_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values: Any = rng.standard_normal((3, 512)).astype(np.float32)
    plain = {
        "f32": values, "f16": values.astype(np.float16), "bf16": values.astype(ml_dtypes.bfloat16),
        "f64": values.astype(np.float64), "i8": np.arange(5, dtype=np.int8), "i16": np.arange(3, dtype=np.int16),
        "i32": np.arange(6, dtype=np.int32).reshape(1, 2, 3), "i64": np.arange(2),
    }  # fmt: skip
    planned = [PlannedTensor(name, tensor.dtype.name, tensor.shape) for name, tensor in plain.items()]
    planned += [PlannedTensor(name, name, values.shape) for name in QUANTISED]
    made = {name: quants.quantize(values, gguf.GGMLQuantizationType[name]) for name in QUANTISED}
    pairs: dict[str, str | bool | int | float] = {
        "text": "héllo", "yes": True, "small": 7, "negative": -7, "large": 1 << 63, "real": 0.1,
    }  # fmt: skip
    with GgufWriter(tmp_path / "a.gguf", planned, LLAMA | {k: pair(k, v) for k, v in pairs.items()}) as writer:
        for name, tensor in (plain | made).items():
            writer.write(name, 0, tensor.tobytes())
        writer.finish()
    found = gguf.GGUFReader(tmp_path / "a.gguf")
    tensors = {one.name: one for one in found.tensors}
    assert list(tensors) == [tensor.name for tensor in planned]
    for name, tensor in plain.items():
        assert tensors[name].data.tobytes() == tensor.tobytes()
        assert tuple(reversed(tensors[name].shape.tolist())) == tensor.shape
    for name, tensor in made.items():
        assert tensors[name].tensor_type.name == name
        assert tensors[name].data.tobytes() == tensor.tobytes()
    assert {name: found.fields[name].contents() for name in pairs} == pairs
    with open_checkpoint(tmp_path / "a.gguf") as checkpoint:
        assert np.allclose(checkpoint.array("Q8_0"), values, atol=0.02)


@pytest.mark.parametrize("name", [*QUANTISED, *NOT_QUANTISED])
def test_the_types_that_can_be_made_are_those_that_gguf_makes(name: str) -> None:
    kind = gguf.GGMLQuantizationType.__members__.get(name)
    try:
        assert kind is not None
        quants.quantize(np.ones((1, 512), np.float32), kind)
        can = True
    except (NotImplementedError, AssertionError):
        can = False
    assert can == (name in QUANTISED)


def test_what_gguf_cannot_hold_is_refused(tmp_path: Path) -> None:
    for tensor, said in (
        (PlannedTensor("a", "uint8", (2,)), "does not have"),
        (PlannedTensor("a" * 64, "int8", (2,)), "map it with --names"),
        (PlannedTensor("a", "int8", (1, 1, 1, 1, 2)), "5 dimensions"),
        (PlannedTensor("a", "Q8_0", (2, 33)), "multiples of 32"),
    ):
        with pytest.raises(NotWritable, match=said):
            GgufWriter(tmp_path / "a.gguf", [tensor], LLAMA)
    with pytest.raises(NotWritable, match=r"needs general\.architecture"):
        GgufWriter(tmp_path / "a.gguf", [], {})
    assert list(tmp_path.iterdir()) == []


def model(folder: Path, external: bool = False) -> tuple[Path, dict[str, Any]]:
    """An ONNX model of two products, with a constant and an initialiser whose values are no raw bytes."""
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal((4, 4)).astype(np.float32) for name in ("w1", "w2")}
    typed = helper.make_tensor("typed", TensorProto.INT64, [2], [1, -3])
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("MatMul", ["h", "w2"], ["y"]),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.arange(3), "c")),
    ]
    shape = ("x", TensorProto.FLOAT, [1, 4])
    held = [*(numpy_helper.from_array(tensor, name) for name, tensor in weights.items()), typed]
    inputs = [helper.make_tensor_value_info(*shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
    made = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, held))
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = (
        {"save_as_external_data": True, "location": "w.data", "size_threshold": 0} if external else {}
    )
    onnx.save(made, folder / "m.onnx", **options)
    return folder / "m.onnx", weights


@pytest.mark.parametrize("external", [False, True])
def test_onnx_gets_new_values_and_keeps_every_other_byte(tmp_path: Path, external: bool) -> None:
    path, weights = model(tmp_path / "old", external)
    new = {"w1": weights["w1"] + 1, "w2": -weights["w2"]}
    planned = [PlannedTensor(name, "float32", (4, 4)) for name in new]
    (tmp_path / "new").mkdir()
    with open_checkpoint(path) as template, OnnxWriter(tmp_path / "new", "n.onnx", template, planned) as writer:
        for name, tensor in new.items():
            writer.write(name, 0, tensor.tobytes())
        assert writer.finish() == (("n.onnx", "w.data") if external else ("n.onnx",))
    onnx.checker.check_model(tmp_path / "new/n.onnx", full_check=True)
    found = onnx.load(tmp_path / "new/n.onnx")
    got = {one.name: numpy_helper.to_array(one) for one in found.graph.initializer}
    assert all(np.array_equal(got[name], new[name]) for name in new)
    assert got["typed"].tolist() == [1, -3]
    for initializer in found.graph.initializer:
        if initializer.name in weights:
            initializer.raw_data = weights[initializer.name].tobytes()
    assert found == onnx.load(path)


def test_onnx_refuses_what_has_no_place(tmp_path: Path) -> None:
    path, _ = model(tmp_path / "old")
    with open_checkpoint(path) as template:
        for tensor, said in (
            (PlannedTensor("w3", "float32", (4, 4)), "has no tensor 'w3'"),
            (PlannedTensor("w1", "float16", (4, 4)), "its graph expects that"),
            (PlannedTensor("w1", "float32", (2, 8)), "its graph expects that"),
            (PlannedTensor("typed", "int64", (2,)), "no values can be put in place"),
        ):
            with pytest.raises(NotWritable, match=said):
                OnnxWriter(tmp_path, "n.onnx", template, [tensor])
    assert [one.name for one in tmp_path.iterdir()] == ["old"]
