"""SavedModels and frozen graphs: real ones, written ones, damaged ones; and folders of checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from openshelf.analysis.files.ranges import UnreadableFile
from tests.unit.checkpoints.makers import tensorflow as checkpoints
from tests.unit.checkpoints.makers import tensorflow_graphs as maker
from tests.unit.checkpoints.samples import ROOT, needs_samples

SAMPLES = ROOT / "tf_savedmodel"


def opened(files: dict[str, bytes]) -> Checkpoint:
    return open_files(HeldFiles(files), is_folder=False, first=next(iter(files)))


@needs_samples
@pytest.mark.parametrize(
    ("folder", "version", "names"),
    [
        ("saved_model_half_plus_two_cpu", "1.14.0", ["a", "a2", "b", "c", "c2"]),
        ("saved_model_half_plus_two_tf2_cpu", "1.14.0", ["_CHECKPOINTABLE_OBJECT_GRAPH", "a/", "b/", "c/"]),
    ],
)
@pytest.mark.parametrize("by_file", [False, True])
def test_real_saved_models(folder: str, version: str, names: list[str], by_file: bool) -> None:
    with open_checkpoint(SAMPLES / folder / ("saved_model.pb" if by_file else "")) as found:
        assert found.format == "tensorflow-savedmodel"
        assert found.files[:2] == ("saved_model.pb", "variables/variables.index")
        assert found.others == ()
        variables = [tensor for tensor in found if tensor.role is not Role.CONSTANT]
        assert [tensor.name.removesuffix(".ATTRIBUTES/VARIABLE_VALUE") for tensor in variables] == names
        assert found.facts.versions["tensorflow"] >= version
        assert found.metadata["tags"] == [["serve"]]
        assert found.metadata["signatures"]["serving_default"]["inputs"]["x"]["shape"] in ([-1, 1], [1])
        assert {"SaveV2", "RestoreV2"} <= set(found.metadata["file_ops"])
        assert all(found.array(tensor).shape == tensor.shape for tensor in found)


def test_constants_however_they_are_written() -> None:
    with opened(maker.saved_model()) as found:
        assert [tensor.name for tensor in found][:3] == ["v", "raw", "listed"]
        raw = found["raw"]
        assert (raw.role, raw.offset is not None, raw.is_plain) == (Role.CONSTANT, True, True)
        assert found.array("raw").tolist() == found.array("listed").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found.array("same").tolist() == [[1, 1], [1, 1]]
        assert found.array("zeros").tolist() == [0, 0, 0, 0]
        assert found.array("negative").tolist() == [-1, 5, 5]
        assert found.array("half").tolist() == [1.0, -2.0]
        assert found.array("narrow").astype(int).tolist() == [-1, 7]
        assert found.array("words").tolist() == [b"one", b""]
        assert (found["inner/raw"].dtype, int(found.array("inner/raw"))) == ("int64", 7)
        assert found.array("v").tolist() == [0, 1, 2]
        assert found.metadata["file_ops"] == ["ReadFile"]
        assert found.metadata["signatures"]["serving_default"] == {
            "inputs": {"x": {"dtype": "float32", "shape": [-1, 3]}}, "outputs": {},
            "method": "tensorflow/serving/predict",
        }  # fmt: skip
        assert found.metadata["assets"] == ["vocab.txt"]
        assert found.facts.parameters == 3


def test_graphs_of_one_model_are_told_apart_by_their_tags() -> None:
    with opened(maker.MAKERS["two-graphs"]()) as found:
        assert [tensor.name for tensor in found if tensor.name.endswith("raw")] == [
            "train:raw", "train:inner/raw", "serve:raw", "serve:inner/raw",
        ]  # fmt: skip
        assert found.array("serve:same").tolist() == [[1, 1], [1, 1]]
        assert found.problems == (
            "saved_model.pb: its graph has variables, and there is no variables/variables.index beside it",
        )


def test_a_frozen_graph_has_its_weights_as_constants() -> None:
    with opened(maker.MAKERS["frozen"]()) as found:
        assert found.format == "tensorflow-graph"
        assert {tensor.name for tensor in found if tensor.role is Role.WEIGHT} == {"raw", "listed", "same", "half"}


def test_a_constant_with_the_name_of_a_variable_gets_another() -> None:
    files = maker.saved_model()
    same = maker.node("v", "Const", maker.tensor(1, (2,), checkpoints.nested(5, b"\0\0\x80\x3f")))
    with opened({**files, "saved_model.pb": maker.saved(same)}) as found:
        assert [tensor.name for tensor in found] == ["v", "graph/v"]
        assert found.array("graph/v").tolist() == [1, 1]


@pytest.mark.parametrize(
    ("constant", "reason"),
    [
        (maker.tensor(1, (2,), checkpoints.nested(4, bytes(7))), "needs 8 bytes for its shape, 7 are given"),
        (maker.tensor(1, (-1,)), "the shape of the constant 'c' is not known"),
        (b"\x08", "a number is cut off"),
    ],
)
def test_what_makes_no_sense_is_refused(constant: bytes, reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
        opened({"saved_model.pb": maker.saved(maker.node("c", "Const", constant))})
    assert caught.value.file == "saved_model.pb"
    assert caught.value.offset is not None


def test_a_name_that_stands_twice_is_refused() -> None:
    twice = maker.node("c", "Const", maker.tensor(3, ())) * 2
    with pytest.raises(UnreadableCheckpoint, match="'c' stands twice"):
        opened({"saved_model.pb": maker.saved(twice)})


def test_a_constant_that_would_fill_the_memory_is_listed_and_not_made() -> None:
    huge = maker.node("c", "Const", maker.tensor(1, (1 << 40,), checkpoints.nested(5, bytes(4))))
    with opened({"saved_model.pb": maker.saved(huge)}) as found:
        assert found["c"].elements == 1 << 40
        with pytest.raises(UnreadableFile, match="would take more than"):
            found.array("c")
    more = maker.node("c", "Const", maker.tensor(1, (1,), checkpoints.nested(5, bytes(8))))
    with opened({"saved_model.pb": maker.saved(more)}) as found, pytest.raises(UnreadableFile, match="more than its"):
        found.array("c")


def test_a_folder_opens_at_the_checkpoint_that_its_states_name() -> None:
    files = {"run/checkpoint": b'model_checkpoint_path: "m-20"\nall_model_checkpoint_paths: "m-10"\n'}
    for step, value in ((10, 1.0), (20, 2.0)):
        entries = {b"": checkpoints.header(), b"w": checkpoints.entry("float32", (), 0, 4)}
        files[f"run/m-{step}.index"] = checkpoints.table(entries)
        files[f"run/m-{step}.data-00000-of-00001"] = np.float32(value).tobytes()
    with open_files(HeldFiles(files), is_folder=True) as found:
        assert float(found.array("w")) == 2.0
        assert found.files == ("run/m-20.index", "run/m-20.data-00000-of-00001")
        assert found.others == ("run/m-10.index",)
