"""ONNX models against the onnx library: where values stand, under which names, and what cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.onnx.types import DTYPES
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from openshelf.analysis.checkpoints.readers.onnx import matches, read
from tests.unit.checkpoints.makers.onnx import (
    FLOATS,
    INTS,
    MAKERS,
    every_type,
    external,
    graph,
    model,
    of_types,
    sparse_initializer,
    whole,
)
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples


def opened(content: bytes, **beside: bytes) -> Checkpoint:
    return open_files(HeldFiles({"model.onnx": content, **beside}), is_folder=False)


def of(*initializers: Any, **more: Any) -> Checkpoint:
    return opened(model(graph("main", [], list(initializers), **more)).SerializeToString())


def test_types_have_the_numbers_that_onnx_gives_them() -> None:
    for name, number in TensorProto.DataType.items():
        if name not in ("UNDEFINED", "STRING"):
            assert DTYPES[number] == str(np.dtype(helper.tensor_dtype_to_np_dtype(number)))


@pytest.mark.parametrize("raw", [True, False])
def test_values_of_every_type_are_those_that_onnx_reads(raw: bool) -> None:
    found = opened(of_types(raw=raw))
    for name, proto in every_type(raw=raw).items():
        expected, tensor = numpy_helper.to_array(proto), found[name]
        values = found.array(name)
        assert tensor.dtype == str(expected.dtype)
        assert values.dtype == expected.dtype, name
        assert values.tobytes() == expected.tobytes(), name
        assert (tensor.encoding == "raw") == (tensor.offset is not None)
        if tensor.offset is not None:
            assert of_types(raw=raw)[tensor.offset : tensor.offset + tensor.nbytes] in proto.SerializeToString()


def test_names_roles_and_values_of_a_whole_model() -> None:
    found = opened(whole())
    by_role = {role: [one.name for one in found if one.role is role] for role in Role}
    branches = [f"{name}/{branch}" for name in ("choice", "z") for branch in ("then_branch", "else_branch")]
    inner = [
        f"{name}/else_branch/deep/{branch}" for name in ("choice", "z") for branch in ("then_branch", "else_branch")
    ]
    assert sorted(by_role[Role.WEIGHT]) == sorted(
        ["w", "typed", "half", "words", "thin", *(f"{name}/w" for name in [*branches, *inner])]
    )
    assert {"of_value", "choice/then_branch/of_value", "Fun/of_value"} <= set(by_role[Role.CONSTANT])
    assert np.array_equal(found.array("choice/else_branch/deep/else_branch/w"), FLOATS)
    expected: dict[str, Any] = {
        "w": FLOATS, "typed": INTS, "half": [0.5, -2], "thin": [[0, 5, 0], [0, 0, 7]], "of_value": INTS,
        "of_sparse_value": [[0, 5, 0], [0, 0, 7]], "of_value_float": 0.5, "of_value_floats": [1.5, 2.5],
        "of_value_int": -3, "of_value_ints": [4, -5, 6], "of_value_string": "one", "of_value_strings": ["one", "two"],
        "words": ["one", "zwölf"],
    }  # fmt: skip
    for name, values in expected.items():
        assert found.array(name).shape == found[name].shape
        assert found.array(name).tolist() == np.array(values).tolist(), name
    assert [found[name].dtype for name in ("of_value_ints", "of_value_floats", "of_value_string")] == [
        "int64", "float32", "string"
    ]  # fmt: skip


def test_what_a_model_says_of_itself() -> None:
    found = opened(whole())
    assert found.facts.versions == {"openshelf tests": "1"}
    assert found.metadata["opset_imports"] == {"ai.onnx": 21, "made.here": 1}
    assert found.metadata["graph"]["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", 3]}]
    assert found.metadata["functions"] == ["Fun"]
    assert found.metadata["metadata_props"] == {"task": "tests"}
    assert found.metadata["op_counts"]["If"] == 4
    assert str(found.facts.architecture).startswith("graph of ")


@needs_samples
@pytest.mark.parametrize("name", ["silero_vad_16k_op15", "onnx_light_resnet50", "onnx_test_operator_conv"])
def test_real_models_have_the_initialisers_that_onnx_counts(name: str) -> None:
    entry = next(one for one in entries("onnx") if one["file"] == f"onnx/{name}.onnx")
    with open_checkpoint(ROOT / entry["file"]) as found:
        weights = [one for one in found if one.role is Role.WEIGHT]
        assert len([one for one in found if one.role is Role.CONSTANT]) == entry["constant_nodes"]
        kinds = {number: kind for kind, number in TensorProto.DataType.items()}
        names = {dtype: kinds[number] for number, dtype in DTYPES.items()}
        assert [[one.name, names[one.dtype], list(one.shape)] for one in weights] == entry["tensors"]
        for proto in onnx.load(ROOT / entry["file"]).graph.initializer:
            assert np.array_equal(found.array(proto.name), numpy_helper.to_array(proto))


def test_values_in_another_file() -> None:
    files = MAKERS["onnx with external data"]()
    found = open_files(HeldFiles(files), is_folder=False)
    assert (found["w"].file, found["w"].offset, found["w"].nbytes) == ("weights.bin", 4, 24)
    assert np.array_equal(found.array("w"), FLOATS)
    assert open_files(HeldFiles(files), is_folder=True).files == ("model.onnx", "weights.bin")
    inside = {"onnx/model.onnx": external("./weights.bin", None, None), "onnx/weights.bin": FLOATS.tobytes()}
    assert np.array_equal(open_files(HeldFiles(inside), is_folder=False).array("w"), FLOATS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (external("missing.bin"), "cannot be opened: there is no such file"),
        (external("../weights.bin"), "leads outside"),
        (external("a/../../weights.bin"), "leads outside"),
        (external("/etc/passwd"), "leads outside"),
        (external("c:\\weights.bin"), "leads outside"),
        (external(""), "leads outside"),
        (external(offset=8), "up to byte 32, but that file ends at byte 28"),
        (external(length=20), "their type and shape need 24"),
        (external(offset=-4), "no number"),
        (external(length=10**30), "no number"),
    ],
)
def test_values_outside_the_set_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        open_files(HeldFiles({"model.onnx": content, "weights.bin": bytes(28)}), is_folder=False)
    assert caught.value.file == "model.onnx"
    assert caught.value.offset is not None


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(28))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "model.onnx").write_bytes(external())
    for where in (folder, folder / "model.onnx"):
        with pytest.raises(UnreadableCheckpoint, match="cannot be opened"):
            open_checkpoint(where)


def test_links_within_the_cache_of_a_hub_are_followed(tmp_path: Path) -> None:
    """The layout of the cache of huggingface_hub: snapshots of links to blobs."""
    snapshot, blobs = tmp_path / "snapshots" / "revision", tmp_path / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    for name, content in MAKERS["onnx with external data"]().items():
        (blobs / name[:3]).write_bytes(content)
        (snapshot / name).symlink_to(Path("../../blobs") / name[:3])
    for where in (snapshot, snapshot / "model.onnx"):
        with open_checkpoint(where) as found:
            assert np.array_equal(found.array("w"), FLOATS)


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (TensorProto(name="w", data_type=1, dims=[3], raw_data=bytes(8)), "has 8 bytes, its type and shape need 12"),
        (TensorProto(name="w", data_type=1, dims=[3], float_data=[1, 2]), "has 8 bytes"),
        (TensorProto(name="w", data_type=1, dims=[3]), "3 elements and no values"),
        (TensorProto(name="w", data_type=99, dims=[3], raw_data=bytes(12)), "the type 99"),
        (TensorProto(name="w", data_type=1, dims=[-1], raw_data=bytes(12)), "no tensor can have the shape"),
        (TensorProto(name="w", data_type=1, dims=[2**40, 2**40], raw_data=bytes(12)), "no tensor can have the shape"),
        (TensorProto(name="w", data_type=1, dims=[1] * 70, raw_data=bytes(4)), "more than 64 dimensions"),
        (TensorProto(name="w", data_type=8, dims=[3], raw_data=bytes(12)), "texts, which cannot stand as bytes"),
    ],
)
def test_tensors_that_cannot_be(proto: Any, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        of(proto)
    assert caught.value.offset is not None


def test_a_wrong_count_of_numbers_is_found_when_they_are_read() -> None:
    found = of(TensorProto(name="w", data_type=7, dims=[3], int64_data=[1, 2]))
    with pytest.raises(UnreadableValues, match="2 values, its shape 3"):
        found.array("w")


def test_an_initialiser_twice_and_indices_that_do_not_fit() -> None:
    one = numpy_helper.from_array(FLOATS, "w")
    with pytest.raises(UnreadableCheckpoint, match="stands twice"):
        of(one, one)
    for indices in (np.array([1, 6], np.int64), np.array([-1, 2], np.int64), np.array([[0, 9], [0, 0]], np.int64)):
        found = of(sparse_initializer=[sparse_initializer(indices)])
        with pytest.raises(UnreadableValues, match="indices"):
            found.array("thin")


def test_every_cut_is_refused() -> None:
    content = whole()
    for end in range(60, len(content), 7):
        with pytest.raises(UnreadableCheckpoint):
            opened(content[:end]).array("w")


@dataclass
class Hollow:
    """A file with a hole of zeros between its head and its tail; it counts what is read."""

    head: bytes
    hole: int
    tail: bytes
    spent: int = 0

    @property
    def size(self) -> int:
        return len(self.head) + self.hole + len(self.tail)

    def read(self, start: int, end: int, /) -> bytes:
        self.spent += end - start
        begin = len(self.head) + self.hole
        middle = bytes(max(0, min(end, begin) - max(start, len(self.head))))
        return self.head[start:end] + middle + self.tail[max(0, start - begin) : max(0, end - begin)]

    def view(self, start: int, end: int, /) -> memoryview:
        return memoryview(self.read(start, end))


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def test_values_of_a_gigabyte_are_not_read() -> None:
    """The model is written by hand: fields 1 (version), 7 (graph: 5 initialiser: 1, 2, 8, 9), then 8 (operator set)."""
    hole = 2**30
    inner = b"\x08" + varint(hole) + b"\x10\x02\x42\x01w\x4a" + varint(hole)
    tensor = b"\x2a" + varint(len(inner) + hole) + inner
    file = Hollow(b"\x08\x09\x3a" + varint(len(tensor) + hole) + tensor, hole, b"\x42\x02\x10\x15")
    assert matches(file)
    files = HeldFiles({"model.onnx": b""})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeldFiles, "open", lambda *_: file)
        found = read(files, "model.onnx")
    assert [(one.name, one.nbytes, one.offset) for one in found.tensors] == [("w", hole, len(file.head))]
    assert found.metadata["opset_imports"] == {"ai.onnx": 21}
    assert file.spent < 2**20


@given(st.data())
@settings(max_examples=40)
def test_what_the_library_writes_is_read_back(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), unique=True, max_size=5))
    made: dict[str, tuple[Any, Any]] = {}
    for name in names:
        kind = data.draw(st.sampled_from(["float32", "float16", "int8", "uint64", "bool", "float64", "complex64"]))
        shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
        values = np.random.default_rng(len(made)).integers(0, 2**15, shape).astype(kind)
        if data.draw(st.booleans()):
            made[name] = (numpy_helper.from_array(values, name), values)
        else:
            number = helper.np_dtype_to_tensor_dtype(values.dtype)
            made[name] = (helper.make_tensor(name, number, shape, values.reshape(-1).tolist()), values)
    found = of(*(proto for proto, _ in made.values()))
    assert [one.name for one in found] == names
    for name, (proto, values) in made.items():
        assert found[name].dtype == str(values.dtype)
        assert np.array_equal(found.array(name), numpy_helper.to_array(proto))
