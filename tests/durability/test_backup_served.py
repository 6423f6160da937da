"""A backup beside four real clients, restored elsewhere: nothing told before it is missing, and the clients go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openshelf.app import open_hub
from openshelf.services import backup
from openshelf.settings import Settings
from tests.durability import random_kills
from tests.durability.random_kills import CLIENTS, Server

PATIENCE_SECONDS = 240.0


@pytest.mark.timeout(600)
def test_clients_go_on_with_the_restored_hub(tmp_path: Path) -> None:
    if missing := random_kills.available():
        pytest.skip(missing)
    token = random_kills.begin(tmp_path)
    server = Server(tmp_path)
    server.start()
    assert server.wait()
    clients = {kind: random_kills.client(tmp_path, kind, server.url, token) for kind in CLIENTS}
    try:
        wait_for(lambda: all(told(tmp_path, kind) for kind in CLIENTS))
        before = [entry for kind in CLIENTS for entry in told(tmp_path, kind)]
        hub = open_hub(Settings(data=tmp_path / "data"))
        backup.back_up(hub, tmp_path / "backup")
        hub.storage.close()
        server.kill(whole=True)
        restored = restore(tmp_path / "backup", tmp_path / "elsewhere")
        assert missing_of(restored, before) == []
        counts = {kind: len(told(tmp_path, kind)) for kind in CLIENTS}
        server.folder = restored
        server.start()
        wait_for(lambda: all(len(told(tmp_path, kind)) > counts[kind] for kind in CLIENTS))
        for kind in CLIENTS:
            (tmp_path / kind / "stop").touch()
        for process in clients.values():
            assert process.wait(PATIENCE_SECONDS) == 0
        server.stop()
        after = [entry for kind in CLIENTS for entry in told(tmp_path, kind)[counts[kind] :]]
        assert missing_of(restored, before + after) == []
    finally:
        for process in clients.values():
            random_kills.kill_group(process)
        server.stop()


def restore(source: Path, folder: Path) -> Path:
    """On another path; it must be found whole."""
    folder.mkdir()
    backup.copy_back(source, folder / "data")
    hub = open_hub(Settings(data=folder / "data"))
    assert backup.finish_restore(hub, deep=True).problems == ()
    hub.storage.close()
    return folder


def told(folder: Path, kind: str) -> list[dict[str, Any]]:
    return random_kills.ledger(folder, kind)


def missing_of(folder: Path, entries: list[dict[str, Any]]) -> list[str]:
    hub = open_hub(Settings(data=folder / "data"))
    try:
        return random_kills.faults_of(hub, entries)
    finally:
        hub.storage.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the clients do not go on"
        time.sleep(0.05)
