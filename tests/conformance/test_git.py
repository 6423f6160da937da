"""git and git-lfs from Debian."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .git_client import Git
from .git_operations import OPERATIONS, Desk
from .hub_view import HubView
from .live_hub import LiveHub
from .running import Client


def _version(*command: str) -> str:
    if not shutil.which(command[0]):
        return f"no {command[0]}"
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("(")[0].strip()


_TITLE = f"{_version('git', '--version')}, {_version('git-lfs', '--version')}".replace("git version", "git")
GIT = Client(_TITLE.replace("/", " "), "", "")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_operation(
    operation: Callable[[Desk], None],
    hub: LiveHub,
    view: HubView,
    tmp_path: Path,
    row: Callable[[str, Client, str], None],
) -> None:
    row("git and git-lfs", GIT, (operation.__doc__ or "").strip())
    operation(Desk(hub, view, Git(tmp_path / "home", tmp_path / "desk")))
