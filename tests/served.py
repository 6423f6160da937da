"""A hub that answers on a port of its own, and the same hub opened in this process to look at what it keeps."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from openshelf.services.hub import Hub
from tests.hubs import make_hub

START_SECONDS = 60.0


@dataclass(frozen=True)
class Served:
    """A running hub: its address, its data opened here too, its log and its process id."""

    hub: Hub
    port: int
    log: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def remote(self, token: str, path: str, user: str = "anybody") -> str:
        """An address for git with the token in it."""
        return f"http://{user}:{token}@127.0.0.1:{self.port}/{path}"


@contextmanager
def serve(folder: Path, *, start: Sequence[str] = ("-m", "openshelf"), **settings: Any) -> Iterator[Served]:
    """Start ``openshelf serve`` on ``folder``, without background jobs; stop it at the end.

    ``start`` makes Python the program ``openshelf``, for tests that need it changed.
    """
    settings = {"rate_limit_requests": 0, "rate_limit_anonymous": 0, "embedded_worker": False, **settings}
    hub = make_hub(folder, **settings)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
    environment |= {f"OPENSHELF_{name.upper()}": str(value) for name, value in settings.items()}
    log = folder / "hub.log"
    command = [sys.executable, *start, "serve", "--data", str(folder / "data"), "--port", str(port)]
    command.append("--no-first-user")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    served = Served(hub, port, log, process.pid)
    try:
        _wait(served, process)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        hub.storage.close()


def _wait(served: Served, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, served.log.read_text()
        try:
            if httpx.get(f"{served.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the hub did not start:\n{served.log.read_text()}")
