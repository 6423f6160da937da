"""Conversions keep every value or say what they lose; frameworks' own readers see the same tensors."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import onnx
import pytest
from gguf import quants
from hypothesis import HealthCheck, given, settings
from onnx import numpy_helper
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.weights.conversion.convert import Converted, convert
from openshelf.analysis.weights.conversion.losses import ConversionRefused, Loss
from openshelf.analysis.weights.conversion.values import keeps_values
from tests.unit.checkpoints.makers import every
from tests.unit.checkpoints.test_writers import model as onnx_model
from tests.unit.weights.small_models import models, safetensors, written

LLAMA: dict[str, Any] = {"general.architecture": "llama"}
FEW = settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MAKERS = every()


def convert_path(source: Path, to: str, out: Path, like: Path | None = None, **options: Any) -> Converted:
    with open_checkpoint(source) as checkpoint:
        if like is None:
            return convert(checkpoint, to, out, **options)
        with open_checkpoint(like) as template:
            return convert(checkpoint, to, out, like=template, **options)


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    rng = np.random.default_rng(0)
    tensors: dict[str, Any] = {
        "w": rng.standard_normal((6, 64)).astype(np.float32),
        "odd": rng.standard_normal((6, 33)).astype(np.float32),
        "bias": rng.standard_normal(64).astype(np.float32),
        "half": rng.standard_normal((2, 3)).astype(ml_dtypes.bfloat16),
        "count": np.array(3),
    }
    save_file(tensors, tmp_path / "s.safetensors", {"format": "pt"})
    return tmp_path / "s.safetensors", tensors


def test_to_safetensors_and_shards(tmp_path: Path, source: tuple[Path, dict[str, Any]]) -> None:
    path, tensors = source
    one = convert_path(path, "safetensors", tmp_path / "one.safetensors")
    assert [file.name for file in one.files] == ["one.safetensors"]
    assert {name: t.tobytes() for name, t in load_file(one.files[0]).items()} == {
        n: t.tobytes() for n, t in tensors.items()
    }
    many = convert_path(path, "safetensors", tmp_path / "many", max_shard_bytes=1000)
    assert len(many.files) == 5  # four shards and their index
    with open_checkpoint(tmp_path / "many") as found:
        assert {tensor.name: found.array(tensor).tobytes() for tensor in found} == {
            n: t.tobytes() for n, t in tensors.items()
        }
    with safe_open(many.files[0], "numpy") as shard:
        assert shard.metadata() == {"format": "pt"}


def test_to_npz_asks_for_a_type_that_numpy_has(tmp_path: Path, source: tuple[Path, dict[str, Any]]) -> None:
    path, tensors = source
    with pytest.raises(ConversionRefused, match=r"'half' is bfloat16, which npz does not have; --dtype float32 keeps"):
        convert_path(path, "npz", tmp_path / "a.npz")
    convert_path(path, "npz", tmp_path / "a.npz", dtype="float32")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        for name, tensor in tensors.items():
            wanted = tensor.astype(np.float32) if tensor.dtype.kind != "i" else tensor
            assert np.array_equal(found[name], wanted)
            assert found[name].dtype == wanted.dtype


def test_to_gguf_and_quantised(tmp_path: Path, source: tuple[Path, dict[str, Any]]) -> None:
    path, tensors = source
    with pytest.raises(ConversionRefused, match=r"--metadata general\.architecture=NAME"):
        convert_path(path, "gguf", tmp_path / "a.gguf")
    with pytest.raises(ConversionRefused, match=r"values are rounded .w: float32 to Q8_0.*--allow-lossy dtype"):
        convert_path(path, "gguf", tmp_path / "a.gguf", dtype="Q8_0", metadata=LLAMA)
    done = convert_path(
        path, "gguf", tmp_path / "a.gguf", dtype="Q8_0", metadata=LLAMA, allowed=[Loss.DTYPE], names={"w": "blk.0.w"}
    )
    assert set(done.kept) == {"odd", "bias", "half"}
    reader = gguf.GGUFReader(tmp_path / "a.gguf")
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert found["blk.0.w"].data.tobytes() == quants.quantize(tensors["w"], gguf.GGMLQuantizationType.Q8_0).tobytes()
    assert found["half"].tensor_type.name == "BF16"
    assert found["odd"].data.tobytes() == tensors["odd"].tobytes()
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["general.file_type"].contents() == 7
    back = convert_path(tmp_path / "a.gguf", "npz", tmp_path / "b.npz", dtype="float32", allowed=[Loss.METADATA])
    assert back.lost.keys() == {Loss.METADATA}
    with np.load(tmp_path / "b.npz") as values:
        kind = gguf.GGMLQuantizationType.Q8_0
        assert np.array_equal(values["blk.0.w"], quants.dequantize(quants.quantize(tensors["w"], kind), kind))


@pytest.mark.parametrize("dtype", ["Q4_K", "Q6_K", "IQ4_XS"])
def test_types_that_cannot_be_made_are_named(tmp_path: Path, source: tuple[Path, dict[str, Any]], dtype: str) -> None:
    with pytest.raises(ConversionRefused, match=f"{dtype} cannot be made here.*llama-quantize"):
        convert_path(source[0], "gguf", tmp_path / "a.gguf", dtype=dtype, metadata=LLAMA)


def test_gguf_keeps_its_metadata_and_blocks_as_they_are(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_array("tokenizer.ggml.tokens", [f"token{number}" for number in range(500)])
    writer.add_float32("llama.rope.freq_base", 10000.0)
    blocks = quants.quantize(
        np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32), gguf.GGMLQuantizationType.Q4_0
    )
    writer.add_tensor("w", blocks, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    convert_path(tmp_path / "a.gguf", "gguf", tmp_path / "b.gguf")
    before, after = (gguf.GGUFReader(tmp_path / name) for name in ("a.gguf", "b.gguf"))
    for name in ("tokenizer.ggml.tokens", "llama.rope.freq_base", "general.architecture"):
        assert after.fields[name].contents() == before.fields[name].contents()
        assert after.fields[name].types == before.fields[name].types
    assert after.tensors[0].data.tobytes() == blocks.tobytes()
    with pytest.raises(ConversionRefused, match="'w' is Q4_0, which safetensors does not have; --dtype float32 keeps"):
        convert_path(tmp_path / "a.gguf", "safetensors", tmp_path / "c")


def test_to_onnx_and_from_it(tmp_path: Path) -> None:
    path, weights = onnx_model(tmp_path / "m")
    with pytest.raises(ConversionRefused, match="what the model computes is left out"):
        convert_path(path, "safetensors", tmp_path / "s.safetensors")
    convert_path(path, "safetensors", tmp_path / "s.safetensors", allowed=[Loss.GRAPH])
    got = load_file(tmp_path / "s.safetensors")
    assert all(np.array_equal(got[name], weights[name]) for name in weights)
    save_file({"w1": weights["w1"] * 2}, tmp_path / "t.safetensors")
    with pytest.raises(ConversionRefused, match="give one that has it with --like"):
        convert_path(tmp_path / "t.safetensors", "onnx", tmp_path / "n.onnx")
    with pytest.raises(ConversionRefused, match=r"stay those of the template .*w2"):
        convert_path(tmp_path / "t.safetensors", "onnx", tmp_path / "n.onnx", like=path)
    convert_path(tmp_path / "t.safetensors", "onnx", tmp_path / "n.onnx", like=path, allowed=[Loss.TEMPLATE])
    found = {one.name: numpy_helper.to_array(one) for one in onnx.load(tmp_path / "n.onnx").graph.initializer}
    assert np.array_equal(found["w1"], weights["w1"] * 2)
    assert np.array_equal(found["w2"], weights["w2"])


@FEW
@given(models)
def test_any_bits_come_back_from_safetensors(tmp_path: Path, tensors: dict[str, Any]) -> None:
    written(tmp_path, {"a.safetensors": safetensors(tensors)})
    for path in tmp_path.glob("b*"):
        path.unlink()
    if not tensors:
        with pytest.raises(ConversionRefused, match="no tensors"):
            convert_path(tmp_path / "a.safetensors", "safetensors", tmp_path / "b.safetensors")
        return
    convert_path(tmp_path / "a.safetensors", "safetensors", tmp_path / "b.safetensors")
    with open_checkpoint(tmp_path / "a.safetensors") as one, open_checkpoint(tmp_path / "b.safetensors") as other:
        for tensor in one:
            assert (other[tensor.name].dtype, other[tensor.name].shape) == (tensor.dtype, tensor.shape)
            assert other.raw(other[tensor.name]) == one.raw(tensor)


@pytest.mark.parametrize("label", MAKERS)
def test_every_format_becomes_safetensors_or_is_refused(tmp_path: Path, label: str) -> None:
    """With all losses allowed; the values are those that the checkpoint gives."""
    made = MAKERS[label]()
    written(tmp_path / "from", made)
    where = tmp_path / "from" / next(iter(made))
    try:
        done = convert_path(where, "safetensors", tmp_path / "to.safetensors", allowed=list(Loss))
    except (ConversionRefused, UnreadableValues):
        done = None
    if done is None:
        assert {path.name for path in tmp_path.iterdir()} == {"from"}
        return
    with open_checkpoint(where) as one, open_checkpoint(done.files[0]) as other:
        for tensor in other:
            wanted = np.ascontiguousarray(one.array(tensor.name))
            assert other.array(tensor).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("before", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "float16", "bfloat16"])
@pytest.mark.parametrize("after", ["float16", "bfloat16", "float32", "float64"])
def test_what_is_said_to_keep_values_does(before: str, after: str) -> None:
    kind, held = (np.dtype(getattr(ml_dtypes, name, name)) for name in (before, after))
    bits = 4 if before == "float4_e2m1fn" else kind.itemsize * 8
    every_one: Any = np.arange(1 << bits, dtype=f"u{kind.itemsize}").view(kind)
    with np.errstate(all="ignore"):
        wanted = every_one.astype(np.float64)
        kept = np.array_equal(every_one.astype(held).astype(np.float64), wanted, equal_nan=True)
    assert kept == keeps_values(before, after)


def test_a_value_that_does_not_fit_stops_it(tmp_path: Path) -> None:
    save_file({"a": np.array([1, 1e6], np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(UnreadableValues, match=r"float16 cannot hold, as 1e\+06"):
        convert_path(tmp_path / "a.safetensors", "npz", tmp_path / "b.npz", dtype="float16", allowed=[Loss.DTYPE])
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": np.zeros(10)}, tmp_path / "a.safetensors")

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for to, out in (("safetensors", "folder"), ("npz", "b.npz")):
        with pytest.raises(OSError, match="no room for 80 bytes; nothing was written"):
            convert_path(tmp_path / "a.safetensors", to, tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_nothing_there_is_written_over(tmp_path: Path) -> None:
    save_file({"a": np.zeros(10)}, tmp_path / "a.safetensors")
    for to in ("safetensors", "npz"):
        with pytest.raises(ConversionRefused, match="there already"):
            convert_path(tmp_path / "a.safetensors", to, tmp_path / "a.safetensors")


def test_what_cannot_be_read_back_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": np.zeros(10)}, tmp_path / "a.safetensors")
    true = os.pwrite

    def flipping(descriptor: int, content: Any, place: int) -> int:
        return true(descriptor, bytes([1]) * len(content) if len(content) == 80 else content, place)

    monkeypatch.setattr(os, "pwrite", flipping)
    with pytest.raises(ConversionRefused, match="the values of 'a' are not those written"):
        convert_path(tmp_path / "a.safetensors", "npz", tmp_path / "b.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_float64_is_rounded_once(tmp_path: Path) -> None:
    save_file({"w": np.array([1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8])}, tmp_path / "wide.safetensors")
    convert(str(tmp_path / "wide.safetensors"), "safetensors", tmp_path / "out", dtype="bfloat16", allowed=[Loss.DTYPE])
    with open_checkpoint(tmp_path / "out") as found:
        assert found.array("w").tolist() == [1.0078125, 1.0]


@pytest.mark.parametrize(("to", "dtype"), [("safetensors", "bfloat16"), ("gguf", "Q8_0"), ("npz", "float64")])
def test_memory_does_not_grow_with_the_tensor(tmp_path: Path, to: str, dtype: str) -> None:
    save_file({"a": np.ones((64, 1 << 18), np.float32)}, tmp_path / "a.safetensors")
    options: dict[str, Any] = {"metadata": LLAMA} if to == "gguf" else {}
    convert_path(tmp_path / "a.safetensors", to, tmp_path / f"warm.{to}", dtype=dtype, allowed=[Loss.DTYPE], **options)
    tracemalloc.start()
    convert_path(tmp_path / "a.safetensors", to, tmp_path / f"b.{to}", dtype=dtype, allowed=[Loss.DTYPE], **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for path in tmp_path.iterdir():
        path.unlink()
    assert peak < 48 * 1024 * 1024


def test_losses_are_named_one_by_one(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "a.safetensors", {"author": "Ada", "format": "pt"})
    with pytest.raises(ConversionRefused, match=r"metadata that has no place there is left out \(author\)") as caught:
        convert_path(tmp_path / "a.safetensors", "npz", tmp_path / "a.npz", dtype="float16")
    assert "--allow-lossy dtype --allow-lossy metadata" in str(caught.value)
    done = convert_path(tmp_path / "a.safetensors", "safetensors", tmp_path / "b.safetensors")
    assert done.lost == {}
    with safe_open(tmp_path / "b.safetensors", "numpy") as found:
        assert found.metadata() == {"author": "Ada", "format": "pt"}
