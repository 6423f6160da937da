"""The tutorial about fine-tunes does what it says, in the order in which it says it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tutorials" / "see-and-merge-a-fine-tune.md"
_BLOCK = re.compile(r"```(python|sh|text)\n(.*?)```", re.S)
_WORD = re.compile(r"[A-Za-z_.]{3,}")


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``openshelf`` and ``python`` are those under test, and ``pip`` installs nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in (
        ("openshelf", f'exec "{sys.executable}" -m openshelf "$@"'),
        ("python", f'exec "{sys.executable}" "$@"'),
        ("pip", "exit 0"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}


def test_every_command_works_and_says_what_is_shown(commands: dict[str, str], tmp_path: Path) -> None:
    said, ran, compared = "", [], 0
    for language, block in _BLOCK.findall(PAGE.read_text()):
        if language == "python":
            (tmp_path / "make_models.py").write_text(block)
        elif language == "sh":
            said = ""
            for line in block.splitlines():
                done = subprocess.run(
                    ["sh", "-c", line], cwd=tmp_path, env=commands, capture_output=True, text=True, timeout=120
                )
                assert done.returncode == (1 if line.startswith("openshelf diff") else 0), (line, done)
                assert done.stderr == "", line
                said += done.stdout
                ran.append(line.split()[:2])
        elif not block.startswith("openshelf "):
            # Numbers may change by a digit with the machine; words and names may not.
            assert set(_WORD.findall(block)) - set(_WORD.findall(said)) <= {"..."}
            compared += 1
    assert ["openshelf", "merge"] in ran
    assert ["openshelf", "inspect"] in ran
    assert compared == 4
    assert "<svg" in (tmp_path / "maths.html").read_text()
    models = [tmp_path / name / "model.safetensors" for name in ("merged", "again")]
    assert models[0].read_bytes() == models[1].read_bytes()
