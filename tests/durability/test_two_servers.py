"""One data folder has one server; a server that was killed leaves it free, and tools work beside one that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.random_kills import Server
from tests.hubs import add_user, make_hub


def openshelf(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openshelf", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    hub = make_hub(tmp_path)
    add_user(hub, "ada")
    hub.storage.close()
    return Server(tmp_path)


def test_a_second_server_refuses_and_a_killed_one_leaves_the_folder_free(server: Server) -> None:
    second = Server(server.folder)
    server.start()
    try:
        assert server.wait()
        refused = openshelf(server.folder / "data", "serve", "--port", str(second.port), "--no-first-user")
        assert refused.returncode == 1
        assert f"Another server runs on {server.folder / 'data'}. Stop it, or name another folder" in refused.stderr
        checked = openshelf(server.folder / "data", "fsck", "--repair")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        collected = openshelf(server.folder / "data", "gc", "--run")
        assert collected.returncode == 0, collected.stdout + collected.stderr
        server.kill(whole=True)
        second.start()
        assert second.wait(), (server.folder / "hub.log").read_text()
    finally:
        server.stop()
        second.stop()


def test_a_serving_process_ends_whose_server_was_killed_while_it_began(server: Server) -> None:
    gone = 2**22 + 1
    code = f"from openshelf.interfaces.cli.serve import load_app; load_app({gone}); print('it goes on')"
    environment = {**os.environ, "OPENSHELF_DATA": str(server.folder / "data")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")


def test_nothing_is_restored_over_a_folder_in_use(server: Server) -> None:
    data = server.folder / "data"
    assert openshelf(data, "backup", str(server.folder / "backup")).returncode == 0
    refused = openshelf(data, "restore", str(server.folder / "backup"))
    assert refused.returncode == 1
    assert "is not empty; restore into a new folder" in refused.stderr
