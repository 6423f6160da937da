"""Frameworks, each in an environment of its own, which write files or read ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conformance.environments import CannotInstall, python_of

SCRIPTS = Path(__file__).parents[2] / "conformance/clients/scripts"
SECONDS = 280


def run_framework(name: str, *arguments: str | Path) -> None:
    """Run ``NAME_files.py`` in the environment ``name``; skips the test only where that cannot be installed."""
    try:
        python = python_of(name)
    except CannotInstall as reason:
        pytest.skip(str(reason))
    command = [str(python), "-W", "ignore", str(SCRIPTS / f"{name}_files.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-3000:]
