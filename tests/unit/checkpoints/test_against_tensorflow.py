"""What TensorFlow, Keras and TensorFlow Lite wrote, against what they read from it themselves, to the last bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import Array, Checkpoint, Role
from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.frameworks import run_framework

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.xdist_group("tensorflow")]
CHECKPOINTS = {
    "dtypes": ("dtypes.index", 60), "merged": ("merged.index", 1200), "partitioned": ("partitioned.index", 3),
    "train": ("train", 10), "v1": ("v1/model.index", 6), "simple-variables": ("simple/variables/variables.index", 6),
    "module-variables": ("module/variables", 4),
}  # fmt: skip
GRAPHS = {"frozen": "frozen.pb", "simple-constants": "simple", "module-constants": "module/saved_model.pb"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the script writes; some 20 s, most of them the start of TensorFlow."""
    folder = tmp_path_factory.mktemp("tensorflow")
    run_framework("tensorflow", folder)
    return folder


def digest(values: Array) -> str:
    if values.dtype != object:
        return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    texts = [bytes(text) for text in values.reshape(-1).tolist()]
    return hashlib.sha256(b"".join(len(text).to_bytes(8, "little") for text in texts) + b"".join(texts)).hexdigest()


def facts(found: Checkpoint, *roles: Role) -> dict[str, list[Any]]:
    chosen = [tensor for tensor in found if not roles or tensor.role in roles]
    return {tensor.name: [tensor.dtype, list(tensor.shape), digest(found.array(tensor))] for tensor in chosen}


def expected(folder: Path, name: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = json.loads((folder / f"{name}.expected.json").read_text())
    return found


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(written: Path, name: str) -> None:
    path, count = CHECKPOINTS[name]
    wanted = expected(written, name)
    with open_checkpoint(written / path) as found:
        assert found.format == "tensorflow-checkpoint"
        assert facts(found) == wanted
        assert [tensor.name for tensor in found] == list(wanted)
        assert len(found) == count


def test_what_an_optimiser_keeps_is_told_apart(written: Path) -> None:
    with open_checkpoint(written / "train") as found:
        assert found.files[0] == "ckpt-2.index"
        assert found.others == ("ckpt-1.index",)
        weights = {tensor.name for tensor in found if tensor.role is Role.WEIGHT}
        names = ("net/kernel", "net/tables/0", "net/tables/1", "step")
        assert weights == {f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in names}
    with open_checkpoint(written / "v1/model.index") as found:
        assert {tensor.name for tensor in found if tensor.role is Role.WEIGHT} == {"dense/kernel"}
        assert found["global_step"].role is Role.STATE


@pytest.mark.parametrize("name", GRAPHS)
def test_constants_of_graphs(written: Path, name: str) -> None:
    with open_checkpoint(written / GRAPHS[name]) as found:
        is_frozen = found.format == "tensorflow-graph"
        assert facts(found, *([] if is_frozen else [Role.CONSTANT])) == expected(written, name)
        assert is_frozen or found.facts.versions == {"tensorflow": "2.21.0"}


@pytest.mark.parametrize("name", ["model.h5", "model.weights.h5"])
def test_hdf5_of_keras(written: Path, name: str) -> None:
    wanted = expected(written, name)
    with open_checkpoint(written / name) as found:
        assert facts(found) == {path: entry[:3] for path, entry in wanted.items()}
        assert {tensor.name: tensor.offset for tensor in found} == {path: entry[3] for path, entry in wanted.items()}


@pytest.mark.parametrize(("file", "name"), [("model.keras", "model"), ("model.h5", "model"), ("half.keras", "half")])
def test_weights_of_keras_models(written: Path, file: str, name: str) -> None:
    """Names differ between a model and its files, so the values are held against each other."""
    wanted = sorted(entry for path, entry in expected(written, f"{name}.values").items() if "seed" not in path)
    with open_checkpoint(written / file) as found:
        assert sorted(facts(found, Role.WEIGHT).values()) == wanted
        assert found.metadata["lambda_layers"] == (["twice"] if name == "model" else [])
        assert found.facts.architecture == "Sequential"


def test_weights_of_keras_in_shards(written: Path) -> None:
    with open_checkpoint(written / "shards") as found:
        assert len(found.files) > 2
        assert sorted(facts(found).values()) == sorted(expected(written, "shards").values())


@pytest.mark.parametrize("name", ["float", "int8", "float16", "dynamic"])
def test_tensorflow_lite(written: Path, name: str) -> None:
    wanted = expected(written, f"{name}.tflite")
    with open_checkpoint(written / f"{name}.tflite") as found:
        listed = facts(found)
        assert listed == {tensor: wanted[tensor][:3] for tensor in listed}
        assert sum(tensor.elements for tensor in found if len(tensor.shape) == 2) >= 6 * 64 + 64 * 32
        for tensor, entry in found.metadata["quantization"].items():
            assert wanted[tensor][3][:8] == pytest.approx(entry["scales"])
            assert len(wanted[tensor][3]) == entry["count"]
        assert bool(found.metadata["quantization"]) == (name in ("int8", "dynamic"))
