"""``openshelf inspect`` on repos of a running hub, filled by the stock client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from safetensors.numpy import save, save_file

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.remote.opening import RemoteFiles
from tests.interfaces.cli.test_inspect import inspect
from tests.interfaces.conftest import World

SHARDS = 3
pytestmark = pytest.mark.usefixtures("no_hub_of_its_own")


def tensors_of(shard: int) -> dict[str, Any]:
    rng = np.random.default_rng(shard)
    return {f"layers.{shard}.{part}.weight": rng.normal(size=(500, 1000)).astype(np.float32) for part in ("up", "down")}


@pytest.fixture(scope="module")
def sharded(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A public repo of 12 MB in three shards, 4 MB each, and a folder ``small`` with another model."""
    folder = tmp_path_factory.mktemp("sharded")
    places: dict[str, str] = {}
    for shard in range(SHARDS):
        name = f"model-{shard + 1:05}-of-{SHARDS:05}.safetensors"
        save_file(tensors_of(shard), folder / name)
        places |= dict.fromkeys(tensors_of(shard), name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text('{"model_type": "demo"}')
    (folder / "small").mkdir()
    save_file({"w": np.ones(3, np.float32)}, folder / "small" / "model.safetensors")
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/sharded").repo_id
    api.upload_folder(repo_id=repo, folder_path=folder)
    return str(repo)


def test_a_sharded_model_is_opened_by_reference(world: World, sharded: str) -> None:
    with open_checkpoint(sharded, endpoint=world.served.url) as found:
        assert len(found) == 2 * SHARDS
        assert len(found.files) == SHARDS + 1
        assert isinstance(found.source, RemoteFiles)
        assert found.source.fetched < 1_000_000
        for name, expected in tensors_of(1).items():
            assert np.array_equal(found.array(name), expected)
    said = inspect(sharded, "--json", HF_ENDPOINT=world.served.url)
    assert said.code == 0
    assert said.json["source"] == f"{sharded}@main"
    assert {file["name"]: file["size"] for file in said.json["files"]}["model-00001-of-00003.safetensors"] > 4_000_000


def test_paths_revisions_and_addresses(world: World, sharded: str) -> None:
    url, one = world.served.url, "model-00002-of-00003.safetensors"
    head = HfApi(endpoint=url, token=world.alice).model_info(sharded).sha
    for where, count in [
        (f"{sharded}@{head}", 2 * SHARDS),
        (f"{sharded}@main:{one}", 2),
        (f"{sharded}:small", 1),
        (f"{sharded}:small/model.safetensors", 1),
        (f"{url}/{sharded}", 2 * SHARDS),
        (f"{url}/{sharded}/tree/main/small", 1),
        (f"{url}/{sharded}/resolve/main/{one}", 2),
        (f"{url}/{sharded}/blob/main/{one}", 2),
    ]:
        with open_checkpoint(where, endpoint=None if where.startswith("http") else url) as found:
            assert len(found) == count, where
    for where, reason in [
        (f"{sharded}@none", "no revision none"),
        (f"{sharded}:none.bin", "no file or folder none.bin"),
        ("alice/none", "no model alice/none"),
        (f"{url}/alice/none", "no model alice/none"),
    ]:
        with pytest.raises(UnreadableCheckpoint, match=reason):
            open_checkpoint(where, endpoint=url)


def test_private_repos_need_the_token(world: World, tmp_path: Path) -> None:
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/hidden-weights", repo_type="dataset", private=True).repo_id
    api.upload_file(
        path_or_fileobj=save({"w": np.ones(3)}), path_in_repo="m.safetensors", repo_id=repo, repo_type="dataset"
    )
    where, hub = f"datasets/{repo}", {"HF_ENDPOINT": world.served.url}
    assert inspect(where, "--json", **hub, HF_TOKEN=world.alice).json["tensors"][0]["name"] == "w"
    (tmp_path / "token").write_text(world.alice_reads)
    assert inspect(where, **hub, HF_TOKEN_PATH=str(tmp_path / "token")).code == 0
    assert inspect(f"{world.served.url}/{where}", **hub, HF_TOKEN=world.alice).code == 0
    refused = inspect(where, "--json", **hub)
    assert refused.code == 2
    assert "HF_TOKEN" in refused.json["error"]
    assert inspect(where, **hub, HF_TOKEN=world.bob).code == 2
    # The token is for the hub of the environment; the address names another.
    elsewhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": world.alice}
    assert inspect(f"{world.served.url}/{where}", **elsewhere).code == 2
    with open_checkpoint(f"{world.served.url}/{where}", token=world.alice) as found:
        assert len(found) == 1


def test_many_files_come_in_pages(world: World) -> None:
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/many-files").repo_id
    files = [CommitOperationAdd(f"notes/{n:04}.txt", b"x") for n in range(1200)]
    files.append(CommitOperationAdd("z/model.safetensors", save({"w": np.ones(3)})))
    api.create_commit(repo, files, commit_message="many")
    with open_checkpoint(repo, endpoint=world.served.url) as found:
        assert found.files == ("z/model.safetensors",)
        assert len(found.source.sizes()) >= 1201
