"""Servers under measurement: started, waited for, and their CPU time and memory read from /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 180.0


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its first process, wall and CPU seconds until it answered.

    ``beside`` are the first processes of programs that it needs beside it.
    """

    url: str
    pid: int
    ready_seconds: float
    ready_cpu: float = 0.0
    beside: tuple[int, ...] = ()

    def cpu_seconds(self) -> float:
        """User and system time of the processes, their living descendants, and the dead ones they waited for."""
        return sum(_times(pid) for pid in self._processes())

    def pss_mib(self) -> float:
        """Proportional memory of the processes and their descendants."""
        return sum(_pss_kib(pid) for pid in self._processes()) / 1024

    def count(self) -> int:
        """How many processes there are."""
        return len(self._processes())

    def _processes(self) -> list[int]:
        return [pid for first in (self.pid, *self.beside) for pid in _tree(first)]


class Peak:
    """The most memory that a server took while this was entered, looked at ten times a second."""

    def __init__(self, server: Server) -> None:
        self.mib = 0.0
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.mib = max(self.mib, self._server.pss_mib())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    env: dict[str, str] | None = None,
    *,
    path: str = "/readyz",
    folder: Path | None = None,
) -> Iterator[Server]:
    """Start a server, in ``folder``, and stop it at the end; fails with its log where it is not ready in three minutes.

    It is ready when it answers ``path``, in whatever way.
    """
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        while not _answers(port, path):
            if process.poll() is not None or time.perf_counter() - started > _START_SECONDS:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        cpu = sum(_times(pid) for pid in _tree(process.pid))
        yield Server(f"http://127.0.0.1:{port}", process.pid, seconds, cpu)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=30)
            return
        except ProcessLookupError:
            process.wait()
            return
        except subprocess.TimeoutExpired:
            continue


def _answers(port: int, path: str) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        if sock.connect_ex(("127.0.0.1", port)) != 0:
            return False
        try:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return sock.recv(5) == b"HTTP/"
        except OSError:
            return False


def _tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children.get(current, [])
    return found


def _times(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in fields[11:15]) / _TICKS


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
