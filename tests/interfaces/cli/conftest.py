"""A data folder with two users."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.interfaces.cli.commands import PASSWORD, Commands


@pytest.fixture(autouse=True)
def _own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands set up the logs of their process; here that is the process of all tests."""
    for name in ("OPENSHELF_DATA", "OPENSHELF_PORT"):
        monkeypatch.delenv(name, raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def no_hub_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in the environment says which hub is meant, or who asks; the working folder is an empty one."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    made = Commands(tmp_path / "data")
    made.run("admin", "user", "create", "ada", "--password-stdin", stdin=PASSWORD + "\n")
    made.run("admin", "user", "create", "bob", "--password-stdin", "--full-name", "Bob B", stdin=PASSWORD + "\r\n")
    return made
