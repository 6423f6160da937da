"""Files that PyTorch itself writes, and files that it reads: names, types, shapes, strides and values agree."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.frameworks import run_framework
from tests.unit.checkpoints.makers import pytorch
from tests.unit.checkpoints.test_torch_samples import strides

KINDS = (
    "state_dict", "all_types", "views", "nested", "whole", "training", "quantised", "sparse", "marked", "large",
    "alone", "arrays", "state_dict_legacy", "old_types_legacy", "views_legacy", "nested_legacy", "whole_legacy",
    "training_legacy", "quantised_legacy", "alone_legacy", "scripted", "traced",
)  # fmt: skip
# Listed besides what a state dict has.
EXTRA = {"scripted": {"plain": Role.STATE}, "traced": {"CONSTANTS.c0": Role.CONSTANT}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any]]:
    folder = tmp_path_factory.mktemp("torch")
    run_framework("torch", "write", folder)
    return folder, json.loads((folder / "expected.json").read_text())


def check(found: Checkpoint, expected: Mapping[str, Any], values: Any, name: str) -> None:
    extra = EXTRA.get(name, {})
    assert {one.name: one.role for one in found if one.name in extra} == extra
    listed = {one.name: [one.dtype, list(one.shape)] for one in found if one.name not in extra}
    assert listed == {key: one[:2] for key, one in expected.items()}
    for tensor in found:
        if tensor.name in extra:
            continue
        where = expected[tensor.name][2]
        if tensor.strides is not None:
            assert strides(tensor) == where
        assert found.array(tensor).tobytes() == values[tensor.name].tobytes(), tensor


@pytest.mark.clients
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", KINDS)
def test_what_torch_writes(written: tuple[Path, Mapping[str, Any]], name: str) -> None:
    folder, expected = written
    with open_checkpoint(folder / f"{name}.pt") as found, np.load(folder / f"{name}.npz") as values:
        check(found, expected[name], values, name)
        assert found.problems == ()


@pytest.mark.clients
@pytest.mark.timeout(600)
def test_what_is_said_besides_tensors(written: tuple[Path, Mapping[str, Any]]) -> None:
    folder, _ = written
    with open_checkpoint(folder / "whole.pt") as found:
        assert found.facts.tied == (("embed.weight", "head.weight"),)
        assert found.facts.architecture == "Net"
        assert {one.name for one in found if one.role is Role.STATE} == {"passing", "plain"}
    with open_checkpoint(folder / "training.pt") as found:
        assert found.facts.versions == {"lightning": "2.5.0"}
        assert found.facts.parameters == 8
        roles = {one.name.split(".")[0]: one.role for one in found}
        assert roles == {"state_dict": Role.WEIGHT, "optimizer_states": Role.OPTIMIZER, "rng_state": Role.STATE}
    with open_checkpoint(folder / "nested.pt") as found:
        assert found.facts.architecture == "tiny"
        assert found.metadata["values"] == {"epoch": 3, "arch": "tiny"}
    with open_checkpoint(folder / "quantised.pt") as found:
        assert found.metadata["quantised"]["signed"] == {"scheme": "per_tensor_affine", "scale": 0.05, "zero_point": 3}
        assert found.metadata["quantised"]["each"]["axis"] == 0
    with open_checkpoint(folder / "marked.pt") as found:
        assert found.facts.tied == ()


@pytest.mark.clients
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["views", "large", "whole"])
def test_packed_by_another_program(written: tuple[Path, Mapping[str, Any]], name: str, tmp_path: Path) -> None:
    folder, expected = written
    with zipfile.ZipFile(folder / f"{name}.pt") as old, zipfile.ZipFile(tmp_path / "packed.pt", "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member), zipfile.ZIP_DEFLATED)
    with open_checkpoint(tmp_path / "packed.pt") as found, np.load(folder / f"{name}.npz") as values:
        check(found, expected[name], values, name)
        assert all(one.offset is None and one.encoding == "deflate" for one in found)


@pytest.mark.clients
@pytest.mark.timeout(600)
def test_what_torch_reads_of_our_makers(tmp_path: Path) -> None:
    files = {
        "zip.pt": pytorch.zipped(),
        "big.pt": pytorch.zipped(order=">"),
        "old.pt": pytorch.legacy(),
        "oldest.pt": pytorch.tar(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    run_framework("torch", "load", tmp_path, *files)
    told = json.loads((tmp_path / "loaded.json").read_text())
    for name in files:
        with open_checkpoint(tmp_path / name) as found, np.load(tmp_path / f"{Path(name).stem}.npz") as values:
            check(found, told[name], values, name)


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    for name, content in (("a.pt", pytorch.zipped()), ("b.pt", pytorch.legacy()), ("c.pt", pytorch.tar())):
        end = content.rfind(b"FloatStorage") if name == "c.pt" else len(content) - 20
        (tmp_path / name).write_bytes(content[:end])
        with pytest.raises(UnreadableCheckpoint, match=name):
            open_checkpoint(tmp_path / name)
