"""A real hub in its own process, with people and tokens, and the log when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

_WENT_WELL = re.compile(r"\[info .* status=[123]\d\d\b")
START_SECONDS = 60.0
STOP_SECONDS = 30.0
PASSWORD = "correct horse battery staple"

_ADMIN = """
import json, sys
from click.testing import CliRunner
from openshelf.interfaces.cli.main import main
outputs = []
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, ["admin", *arguments], input=sys.argv[2])
    if done.exit_code:
        raise SystemExit(f"{arguments} ended with {done.exit_code}: {done.output} {done.exception!r}")
    outputs.append(done.stdout)
print(json.dumps(outputs))
"""

# Small parts make LFS uploads of a few dozen megabytes take the multipart way; failed sign-ins are part of the tests.
SETTINGS = {
    "lfs_part_bytes": "16000000",
    "rate_limit_requests": "0",
    "rate_limit_anonymous": "0",
    "rate_limit_sign_in": "100000",
}


@dataclass(frozen=True)
class People:
    """Who is there: alice runs the hub and owns the organisation; bob is somebody else."""

    alice: str
    alice_reads: str
    bob: str
    organisation: str = "shelf"


class LiveHub:
    """``with LiveHub(folder) as hub:`` the hub answers on ``hub.url`` and is stopped at the end."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log_path = folder / "hub.log"
        self._log_start = 0
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = _environment(folder, {**SETTINGS, **(settings or {})})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        self.people = self._make_people()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        code = self.stop()
        if kind is None:
            assert code == 0, f"the hub ended with {code}:\n{self.log_tail()}"

    def start(self) -> None:
        options = ("--data", str(self.data), "--host", "127.0.0.1", "--port", str(self.port))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "openshelf", "serve", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment,
            )
        self._wait_until_ready(self._process)

    def stop(self) -> int:
        """SIGTERM, then the exit code; SIGKILL and an error if it does not end in time."""
        process, self._process = self._process, None
        assert process is not None, "the hub was not started"
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"the hub did not end within {STOP_SECONDS:.0f} s of SIGTERM:\n{self.log_tail()}"
            ) from None

    def kill(self) -> None:
        """As a power cut does it."""
        process, self._process = self._process, None
        assert process is not None, "the hub was not started"
        process.kill()
        process.wait()

    def admin(self, *commands: tuple[str, ...], stdin: str = "") -> list[str]:
        """The outputs of several ``openshelf admin ...`` on the data folder, in one process to save starts."""
        lines = [[*command, "--data", str(self.data)] for command in commands]
        done = subprocess.run(
            [sys.executable, "-c", _ADMIN, json.dumps(lines), stdin],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{lines} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return [str(output).strip() for output in json.loads(done.stdout)]

    def log_tail(self, lines: int = 60) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def mark_log(self) -> None:
        """What is logged from here on belongs to the test that begins."""
        self._log_start = self.log_path.stat().st_size

    def complaints(self, lines: int = 60) -> str:
        """The log since the mark, without the requests that went well."""
        every = self.log_path.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        return "\n".join([line for line in every if not _WENT_WELL.search(line)][-lines:])

    def stored_bytes(self) -> int:
        """The bytes that the data folder occupies, counted by allocated blocks: a sparse file costs what it costs."""
        seen: set[int] = set()
        total = 0
        for path in self.data.rglob("*"):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if path.is_file() and not path.is_symlink() and status.st_ino not in seen:
                seen.add(status.st_ino)
                total += min(status.st_size, status.st_blocks * 512)
        return total

    def _make_people(self) -> People:
        made = self.admin(
            ("user", "create", "alice", "--password-stdin", "--admin"),
            ("user", "create", "bob", "--password-stdin"),
            ("org", "create", "shelf", "--owner", "alice"),
            ("token", "create", "alice", "--name", "laptop", "--role", "write"),
            ("token", "create", "alice", "--name", "reader", "--role", "read"),
            ("token", "create", "bob", "--name", "desk", "--role", "write"),
            stdin=PASSWORD + "\n",
        )
        return People(*made[-3:])

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise AssertionError(f"the hub ended at the start with {process.returncode}:\n{self.log_tail()}")
            try:
                if httpx.get(self.url + "/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        process.kill()
        raise AssertionError(f"the hub was not ready after {START_SECONDS:.0f} s:\n{self.log_tail()}")


def _environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENSHELF_", "HF_"))}
    return kept | {"HOME": str(folder)} | {f"OPENSHELF_{name.upper()}": value for name, value in settings.items()}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
