"""``openshelf diff`` between revisions of a repo of a running hub: what the hub's hashes settle is not fetched."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import HfApi
from safetensors.numpy import save

from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.remote.opening import RemoteFiles
from openshelf.analysis.weights.comparing import diff
from openshelf.interfaces.cli.main import main
from tests.interfaces.conftest import World

pytestmark = pytest.mark.usefixtures("no_hub_of_its_own")


@pytest.fixture(scope="module")
def revisions(world: World) -> tuple[str, str]:
    """A repo of two shards of 4 MB, before and after one value of the second changed."""
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/tuned").repo_id
    shards = [np.random.default_rng(number).normal(size=(1000, 1000)).astype(np.float32) for number in (1, 2)]

    def put(number: int) -> str:
        name = f"model-{number + 1:05}-of-00002.safetensors"
        content = save({f"layers.{number}.w": shards[number]})
        return str(api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=repo).oid)

    put(0)
    before = put(1)
    shards[1][500, 500] += 1
    return f"{repo}@{before}", f"{repo}@{put(1)}"


def test_shards_with_the_same_hash_are_not_fetched(world: World, revisions: tuple[str, str]) -> None:
    before, after = (open_checkpoint(where, endpoint=world.served.url) for where in revisions)
    with before, after:
        found = diff(before, after, low_rank="none")
        assert isinstance(after.source, RemoteFiles)
        assert 4_000_000 <= after.source.fetched < 5_000_000
    assert [(one.status, one.settled_by) for one in found.tensors] == [("equal", "identity"), ("changed", "values")]
    assert found.tensors[1].values is not None
    assert found.tensors[1].values.changed == 1


@pytest.fixture(scope="module")
def one_file(world: World) -> tuple[str, str]:
    """A file of three tensors of 4 MB, before and after one value in the middle of the second changed."""
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/in-chunks").repo_id
    values = [np.random.default_rng(number).normal(size=(1000, 1000)).astype(np.float32) for number in range(3)]

    def put() -> str:
        content = save({f"layers.{number}.w": tensor for number, tensor in enumerate(values)})
        commit = api.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id=repo).oid
        return f"{repo}@{commit}"

    before = put()
    values[1][500, 500] += 1
    return before, put()


def test_tensors_of_the_same_chunks_are_not_fetched(world: World, one_file: tuple[str, str]) -> None:
    before, after = (open_checkpoint(where, endpoint=world.served.url, token=world.alice) for where in one_file)
    with before, after:
        found = diff(before, after, low_rank="none")
        assert isinstance(after.source, RemoteFiles)
        assert 4_000_000 <= after.source.fetched < 4_500_000
    assert [one.settled_by for one in found.tensors] == ["identity", "values", "identity"]
    assert [one.status for one in found.tensors] == ["equal", "changed", "equal"]


def test_references_on_the_command_line(world: World, revisions: tuple[str, str]) -> None:
    done = CliRunner().invoke(main, ["diff", *revisions, "--endpoint", world.served.url])
    assert done.exit_code == 1
    assert "1 of 2 tensors changed, all in layers.1" in done.output
    done = CliRunner().invoke(main, ["diff", revisions[0], "alice/none", "--endpoint", world.served.url])
    assert done.exit_code == 2
    assert "alice/none" in done.output
