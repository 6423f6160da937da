"""A data folder with two users."""

from __future__ import annotations

import logging
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
def commands(tmp_path: Path) -> Commands:
    made = Commands(tmp_path / "data")
    made.run("admin", "user", "create", "ada", "--password-stdin", stdin=PASSWORD + "\n")
    made.run("admin", "user", "create", "bob", "--password-stdin", "--full-name", "Bob B", stdin=PASSWORD + "\r\n")
    return made
