"""A hub that can be killed at any moment and started again on the same port and folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from openshelf.services.hub import Hub
from tests.hubs import make_hub
from tests.served import START_SECONDS


@dataclass
class Restarting:
    """``hub`` is the same data, opened in this process to look at."""

    folder: Path
    hub: Hub
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(encoding="utf-8")

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
        environment |= {"OPENSHELF_RATE_LIMIT_REQUESTS": "0", "OPENSHELF_EMBEDDED_WORKER": "false"}
        command = [sys.executable, "-m", "openshelf", "serve", "--data", str(self.folder / "data")]
        command += ["--port", str(self.port), "--no-first-user"]
        with (self.folder / "hub.log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"the hub did not start:\n{self.log}")

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()


@contextmanager
def restarting(folder: Path) -> Iterator[Restarting]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    made = Restarting(folder, make_hub(folder), port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.hub.storage.close()
