"""``openshelf serve`` and ``openshelf worker`` as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from openshelf.app import open_hub
from openshelf.services import jobs
from openshelf.settings import Settings

START_SECONDS = 60.0


class Process:
    """One ``openshelf`` process on a data folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
        given = {f"OPENSHELF_{name.upper()}": value for name, value in settings.items()}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "openshelf", *arguments, "--data", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=kept | given,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def serve(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start the server and wait until it is ready."""
        process = self.start("serve", "--port", str(self.port), *arguments, **settings)
        self.wait_for(lambda: process.poll() is not None or self._is_ready())
        assert process.poll() is None, self.said()
        return process

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not condition():
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)

    def end_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.end_all()


def test_the_first_start_says_all_that_one_needs(process: Process) -> None:
    server = process.serve()
    said = process.said()
    password = re.search(r"Password +(\S+)", said)
    line = re.search(r"HF_ENDPOINT=(\S+) HF_TOKEN=(\S+) hf upload (\S+)/my-model \./folder", said)
    assert password, said
    assert line, said
    assert line[1] == process.url
    headers = {"authorization": f"Bearer {line[2]}"}
    who = httpx.get(f"{process.url}/api/whoami-v2", headers=headers, trust_env=False).json()
    assert (who["name"], who["auth"]["accessToken"]["role"]) == (line[3], "write")
    created = httpx.post(f"{process.url}/api/repos/create", headers=headers, json={"name": "m"}, trust_env=False)
    assert created.status_code == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    process.log.unlink()
    server = process.serve()
    assert "Password" not in process.said()
    assert f"{process.url}/login" in process.said()
    # As Ctrl-C in a terminal does it: every process of the group gets the signal.
    os.killpg(server.pid, signal.SIGINT)
    assert server.wait(30) == 0


def test_a_request_under_way_is_answered_before_the_end(process: Process) -> None:
    server = process.serve()
    token = re.search(r"HF_TOKEN=(\S+)", process.said())
    assert token
    headers = {"authorization": f"Bearer {token[1]}"}
    httpx.post(f"{process.url}/api/repos/create", headers=headers, json={"name": "m"}, trust_env=False)
    lines = (
        {"key": "header", "value": {"summary": "slow"}},
        {"key": "file", "value": {"path": "a.txt", "content": "aGVsbG8=", "encoding": "base64"}},
    )
    body = "\n".join(json.dumps(line) for line in lines).encode()
    with socket.create_connection(("127.0.0.1", process.port)) as client:
        head = [
            "POST /api/models/admin/m/commit/main HTTP/1.1",
            f"Host: 127.0.0.1:{process.port}",
            f"Authorization: Bearer {token[1]}",
            "Content-Type: application/x-ndjson",
            f"Content-Length: {len(body)}",
        ]
        client.sendall("\r\n".join([*head, "", ""]).encode() + body[:20])
        time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.sendall(body[20:])
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.wait(30) == 0


def test_a_killed_server_leaves_nothing_in_the_way(process: Process) -> None:
    process.serve("--workers", "2").kill()
    process.serve()


def test_one_folder_has_one_server(process: Process) -> None:
    process.serve()
    second = process.start("serve", "--port", str(_free_port()))
    assert second.wait(60) == 1
    assert "Another server runs on" in process.said()
    assert "Traceback" not in process.said()


def test_a_taken_port_is_said(process: Process) -> None:
    with socket.create_server(("127.0.0.1", process.port)):
        server = process.start("serve", "--port", str(process.port))
        assert server.wait(60) == 2
    assert f"cannot listen on port {process.port}" in process.said()
    assert "Traceback" not in process.said()
    assert not process.data.exists()


def test_logs_for_programs_hold_no_secrets(process: Process) -> None:
    process.serve(log_format="json")
    token = re.search(r"HF_TOKEN=(\S+)", process.said())
    assert token
    httpx.get(
        f"{process.url}/api/models?token={token[1]}", headers={"authorization": f"Bearer {token[1]}"}, trust_env=False
    )
    process.wait_for(lambda: '"path": "/api/models"' in process.said())
    greeting, *logged = process.said().split("\n{")
    requests = [json.loads("{" + line) for line in logged]
    assert token[1] in greeting
    assert token[1] not in json.dumps(requests)
    assert all(request["request_id"] for request in requests if request["event"] == "request")


def test_a_worker_of_its_own_takes_the_jobs(process: Process) -> None:
    server = process.serve(embedded_worker="false")
    hub = open_hub(Settings(data=process.data))
    jobs.enqueue(hub, "repack", "none", {"repo_id": "none"})
    time.sleep(1)
    assert jobs.count_outbox(hub) == 1
    worker = process.start("worker")
    process.wait_for(lambda: jobs.count_outbox(hub) == 0 and "job done" in process.said())
    hub.storage.close()
    for ended in (worker, server):
        ended.send_signal(signal.SIGTERM)
        assert ended.wait(30) == 0
