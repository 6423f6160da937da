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


def test_references_on_the_command_line(world: World, revisions: tuple[str, str]) -> None:
    done = CliRunner().invoke(main, ["diff", *revisions, "--endpoint", world.served.url])
    assert done.exit_code == 1
    assert "1 of 2 tensors changed, all in layers.1" in done.output
    done = CliRunner().invoke(main, ["diff", revisions[0], "alice/none", "--endpoint", world.served.url])
    assert done.exit_code == 2
    assert "alice/none" in done.output
