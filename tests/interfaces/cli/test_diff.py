"""``openshelf diff`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from openshelf.interfaces.cli.main import main
from tests.unit.weights.models import write

ONES = np.ones((4, 4), np.float32)


@pytest.fixture
def models(tmp_path: Path) -> tuple[str, str]:
    before = write(tmp_path / "a.safetensors", {"l.0.w": ONES, "l.1.w": ONES})
    after = write(tmp_path / "b.safetensors", {"l.0.w": ONES, "l.1.w": ONES * 2})
    return str(before), str(after)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["diff", *words])


def test_exit_codes_are_those_of_diff(models: tuple[str, str]) -> None:
    before, after = models
    assert run(before, before).exit_code == 0
    assert run(before, after).exit_code == 1
    assert run(before, after + "x").exit_code == 2


def test_text(models: tuple[str, str]) -> None:
    found = run(*models).output
    assert "1 of 2 tensors changed, all in l.1" in found
    assert "\x1b" not in found


def test_json(models: tuple[str, str]) -> None:
    found = json.loads(run(*models, "--json").output)
    assert found["totals"]["changed"] == 1
    assert found["tensors"][1]["values"]["relative_l2"] == 1.0


def test_what_cannot_be_read_is_an_error_in_json_too(tmp_path: Path, models: tuple[str, str]) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\xff" * 100)
    found = run(models[0], str(broken), "--json")
    assert found.exit_code == 2
    assert "broken.safetensors" in json.loads(found.output)["error"]


def test_reports_are_written(tmp_path: Path, models: tuple[str, str]) -> None:
    page, picture = tmp_path / "r.html", tmp_path / "r.svg"
    assert run(*models, "--html", str(page), "--svg", str(picture)).exit_code == 1
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_text().startswith("<?xml")


def test_a_report_that_cannot_be_written_is_an_error(models: tuple[str, str]) -> None:
    found = run(*models, "--svg", "/nowhere/r.svg")
    assert found.exit_code == 2
    assert "/nowhere/r.svg" in found.output


def test_options_are_checked(models: tuple[str, str]) -> None:
    assert run(*models, "--low-rank", "some").exit_code == 2
    assert run(*models, "--low-rank", "all", "--threads", "1").exit_code == 1
