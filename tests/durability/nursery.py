"""Servers by fork from a process in which everything is loaded: a start costs a tenth of the processor time then.

``python -m tests.durability.nursery`` reads one line of JSON for each server and answers with its process id.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Forked:
    """A server that the nursery has started; like subprocess.Popen, but for its exit code."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it lives; the nursery reaps it, so that nothing is left when it has ended."""
        try:
            return None if Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" else 0
        except OSError:
            return 0

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def wait(self, timeout: float = 60) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("openshelf serve", timeout)
            time.sleep(0.005)
        return 0

    def _send(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


class Nursery:
    """The other side: it and its servers end with the process that has made it."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.durability.nursery"]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=root, text=True
        )

    def start(self, arguments: list[str], log: Path) -> Forked:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))

    def close(self) -> None:
        with self._process:  # closes its pipes, and waits
            self._process.kill()


def main() -> None:
    import dbos  # noqa: F401 - loaded here once, in place of in every server

    from openshelf.interfaces.cli import serve  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _serve(request["arguments"], request["log"])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _serve(arguments: list[str], log: str) -> None:
    """The forked side. Never returns."""
    from openshelf.interfaces.cli.main import main as command

    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, target in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(descriptor, target)
        command(["serve", *arguments], standalone_mode=False)
    finally:
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
