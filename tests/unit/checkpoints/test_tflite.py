"""TensorFlow Lite: real models, written ones, and FlatBuffers that lead nowhere."""

from __future__ import annotations

import struct

import pytest

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.containers.flatbuffer import MAX_TEXTS, FlatBuffer
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile, HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from tests.unit.checkpoints.makers import tflite as maker
from tests.unit.checkpoints.samples import ROOT, needs_samples

SAMPLES = ROOT / "tflite"


def opened(content: bytes) -> Checkpoint:
    return open_files(HeldFiles({"m.tflite": content}), is_folder=False, first="m.tflite")


@needs_samples
def test_real_models() -> None:
    with open_checkpoint(SAMPLES / "serving_saved_model_half_plus_two_tflite.tflite") as found:
        assert {tensor.name: float(found.array(tensor)) for tensor in found} == {"a": 0.5, "b": 2.0}
    layers = {"dense": (16, 1), "dense_1": (16, 16), "dense_2": (1, 16)}
    for name, dtypes in (("float", {"float32"}), ("int8", {"int8", "int32"})):
        with open_checkpoint(SAMPLES / f"tflm_hello_world_{name}.tflite") as found:
            shapes = {tensor.name: tensor.shape for tensor in found}
            assert {layer: shapes[f"sequential/{layer}/MatMul"] for layer in layers} == layers
            assert len(found) == 6
            assert set(found.facts.dtypes) == dtypes
            assert found.facts.parameters == 321
            assert found.metadata["signatures"] == {
                "serving_default": {"inputs": ["dense_input"], "outputs": ["dense_2"]}
            }
            assert len(found.metadata["quantization"]) == (6 if name == "int8" else 0)


def test_tensors_with_values_are_listed() -> None:
    with opened(maker.plain()["model.tflite"]) as found:
        assert found.format == "tflite"
        assert [(tensor.name, tensor.dtype, tensor.role.value) for tensor in found] == [
            ("kernel", "float32", "weight"), ("narrow", "int4", "weight"), ("axes", "int32", "constant"),
            ("words", "string", "constant"), ("body/kernel", "float32", "weight"),
            ("body/tensor1", "float32", "weight"), ("body/tensor2", "float32", "weight"),
        ]  # fmt: skip
        assert found.array("kernel").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found.array("narrow").astype(int).tolist() == [1, -1, 7]
        assert found.array("words").tolist() == [b"a", b"", b"bcd"]
        assert found.metadata["quantization"] == {
            "narrow": {"scales": [0.5, 0.25], "zero_points": [0, 0], "count": 2, "dimension": 0}
        }
        assert found.metadata["signatures"] == {"serve": {"inputs": ["x"], "outputs": ["y"]}}
        assert (found.metadata["custom_ops"], found.metadata["description"]) == (["MyOp"], "made by hand")
        assert found.facts.versions == {"tflite-runtime": "2.6.0"}


def test_values_behind_the_flatbuffer() -> None:
    made = maker.outside()["model.tflite"]
    with opened(made) as found:
        (tensor,) = found
        assert (tensor.name, tensor.offset) == ("kernel", len(made) - 24)
        assert found.array(tensor).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(UnreadableCheckpoint, match="buffer 1 should end at byte"):
        opened(made[:-1])


def with_tensors(*tensors: dict[int, object]) -> bytes:
    return maker.flatbuffer(maker.model(tensors, [{}, {0: bytes(24)}, {0: b"2.6.0"}]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            with_tensors(maker.tensor("a", maker.FLOAT32, (7,), 1)),
            "needs 28 bytes for its shape, its buffer has 24",
        ),
        (with_tensors(maker.tensor("a", maker.FLOAT32, (-1,), 1)), "'a' has no proper shape"),
        (with_tensors(maker.tensor("a", maker.FLOAT32, (1,), 9)), "buffer 9 is named, and there are 3"),
        (struct.pack("<I", 1 << 31) + b"TFL3", "it refers to byte 2,147,483,648"),
        (struct.pack("<I", 8) + b"TFL3" + struct.pack("<iHHHHH", -4, 10, 4, 0, 0, 1 << 15), "it refers to byte"),
    ],
)
def test_what_makes_no_sense_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
        opened(content)
    assert caught.value.file == "m.tflite"


def test_names_that_stand_twice_are_told_apart_and_long_buffers_noted() -> None:
    same = maker.tensor("a", maker.FLOAT32, (6,), 1)
    with opened(with_tensors(same, same, maker.tensor("b", maker.FLOAT32, (5,), 1))) as found:
        assert [tensor.name for tensor in found] == ["a", "a#1", "b"]
        assert found.facts.tied == (("a", "a#1"),)
        assert found.problems == ("m.tflite: the buffer of 'b' has 4 bytes too many",)


def test_a_text_that_many_tables_share_is_read_within_bounds() -> None:
    content = struct.pack("<I", 60_000) + bytes(60_000)
    shared = FlatBuffer(HeldFile("m.tflite", content), "m.tflite")
    for _ in range(MAX_TEXTS // 60_000):
        assert len(shared.text(0)) == 60_000
    with pytest.raises(UnreadableCheckpoint, match="is more than is read"):
        shared.text(0)
