"""``openshelf merge``: exit statuses, what is said, the files beside the weights, and nothing left half done."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openshelf.interfaces.cli.main import main
from tests.unit.weights.merge_models import random_tensor, stored, write_model


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["merge", *(str(word) for word in words)])


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return [
        write_model(tmp_path / name, {"x.weight": random_tensor(side), "y.weight": random_tensor(9)})
        for side, name in enumerate(("base", "ours", "theirs"))
    ]


def test_a_merge_is_done_and_told(models: list[Path], tmp_path: Path) -> None:
    done = run(*models, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "2 tensors in" in done.output
    assert "1 task-arithmetic" in done.output
    assert "evaluate it" in done.output
    assert (tmp_path / "out" / "openshelf-merge.yaml").exists()


def test_json_is_for_scripts(models: list[Path], tmp_path: Path) -> None:
    done = run(
        *models, "--method", "TIES", "--density", "0.5", "--set", "lambda=2", "--out", tmp_path / "out", "--json"
    )
    found = json.loads(done.output)
    assert found["steps"] == {"ties": 1, "unchanged": 1}
    assert found["recipe"]["parameters"] == {"density": 0.5, "lambda": 2}


def test_check_writes_nothing(models: list[Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = run(*models, "--check")
    assert done.exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recipe_is_done_again(models: list[Path], tmp_path: Path) -> None:
    words = ("--weights", "0.25,2", "--rule", "y.*=ties:density=0.5", "--seed", "4")
    assert run(*models, *words, "--out", tmp_path / "out").exit_code == 0
    record = tmp_path / "out" / "openshelf-merge.yaml"
    assert run("--recipe", record, "--out", tmp_path / "again", "--threads", "2").exit_code == 0
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    copies = [folder.rename(moved / folder.name) for folder in models]
    assert run("--recipe", record, "--out", tmp_path / "lost").exit_code == 2
    assert run("--recipe", record, *copies, "--out", tmp_path / "found").exit_code == 0
    for name in ("again", "found"):
        merged = (tmp_path / name / "model.safetensors").read_bytes()
        assert merged == (tmp_path / "out" / "model.safetensors").read_bytes()


def test_conflicts_give_1_and_the_full_list(models: list[Path], tmp_path: Path) -> None:
    for side, folder in enumerate(models):
        write_model(
            folder, {"x.weight": random_tensor(side, (3, 3 + side)), "n.weight": random_tensor(side).astype("i4")}
        )
    for words in (("--out", tmp_path / "out"), ("--check",), ("--check", "--json")):
        done = run(*models, *words)
        assert done.exit_code == 1
        assert "x.weight" in done.output
        assert "n.weight" in done.output
    refused = run(*models, "--out", tmp_path / "out", "--json")
    assert [one["where"] for one in json.loads(refused.output)["hard"]] == ["x.weight", "n.weight"]
    assert not (tmp_path / "out").exists()


def test_strict_makes_soft_conflicts_stop(models: list[Path], tmp_path: Path) -> None:
    base = random_tensor(0)
    for folder, values in zip(models, (base, base + 1, base - 1), strict=True):
        write_model(folder, {"x": values})
    soft = run(*models, "--check")
    assert soft.exit_code == 0
    assert "opposed directions: x: ours and theirs" in soft.output
    assert run(*models, "--strict", "--check").exit_code == 1
    assert run(*models, "--strict", "--out", tmp_path / "out").exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "tiez"), "there is no method 'tiez'"),
        (("--density", "0.5"), "task-arithmetic has no parameter 'density'"),
        (("--weights", "1,2,3"), "3 weights are given for 2 sides"),
        (("--dtype", "int4"), "cannot be written as 'int4'"),
        (("--method", "trimmed-mean"), "merges at least 3 sides"),
    ],
)
def test_what_was_asked_wrongly_gives_2(models: list[Path], tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = run(*models, *words, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.output
    assert json.loads(run(*models, *words, "--out", tmp_path / "out", "--json").output)["error"]


def test_inputs_and_outputs_that_will_not_do_give_2(models: list[Path], tmp_path: Path) -> None:
    assert run(models[0], "--out", tmp_path / "out").exit_code == 2
    assert run(*models).exit_code == 2
    assert run(*models[:2], tmp_path / "nowhere", "--out", tmp_path / "out").exit_code == 2
    (models[2] / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    broken = run(*models, "--out", tmp_path / "out")
    assert broken.exit_code == 2
    assert "model.safetensors" in broken.output
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    there = run(models[0], models[1], models[1], "--out", tmp_path / "full")
    assert there.exit_code == 2
    assert "is there already" in there.output


def test_a_full_disk_is_told_and_leaves_nothing(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("posix_fallocate", "pwrite"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, full)
            done = run(*models, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert "the disk is full" in done.output
        assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "ours", "theirs"]


def test_other_files_are_merged_three_ways(models: list[Path], tmp_path: Path) -> None:
    files = {
        "config.json": ('{"a": 1}', '{"a": 1}', '{"a": 2}'),
        "tokenizer.json": ("old", "new", "new"),
        "README.md": ("old", "ours", "theirs"),
        "gone.txt": ("old", None, "old"),
        "added.txt": (None, None, "new"),
        "pytorch_model.bin": ("no", "no", "no"),
    }
    for name, texts in files.items():
        for folder, text in zip(models, texts, strict=True):
            if text is not None:
                (folder / name).write_text(text)
    done = run(*models, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    found = {path.name: path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix != ".safetensors"}
    found.pop("openshelf-merge.yaml")
    assert found == {"config.json": '{"a": 2}', "tokenizer.json": "new", "README.md": "ours", "added.txt": "new"}
    assert "README.md: changed differently by ours, theirs; that of ours is taken" in done.output


@pytest.mark.parametrize(
    ("name", "texts", "kind"),
    [
        ("tokenizer.json", ("{}", '{"a":1}', '{"b":1}'), "tokenizer"),
        ("vocab.txt", ("a", "a\nb", "a\nc"), "tokenizer"),
        ("config.json", ('{"vocab_size": 5}', '{"vocab_size": 6}', '{"vocab_size": 7}'), "architecture"),
    ],
)
def test_a_tokenizer_changed_differently_is_a_conflict(
    models: list[Path], tmp_path: Path, name: str, texts: tuple[str, ...], kind: str
) -> None:
    for folder, text in zip(models, texts, strict=True):
        (folder / name).write_text(text)
    done = run(*models, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert f"{kind}: {name}" in done.output


def test_single_files_are_merged_too(models: list[Path], tmp_path: Path) -> None:
    files = [folder / "model.safetensors" for folder in models]
    assert run(*files, "--out", tmp_path / "out").exit_code == 0
    assert run(*models, "--out", tmp_path / "same").exit_code == 0
    assert stored(tmp_path / "out") == stored(tmp_path / "same")
