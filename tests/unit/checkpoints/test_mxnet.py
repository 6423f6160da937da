"""Array lists of Apache MXNet: every version of its records, sparse ones, the graph beside them, damage."""

from __future__ import annotations

import json
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from tests.unit.checkpoints.makers.mxnet import (
    MAKERS,
    NUMBERS,
    SYMBOL,
    V1,
    V2,
    V3,
    W,
    csr,
    dense,
    rows,
    saved,
    sparse,
)
from tests.unit.checkpoints.samples import ROOT, needs_samples

SAMPLES = ROOT / "mxnet"


def opened(content: bytes, **beside: bytes) -> Checkpoint:
    return open_files(HeldFiles({"model.params": content, **beside}), is_folder=False, first="model.params")


@pytest.mark.parametrize("version", [0, V1, V2, V3])
def test_every_version_and_type(version: int) -> None:
    made = {name: np.array([0, 1, 1, 0]).astype(getattr(ml_dtypes, name, name)) for name in NUMBERS}
    content = saved([dense(one.reshape(2, 2), version) for one in made.values()], [f"arg:{name}" for name in made])
    found = opened(content)
    assert [(one.name, one.dtype, one.shape) for one in found] == [(f"arg:{name}", name, (2, 2)) for name in made]
    for one in found:
        assert found.array(one).tobytes() == made[one.dtype].tobytes()
        assert one.offset is not None
        assert content[one.offset : one.offset + one.nbytes] == made[one.dtype].tobytes()


def test_a_list_without_names_is_numbered_and_scalars_are_of_version_3() -> None:
    found = opened(saved([dense(W, V3), dense(W[0, 0], V3)]))
    assert [(one.name, one.shape) for one in found] == [("0", (2, 3)), ("1", ())]
    assert found.array("1").tolist() == 0
    nothing = struct.pack("<Iii", V2, 0, 0), struct.pack("<Iii", V3, 0, -1), struct.pack("<Ii", V1, 0)
    found = opened(saved([*nothing, dense(W)]))
    assert [one.name for one in found] == ["3"]
    assert found.problems == tuple(f"the array '{number}' holds nothing" for number in range(3))


def test_sparse_arrays_are_written_out() -> None:
    found = opened(saved([rows(0, 3), csr([0, 2, 2, 3], [0, 3, 1])], ["rows", "csr"]))
    assert [(one.name, one.dtype, one.shape, one.encoding, one.nbytes) for one in found] == [
        ("rows", "float32", (4, 3), "row_sparse", 24), ("csr", "float64", (3, 4), "csr", 24)
    ]  # fmt: skip
    assert found.array("rows").tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0], [4, 5, 6]]
    assert found.array("csr").tolist() == [[1, 0, 0, 2], [0, 0, 0, 0], [0, 3, 0, 0]]


@pytest.mark.parametrize(
    "record",
    [
        rows(0, 4), rows(-1, 2), sparse(1, (4, 3), W, W[0, :2]), csr([0, 2, 1, 3], [0, 3, 1]),
        csr([0, 2, 2, 3], [0, 4, 1]), csr([0, 3], [0, 3, 1]),
    ],
)  # fmt: skip
def test_indices_that_do_not_fit(record: bytes) -> None:
    with pytest.raises(UnreadableValues, match="do not fit its shape"):
        opened(saved([record], ["w"])).array("w")


@given(arrays.arrays(st.sampled_from(["<f4", "<i8", "|u1", "|b1"]), arrays.array_shapes(max_side=4)))
def test_what_is_written_is_read_back(values: Any) -> None:
    found = opened(saved([dense(values)], ["w"]))
    assert found.array("w").tobytes() == values.tobytes()
    assert found["w"].shape == values.shape


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (struct.pack("<QQQ", 0x112, 0, 2**40), "too many"),
        (saved([dense(W)], ["a", "b"]), "1 arrays and 2 names"),
        (saved([dense(W), dense(W)], ["a", "a"]), "stands twice"),
        (saved([dense(W).replace(struct.pack("<3i", 1, 0, 0), struct.pack("<3i", 1, 0, 99), 1)]), "type 99"),
        (saved([struct.pack("<Ii", V2, 7)]), "the way 7"),
        (saved([struct.pack("<Ii", V2, 0) + struct.pack("<i", 99)]), "99 dimensions"),
        (saved([struct.pack("<Iiiqq", V2, 0, 2, 2**40, 2**40)]), "no tensor can have the shape"),
        (saved([struct.pack("<I", 0xDEADBEEF)]), "no version of MXNet writes"),
        (saved([dense(W)])[:-12], "the file ends|bytes should follow"),
    ],
)
def test_damage_is_told_with_its_place(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        opened(content)
    assert caught.value.file == "model.params"
    assert caught.value.offset is not None


def test_the_graph_beside_the_arrays() -> None:
    files = MAKERS["mxnet V2"]()
    found = open_files(HeldFiles(files), is_folder=False, first="model-0000.params")
    assert found.facts.versions == {"mxnet": "1.9.1"}
    assert found.facts.architecture == "graph of 1 operations: 1 FullyConnected"
    assert found.metadata["inputs"] == ["data"]
    broken = open_files(HeldFiles({**files, "model-symbol.json": b"{"}), is_folder=False, first="model-0000.params")
    assert "cannot be read" in broken.problems[0]
    assert len(broken) == 1


def test_a_graph_alone_says_where_the_tensors_are() -> None:
    found = open_files(HeldFiles(MAKERS["mxnet symbol"]()), is_folder=False)
    assert (found.format, len(found)) == ("mxnet-symbol", 0)
    assert ".params file" in found.problems[0]
    for wrong in (json.dumps(SYMBOL)[:-5], '{"nodes": [{"op"', '{"nodes": [{"op": 1}], "arg_nodes": [9, "x"]}'):
        try:
            open_files(HeldFiles({"model-symbol.json": wrong.encode()}), is_folder=False)
        except UnreadableCheckpoint as error:
            assert "JSON" in str(error)


@needs_samples
def test_real_files() -> None:
    with open_checkpoint(SAMPLES / "apache_legacy_ndarray.v0") as found:
        assert [one.name for one in found] == [str(number) for number in range(6)]
        assert all(one.shape == (128,) and np.array_equal(found.array(one), np.arange(128)) for one in found)
    with open_checkpoint(SAMPLES / "aws_dummy_hosting/model-0000.params") as found:
        assert {one.name: one.shape for one in found} == {
            "arg:fullyconnected0_weight": (128, 784), "arg:fullyconnected0_bias": (128,),
            "arg:fullyconnected1_weight": (64, 128), "arg:fullyconnected1_bias": (64,),
            "arg:fullyconnected2_weight": (10, 64), "arg:fullyconnected2_bias": (10,),
        }  # fmt: skip
        assert found.facts.versions == {"mxnet": "1.8.0"}
        assert found.metadata["inputs"] == ["data", "softmax_label"]
