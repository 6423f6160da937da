"""``openshelf delta``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from openshelf.interfaces.cli.main import main
from tests.interfaces.cli.commands import Said


def run(*arguments: object) -> Said:
    done = CliRunner().invoke(main, ["delta", *map(str, arguments)], prog_name="openshelf")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """``base`` and ``new``, of whose two tensors one has changed."""
    rng = np.random.default_rng(0)
    base = {"kept": rng.standard_normal((300, 300)).astype(np.float32), "changed": np.zeros((70, 70), np.float32)}
    low_rank = rng.standard_normal((70, 1)).astype(np.float32) @ rng.standard_normal((1, 70)).astype(np.float32)
    for name, tensors in (("base", base), ("new", {**base, "changed": low_rank})):
        (tmp_path / name).mkdir()
        save_file(tensors, tmp_path / name / "model.safetensors")
        (tmp_path / name / "config.json").write_text(json.dumps({"name": name}))
    return tmp_path


def test_a_delta_is_made_shown_and_applied(models: Path) -> None:
    made = run("make", models / "base", models / "new", "--out", models / "d.safetensors")
    assert made.code == 0
    assert f"of the {sum(p.stat().st_size for p in (models / 'new').iterdir()):,} that it makes" in made.out
    shown = run("show", models / "d.safetensors").out
    assert "exact, byte for byte" in shown
    assert "changed" in shown
    assert "config.json" in shown
    assert "kept" not in shown
    done = run("apply", models / "base", models / "d.safetensors", "--out", models / "out")
    assert done.code == 0
    assert "byte for byte as they were contributed" in done.out
    for name in ("model.safetensors", "config.json"):
        assert (models / "out" / name).read_bytes() == (models / "new" / name).read_bytes()


def test_a_bound_is_stated(models: Path) -> None:
    made = run("make", models / "base", models / "new", "--out", models / "d", "--max-error", "0.01", "--json").json
    assert (made["exact"], made["max_error"]) == (False, 0.01)
    (changed,) = (one for one in made["changed"] if one["piece"] == "changed")
    assert changed["rank"] == 1
    assert changed["error"]["relative"] <= 0.01
    assert "within 0.01 of the change" in run("show", models / "d").out
    assert run("apply", models / "base", models / "d", "--out", models / "out", "--json").json["exact"] is False


def test_what_is_refused_says_why(models: Path) -> None:
    run("make", models / "base", models / "new", "--out", models / "d")
    wrong = run("apply", models / "new", models / "d", "--out", models / "out")
    assert (wrong.code, wrong.out) == (1, "")
    assert "is not the base that d was made for" in wrong.err
    assert not (models / "out").exists()
    (models / "d").write_bytes((models / "d").read_bytes()[:-1])
    cut = run("apply", models / "base", models / "d", "--out", models / "out", "--json")
    assert cut.code == 2
    assert "cut off" in cut.json["error"]
    assert run("make", models / "base", models / "nothing", "--out", models / "e").code == 2
    assert run("make", models / "base", models / "new", "--out", models / "d").code == 1
