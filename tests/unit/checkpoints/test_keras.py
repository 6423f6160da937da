"""Keras models in HDF5 and in archives: real ones, written ones, and those that lead elsewhere."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile, HeldFiles
from openshelf.analysis.checkpoints.hdf5.keras_config import read_config
from openshelf.analysis.checkpoints.hdf5.reading import read_hdf5
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from openshelf.analysis.files.ranges import UnreadableFile
from tests.unit.checkpoints.makers import keras as maker
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples


def opened(files: dict[str, bytes]) -> Checkpoint:
    return open_files(HeldFiles(files), is_folder=False, first=next(iter(files)))


@needs_samples
@pytest.mark.parametrize("sample", entries("keras_h5"), ids=lambda sample: str(sample["file"]))
def test_real_files_list_what_h5py_lists(sample: dict[str, Any]) -> None:
    with open_checkpoint(ROOT / sample["file"]) as found:
        assert found.format == "keras-h5"
        assert len(found) == sample["h5_datasets_total"]
        weights = [tensor for tensor in found if tensor.role is Role.WEIGHT]
        listed = [[tensor.name, tensor.dtype, list(tensor.shape), tensor.offset] for tensor in weights]
        assert listed == sample.get("tensors", [])
        assert all(found.array(tensor).shape == tensor.shape for tensor in found)


def test_a_model_saved_whole() -> None:
    with opened(maker.MAKERS["model"]()) as found:
        assert {tensor.name: tensor.role.value for tensor in found} == {
            "model_weights/out/out/bias:0": "weight", "model_weights/out/out/kernel:0": "weight",
            "model_weights/seed_generator_1/seed_generator_state": "state",
            "optimizer_weights/adam/momentum": "optimizer",
        }  # fmt: skip
        assert found.facts.architecture == "Sequential"
        assert found.facts.versions == {"keras": "3.15.1"}
        assert found.metadata == {
            "backend": "tensorflow", "lambda_layers": ["twice"], "bytecode_functions": 1, "name": "net", "layers": 2,
        }  # fmt: skip
        assert found.array("model_weights/out/out/kernel:0").tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("label", ["archive", "archive-packed"])
def test_an_archive_of_keras_3(label: str) -> None:
    made = maker.MAKERS[label]()
    with opened(made) as found:
        assert found.format == "keras-v3"
        assert [(tensor.name, tensor.role.value) for tensor in found] == [
            ("layers/dense/vars/0", "weight"), ("layers/dense/vars/1", "weight"), ("optimizer/vars/0", "optimizer"),
        ]  # fmt: skip
        first = found["layers/dense/vars/0"]
        assert first.is_plain == (label == "archive")
        if first.offset is not None:
            stored = made["model.keras"][first.offset : first.offset + first.nbytes]
            assert stored == np.arange(6, dtype="<f4").tobytes()
        assert found.array(first).tolist() == [[0, 1], [2, 3], [4, 5]]
        assert found.array("layers/dense/vars/1").tolist() == list(range(200))
        assert found.metadata["lambda_layers"] == ["twice"]
        assert found.metadata["assets"] == ["assets/layers/words/vocabulary.txt"]
        assert found.facts.versions == {"keras": "3.15.1"}


def test_an_archive_whose_extension_lies_and_one_that_is_cut() -> None:
    with opened({"model.keras": maker.hdf5(maker.weights)}) as found:
        assert found.format == "keras-h5"
    with pytest.raises(UnreadableCheckpoint, match=r"model\.keras"):
        opened({"model.keras": maker.archive()[:-30]})
    with opened({"model.keras": maker.archive(config="[")}) as found:
        assert found.problems == ("model.keras: its configuration is not JSON (JSONDecodeError)",)


def test_every_way_in_which_values_may_lie() -> None:
    made = maker.hdf5(maker.odd)
    expected = {
        "chunked": ("float64", "hdf5-chunked", np.arange(3000.0).reshape(50, 60).tolist()),
        "big": ("float32", "big-endian", [0, 1, 2, 3, 4]),
        "same": ("float32", "big-endian", [0, 1, 2, 3, 4]),
        "bool": ("bool", "raw", [True, False]),
        "complex": ("complex128", "raw", [1 + 2j]),
        "unwritten": ("int32", "hdf5-unwritten", [[7] * 3] * 4),
        "empty": ("float32", "hdf5-unwritten", []),
        "null": ("float32", "hdf5-unwritten", []),
        "scalar": ("float16", "raw", 1.5),
        "compact": ("int16", "hdf5-compact", [1, 2, 3]),
        "bfloat16": ("bfloat16", "raw", [1, 2, 3.5]),
        "other_bias": ("float64", "hdf5-converted", [-5, 2, 2047]),
    }
    with opened({"odd.h5": made}) as found:
        for name, (dtype, encoding, values) in expected.items():
            tensor = found[name]
            assert (tensor.dtype, tensor.encoding) == (dtype, encoding)
            assert found.array(tensor).tolist() == values
            assert (tensor.offset is None) == encoding.startswith("hdf5")
        others = [tensor for tensor in found if tensor.role is Role.STATE]
        assert {tensor.name for tensor in others} == {"others/reference", "others/texts", "others/records"}
        assert {tensor.dtype for tensor in others} == {"object"}
        assert len(found) == len(expected) + 3
        assert found.problems == ("odd.h5: 'others/soft' is a link by name; it is not followed",)
        assert found.facts.tied == (("big", "same"),)


def test_bytes_before_the_file() -> None:
    made = maker.hdf5(maker.weights, userblock_size=1024)
    with opened({"x.h5": made}) as found:
        assert found.array("layers/dense/vars/0").tolist() == [[0, 1], [2, 3], [4, 5]]


def external_link(file: Any) -> None:
    file["a"] = h5py.ExternalLink("/etc/passwd", "x")


def external_values(file: Any) -> None:
    file.create_dataset("a", (10,), "u1", external="/etc/passwd")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("a", layout)


def many(file: Any) -> None:
    place = file
    for _ in range(70):
        place = place.create_group("g")


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (external_link, "'a' is a link to the file '/etc/passwd'"),
        (external_values, "the values of 'a' lie in another file"),
        (virtual, "'a' is a virtual dataset"),
        (many, "deeper than 64 groups"),
    ],
)
def test_what_leads_to_other_files_is_refused(write: Any, reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
        opened({"x.h5": maker.hdf5(write)})
    assert caught.value.file == "x.h5"
    with pytest.raises(UnreadableCheckpoint, match=reason):
        opened({"x.keras": maker.archive(write=write)})


def test_a_dataset_that_would_fill_the_memory_is_listed_and_not_made() -> None:
    def write(file: Any) -> None:
        file.create_dataset("huge", (1 << 40,), "f4", chunks=(1 << 20,))

    with opened({"x.h5": maker.hdf5(write)}) as found:
        assert found["huge"].elements == 1 << 40
        with pytest.raises(UnreadableFile, match="at most 536,870,912 are decoded"):
            found.array("huge")


def test_a_listing_reads_little_of_a_large_file() -> None:
    """What is asked over HTTP: the blocks in which the file describes itself."""

    class Counting(HeldFile):
        asked = 0

        def read(self, start: int, end: int, /) -> bytes:
            Counting.asked += end - start
            return super().read(start, end)

    def write(file: Any) -> None:
        for number in range(20):
            file[f"layers/{number}/vars/0"] = np.zeros(250_000, "f4")

    content = maker.hdf5(write)
    assert len(read_hdf5(Counting("x", content)).datasets) == 20
    assert Counting.asked < len(content) / 8


def test_a_configuration_may_be_anything() -> None:
    assert read_config("[" * 100_000).problem == "its configuration is not JSON (RecursionError)"
    assert read_config("[]").problem == "its configuration is not a JSON object"
    assert read_config('{"class_name": {}, "config": [{"class_name": "Lambda"}]}').metadata["lambda_layers"] == [
        "Lambda"
    ]


def in_shards(**groups: list[str]) -> dict[str, bytes]:
    """As ``save_weights("model.weights.json", max_shard_size=...)`` of Keras 3.15 writes them."""
    names = ["model_00000.weights.h5", "model_00001.weights.h5"]
    said = {"/layers/a/vars": names[:1], "/layers/b/vars": names, **{f"/layers/{k}/vars": v for k, v in groups.items()}}

    def first(file: Any) -> None:
        file["layers/a/vars/0"], file["layers/b/vars/0"] = np.arange(6.0).reshape(2, 3), np.arange(3.0)

    def second(file: Any) -> None:
        file["layers/b/vars/1"] = np.arange(4.0)

    index = json.dumps({"metadata": {"total_size": 104.0}, "weight_map": said}).encode()
    return {"model.weights.json": index, names[0]: maker.hdf5(first), names[1]: maker.hdf5(second)}


def test_weights_in_shards_are_one_checkpoint() -> None:
    found = open_files(HeldFiles(in_shards()), is_folder=True)
    assert (found.format, found.files[0], len(found.files), found.others) == ("keras-h5", "model.weights.json", 3, ())
    assert [(one.name, one.file[:11]) for one in found] == [
        ("layers/a/vars/0", "model_00000"), ("layers/b/vars/0", "model_00000"), ("layers/b/vars/1", "model_00001"),
    ]  # fmt: skip
    assert found.array("layers/b/vars/1").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (in_shards(c=["model_00001.weights.h5"]), "'layers/c/vars' is in model_00001.weights.h5; nothing of it"),
        (in_shards(a=["model_00002.weights.h5"]), "no such file"),
        (in_shards(a=["../model.h5"]), "no such file"),
    ],
)
def test_indexes_of_shards_that_are_wrong(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason):
        open_files(HeldFiles(files), is_folder=True)
