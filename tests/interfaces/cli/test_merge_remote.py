"""``openshelf merge`` of models on a running hub: the same as of local ones, recorded by commit, and made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from huggingface_hub import HfApi

import openshelf
from openshelf.interfaces.cli.main import main
from tests.interfaces.conftest import World
from tests.unit.checkpoints.serving import serving
from tests.unit.weights.merge_models import adapter, random_tensor, read_model, stored, write_model

pytestmark = pytest.mark.usefixtures("no_hub_of_its_own")
RECORD = "openshelf-merge.yaml"
SHAPE = (300, 700)


@dataclass(frozen=True)
class Models:
    """The same three models in folders and as references; ``theirs`` is private."""

    folders: list[Path]
    references: list[str]
    commits: list[str]


def run(*words: object, **environment: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], env=environment)


def tensors(side: int) -> dict[str, Any]:
    return {
        "layers.0.weight": random_tensor(side, SHAPE, "bfloat16"),
        "layers.1.weight": random_tensor(min(side, 1), SHAPE, "float16"),
        "layers.2.weight": random_tensor(9, SHAPE),
    }


@pytest.fixture(scope="module")
def models(world: World, tmp_path_factory: pytest.TempPathFactory) -> Models:
    api = HfApi(endpoint=world.served.url, token=world.alice)
    found = Models([], [], [])
    for side, name in enumerate(("m-base", "m-ours", "m-theirs")):
        files = {"config.json": '{"model_type": "demo"}', "NOTES.md": f"# {name}", "tokenizer.json": "{}"}
        folder = write_model(tmp_path_factory.mktemp("models") / name, tensors(side), files)
        repo = api.create_repo(f"alice/{name}", private=name == "m-theirs").repo_id
        found.commits.append(api.upload_folder(repo_id=repo, folder_path=folder).oid)
        found.folders.append(folder)
        found.references.append(f"{repo}@main")
    return found


def content(folder: Path) -> Mapping[str, bytes]:
    """Every file but the record, in which paths differ."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != RECORD}


def test_models_on_a_hub_merge_as_those_on_the_disk_do(world: World, models: Models, tmp_path: Path) -> None:
    hub = {"HF_ENDPOINT": world.served.url, "HF_TOKEN": world.alice}
    words = ("--method", "ties", "--rule", "layers.1.*=linear")
    assert run("merge", *models.folders, *words, "--out", "local").exit_code == 0
    done = run("merge", *models.references, *words, "--out", "remote", **hub)
    assert done.exit_code == 0, done.output
    assert content(tmp_path / "remote") == content(tmp_path / "local")
    assert {"config.json", "tokenizer.json", "NOTES.md"} <= content(tmp_path / "remote").keys()
    assert run("merge", *models.references, "--check", **hub).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["local", "remote"]  # nothing fetched is left behind


def test_a_record_names_the_commits_and_is_made_again_whatever_came_after(
    world: World, models: Models, tmp_path: Path
) -> None:
    openshelf.merge(*models.references, out=tmp_path / "out", endpoint=world.served.url, token=world.alice)
    record = tmp_path / "out" / RECORD
    said = yaml.safe_load(record.read_text())
    sources = [said["base"], *said["sides"]]
    assert [source["path"] for source in sources] == models.references
    assert [source["commit"] for source in sources] == models.commits
    assert {source["endpoint"] for source in sources} == {world.served.url}
    assert world.alice not in record.read_text()
    api = HfApi(endpoint=world.served.url, token=world.alice)
    api.upload_file(path_or_fileobj=b"later", path_in_repo="NOTES.md", repo_id="alice/m-ours")
    openshelf.merge(recipe=record, out=tmp_path / "again", token=world.alice, endpoint=world.served.url)
    assert content(tmp_path / "again") == content(tmp_path / "out")
    assert (tmp_path / "again" / RECORD).read_bytes() == record.read_bytes()
    # The models may lie elsewhere by now: named beside the record, they are checked by their hashes.
    assert run("merge", *models.folders, "--recipe", record, "--out", "local").exit_code == 0
    assert content(tmp_path / "local") == content(tmp_path / "out")
    swapped = [models.references[place] for place in (0, 2, 1)]
    words = (*swapped, "--recipe", record, "--out", "no")
    refused = run("merge", *words, HF_ENDPOINT=world.served.url, HF_TOKEN=world.alice)
    assert refused.exit_code == 2
    assert "is not the file that the recipe was made with" in refused.stderr
    assert not (tmp_path / "no").exists()


