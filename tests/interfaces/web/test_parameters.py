"""The number of parameters of a repo comes from the headers of its weights, whatever their format."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import pytest

from openshelf.domain.names import RepoKind
from openshelf.services import repos
from openshelf.services.hub import Hub
from openshelf.services.read_weights import read_weights
from tests.hubs import actor
from tests.interfaces.web.visitors import Visitor, make_repo
from tests.services.bytes_in_hub import commit, store
from tests.unit.checkpoints.makers import every

MAKERS = every()
Count = Callable[[Mapping[str, bytes]], tuple[int | None, dict[str, int]]]


@pytest.fixture
def counted(hub: Hub) -> Count:
    """Puts files into a repo, runs the job, and gives the number of parameters, and those of each type."""

    numbers = itertools.count()

    def count(files: Mapping[str, bytes]) -> tuple[int | None, dict[str, int]]:
        repo = make_repo(hub, "alice", f"weights-{next(numbers)}")
        commit(hub, actor(hub, "alice"), repo, *((path, store(hub, repo, content)) for path, content in files.items()))
        read_weights(hub, repo.id)
        assert read_weights(hub, repo.id) == 0
        found = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, repo.repo_id)
        fact = found.facts.get("safetensors") or found.facts.get("weights") or {}
        assert fact.get("total") == found.parameters
        return found.parameters, fact.get("parameters", {})

    return count


@pytest.mark.parametrize(
    ("label", "parameters"),
    [
        ("gguf-gguf version 3", 73),
        ("gguf-gguf split", 8),
        ("onnx-onnx with external data", 6),
        ("numpy_arrays-npz", 44),
        ("pytorch-pytorch zip", 27),
        ("pytorch-pytorch legacy", 27),
        ("tensorflow-checkpoint", 18),
        ("tensorflow_graphs-saved-model", 3),
        ("keras-archive", 206),
        ("mxnet-mxnet V2", 6),
    ],
)
def test_every_format_is_counted(counted: Count, label: str, parameters: int) -> None:
    total, types = counted(MAKERS[label]())
    assert total == parameters
    assert sum(types.values()) == parameters


def test_one_model_is_counted_once(counted: Count) -> None:
    large, small = MAKERS["pytorch-pytorch zip"]()["model.pt"], MAKERS["gguf-gguf version 3"]()["model.gguf"]
    safe = MAKERS["safetensors-plain"]()
    assert counted({"pytorch_model.bin": large, "optimizer.pt": large, **safe})[0] == 31
    assert counted({"q4.gguf": small, "q8.gguf": small + bytes(64), "optimizer.pt": large})[0] == 73


def test_what_cannot_be_read_claims_nothing(counted: Count) -> None:
    assert counted({"model.gguf": b"GGUF" + bytes(40)}) == (None, {})
    assert counted({"model.pt": MAKERS["pytorch-pytorch zip"]()["model.pt"][:-50]}) == (None, {})


def test_the_page_shows_the_types(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "weights")
    content = MAKERS["gguf-gguf version 3"]()["model.gguf"]
    commit(hub, actor(hub, "alice"), repo, ("model.gguf", store(hub, repo, content)))
    assert read_weights(hub, repo.id) == 1
    page = stranger.text("/alice/weights")
    assert "float32" in page
