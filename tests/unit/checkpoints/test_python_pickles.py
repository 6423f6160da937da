"""Pickles of scikit-learn, joblib and skops: their arrays are found and nothing in them is run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.frameworks import run_framework
from tests.unit.checkpoints.makers import pytorch, sklearn
from tests.unit.checkpoints.pickles import Call, Name, pickled

PACKED = ("zlib", "gzip", "bz2", "xz", "lzma", "lz4")
FILES = (
    *(f"pipe{protocol}.pkl" for protocol in range(6)), *(f"odd{protocol}.pkl" for protocol in range(6)),
    *(f"{name}.joblib" for name in ("pipe", "odd", "forest", *PACKED)), "pipe.skops", "odd.skops",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("sklearn")
    run_framework("sklearn", folder)
    expected: dict[str, dict[str, Any]] = {}
    with np.load(folder / "expected.npz") as values:
        for key in values.files:
            file, _, name = key.partition(":")
            expected.setdefault(file, {})[name] = values[key]
    return folder, expected


@pytest.mark.clients
@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", FILES)
def test_what_scikit_learn_and_joblib_write(written: tuple[Path, Mapping[str, dict[str, Any]]], file: str) -> None:
    folder, expected = written
    with open_checkpoint(folder / file) as found:
        assert found.format == ("skops" if file.endswith(".skops") else "python-pickle")
        for name, values in expected[file].items():
            tensor = found[name]
            assert tensor.dtype == values.dtype.newbyteorder("=").name
            assert tensor.shape == values.shape
            assert np.array_equal(found.array(tensor), values), name
            if tensor.encoding in (RAW, BIG_ENDIAN):
                assert tensor.offset is not None
        if file.startswith("pipe"):
            assert found.facts.versions["scikit-learn"] == "1.9.1"
            assert found.facts.architecture == "Pipeline"
            classes = {one["class"].rpartition(".")[2] for one in found.metadata["estimators"]}
            assert classes == {"Pipeline", "StandardScaler", "LogisticRegression"}


@pytest.mark.parametrize("label", sklearn.MAKERS)
def test_our_own_files(label: str, tmp_path: Path) -> None:
    name, content = next(iter(sklearn.MAKERS[label]().items()))
    (tmp_path / name).write_bytes(content)
    with open_checkpoint(tmp_path / name) as found:
        arrays = {"mean" if one.name.startswith("mean") else "turned": found.array(one) for one in found}
        assert np.array_equal(arrays["mean"], sklearn.MEAN)
        assert "turned" not in arrays or np.array_equal(arrays["turned"], sklearn.TURNED)
        assert found.problems == ()


class Wicked:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)


def test_nothing_wicked_is_run_and_all_is_told(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    call = Call(Name("os", "system"), (f"touch {canary}",))
    files = {
        "a.pt": pytorch.zipped({"weight": pytorch.tensor("0", pytorch.WEIGHT), "extra": call}),
        "b.pkl": pickle.dumps({"weight": np.ones(3), "extra": Wicked(canary)}),
        "c.joblib": sklearn.PACKERS["zlib"](pickled({"weight": sklearn.array(), "extra": call})),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with open_checkpoint(tmp_path / name) as found:
            assert [one.name for one in found] == ["weight"]
            assert {"os.system", "posix.system"} & set(found.metadata["globals"])
            found.array("weight")
    assert not canary.exists()


def test_the_ending_of_a_name_says_nothing(tmp_path: Path) -> None:
    for name, content, kind in (
        ("model.safetensors", pytorch.zipped(), "pytorch-zip"),
        ("model.bin", pytorch.legacy(), "pytorch-legacy"),
        ("model.pt", sklearn.joblib(), "python-pickle"),
        ("model.pkl", pytorch.script(), "torchscript"),
        ("model.json", pytorch.tar(), "pytorch-tar"),
        ("model.tar", sklearn.skops(), "skops"),
    ):
        (tmp_path / name).write_bytes(content)
        with open_checkpoint(tmp_path / name) as found:
            assert found.format == kind


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (sklearn.joblib()[:-20], "cut off"),
        (sklearn.plain(4)[:100], "ends at byte 100|cut off"),
        (sklearn.PACKERS["zlib"](sklearn.joblib())[:-30], "cut off"),
        (sklearn.PACKERS["xz"](sklearn.joblib() * 2)[:-30], "cut off"),
    ],
)
def test_what_is_cut_off_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(content)
    with pytest.raises(UnreadableCheckpoint, match=words):
        open_checkpoint(tmp_path / "model.joblib")


def test_a_packed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openshelf.analysis.checkpoints.pickles.packed.MAX_UNPACKED", 1 << 20)
    for name, pack in sklearn.PACKERS.items():
        (tmp_path / name).write_bytes(pack(pickled(["a" * 3_000_000])))
        with pytest.raises(UnreadableCheckpoint, match=r"unpacks to more than"):
            open_checkpoint(tmp_path / name)