def test_who_wrote_a_record_gets_no_token(world: World, models: Models, tmp_path: Path) -> None:
    """The hub that a record names is asked without the token, unless it is the one whose token it is."""
    openshelf.merge(*models.references, out=tmp_path / "out", endpoint=world.served.url, token=world.alice)
    record = tmp_path / "out" / RECORD
    with serving({}) as site:
        record.write_text(record.read_text().replace(world.served.url, site.url("")))
        told = run("merge", "--recipe", record, "--out", "a", HF_ENDPOINT=world.served.url, HF_TOKEN=world.alice)
        assert told.exit_code == 2
        with pytest.raises(openshelf.UnreadableCheckpoint):
            openshelf.merge(recipe=record, out=tmp_path / "b", token=world.alice)
        assert [token for _, _, token in site.asked] == ["", ""]
    words = ("--recipe", record, "--out", "c", "--endpoint", world.served.url)
    assert run("merge", *words, HF_TOKEN=world.alice).exit_code == 0


def test_files_folders_addresses_and_adapters_are_inputs_too(world: World, models: Models, tmp_path: Path) -> None:
    api = HfApi(endpoint=world.served.url, token=world.alice)
    factors = {
        "layers.0.lora_A.weight": random_tensor(5, (4, SHAPE[1])),
        "layers.0.lora_B.weight": random_tensor(6, (SHAPE[0], 4)),
    }
    folder = adapter(tmp_path / "lora", factors)
    repo = api.create_repo("alice/m-lora").repo_id
    api.upload_folder(repo_id=repo, folder_path=folder, path_in_repo="adapters/one")
    base, url = models.folders[0], world.served.url
    run("merge", base, folder, "--method", "lora", "--out", "local")
    words = ("--method", "lora", "--out", "a", "--endpoint", url)
    done = run("merge", models.references[0], f"{repo}:adapters/one", *words)
    assert done.exit_code == 0, done.output
    assert stored(tmp_path / "a") == stored(tmp_path / "local")
    file = f"{url}/alice/m-base/resolve/main/model.safetensors"
    done = run("merge", file, f"{url}/alice/m-ours", "--out", "b")
    assert done.exit_code == 0, done.output
    run("merge", *models.folders[:2], "--out", "c")
    assert stored(tmp_path / "b") == stored(tmp_path / "c")


def test_what_stands_in_the_way_is_said_and_nothing_is_left(world: World, models: Models, tmp_path: Path) -> None:
    base, ours, theirs = models.references
    for words, environment, reason in [
        ((base, "alice/none"), {}, "has no model alice/none that can be read"),
        ((base, theirs), {}, "for a private one, set HF_TOKEN"),
        ((base, theirs), {"HF_TOKEN": world.bob}, "has no model alice/m-theirs"),
        ((base, f"{ours.partition('@')[0]}@v9"), {}, "no revision v9"),
        ((base, f"{ours}:none.safetensors"), {}, "no file or folder none.safetensors"),
    ]:
        said = run("merge", *words, "--out", "out", HF_ENDPOINT=world.served.url, **environment)
        assert said.exit_code == 2, reason
        assert reason in said.stderr
        assert list(tmp_path.iterdir()) == []


def test_models_on_a_hub_are_converted(world: World, models: Models, tmp_path: Path) -> None:
    for number, source in enumerate((models.references[2], f"{models.references[2]}:model.safetensors")):
        words = ("--to", "npz", "--dtype", "float32", "--out", f"{number}.npz", "--endpoint", world.served.url)
        done = run("convert", source, *words, HF_TOKEN=world.alice)
        assert done.exit_code == 0, done.output
        with np.load(tmp_path / f"{number}.npz") as found:
            for name, values in read_model(models.folders[2]).items():
                assert np.array_equal(found[name], values.astype(np.float32))
    made = openshelf.convert(models.references[0], "safetensors", "out", endpoint=world.served.url, token=world.alice)
    assert made.tensors == 3
    assert stored(tmp_path / "out") == stored(models.folders[0])
    assert run("convert", "alice/none", "--to", "npz", "--out", "no.npz", HF_ENDPOINT=world.served.url).exit_code == 2


def test_deltas_are_made_of_and_applied_to_models_on_a_hub(world: World, models: Models, tmp_path: Path) -> None:
    hub = {"HF_ENDPOINT": world.served.url, "HF_TOKEN": world.alice}
    base, _, theirs = models.references
    done = run("delta", "make", base, theirs, "--out", "d.safetensors", **hub)
    assert done.exit_code == 0, done.output
    assert run("delta", "apply", base, "d.safetensors", "--out", "out", **hub).exit_code == 0
    theirs_folder = models.folders[2]
    for file in theirs_folder.iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
    api = HfApi(endpoint=world.served.url, token=world.alice)
    repo = api.create_repo("alice/m-deltas", private=True).repo_id
    api.upload_file(path_or_fileobj=tmp_path / "d.safetensors", path_in_repo="d/one.safetensors", repo_id=repo)
    where = f"{repo}@main:d/one.safetensors"
    assert run("delta", "show", where, **hub).exit_code == 0
    done = run("delta", "apply", base, where, "--out", "two", **hub)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "two" / "model.safetensors").read_bytes() == (theirs_folder / "model.safetensors").read_bytes()
    assert run("delta", "apply", theirs, where, "--out", "no", **hub).exit_code == 1
    assert "name the file" in run("delta", "show", repo, **hub).stderr
