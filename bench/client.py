"""The programs that load the servers: curl for bytes, ApacheBench for rates, one kept connection for latencies."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Figure
from bench.processes import Server


@dataclass(frozen=True)
class Target:
    """An address with the headers that it asks for."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


def measured(server: Server | None, amount: float, work: Callable[[], object]) -> Figure:
    """Run ``work`` and note wall time, the server's CPU time, and that of the programs that ``work`` ran."""
    cpu, client, started = server.cpu_seconds() if server else 0.0, children_cpu(), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return Figure(amount, seconds, (server.cpu_seconds() if server else 0.0) - cpu, children_cpu() - client)


def children_cpu() -> float:
    """CPU-seconds of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def get_all(targets: Sequence[Target]) -> None:
    """Download to nowhere, each with a curl of its own, all at once."""
    _together([_curl(target, "-o", "/dev/null") for target in targets])


def put_all(targets: Sequence[tuple[Target, Path]]) -> None:
    """Upload by PUT, each with a curl of its own, all at once."""
    _together([_curl(target, "-o", "/dev/null", "-T", str(path)) for target, path in targets])


def _curl(target: Target, *more: str) -> list[str]:
    # Without "Expect:" curl waits a second for servers that do not answer it.
    headers = [f"{name}: {value}" for name, value in target.headers.items()] + ["Expect:"]
    return ["curl", "-sSf", *more, *(part for header in headers for part in ("-H", header)), target.url]


def _together(commands: Sequence[list[str]]) -> None:
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands]
    said = [process.communicate()[1] for process in running]
    for process, message in zip(running, said, strict=True):
        if process.returncode:
            raise RuntimeError(f"curl ended with {process.returncode}: {message.decode(errors='replace').strip()}")


def ask(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
) -> tuple[Mapping[str, str], bytes]:
    """One request; returns headers and content. Raises urllib's HTTPError from 400 on."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    with urllib.request.urlopen(request, timeout=600) as response:
        return response.headers, response.read()


def ask_json(url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    given = {} if data is None else {"Content-Type": "application/json"}
    return json.loads(ask(url, data, {**given, **(headers or {})})[1])


def requests_per_second(
    server: Server, target: Target, method: str, seconds: int, *, body: Path | None = None, connections: int = 16
) -> Figure:
    """Requests answered in ``seconds`` on kept connections (ApacheBench); raises where any is not answered by 2xx."""
    headers = dict(target.headers)
    options = ["-q", "-k", f"-c{connections}", f"-t{seconds}", "-n10000000"]
    if method == "HEAD":
        options.append("-i")
    if body:
        options += ["-p", str(body), "-T", headers.pop("Content-Type", "application/json")]
    options += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    answered = 0.0

    def load() -> None:
        nonlocal answered
        done = subprocess.run(["ab", *options, target.url], capture_output=True, text=True, check=False)
        match = re.search(r"Complete requests:\s+(\d+)", done.stdout)
        if match is None or "Non-2xx responses" in done.stdout:
            raise RuntimeError(f"ab: {(done.stderr or done.stdout).strip()[-300:]}")
        answered = float(match[1])

    figure = measured(server, 0, load)
    return Figure(answered, figure.seconds, figure.cpu, figure.client_cpu)


class Unexpected(RuntimeError):
    """An answer with another status than 200."""

    def __init__(self, path: str, status: int) -> None:
        super().__init__(f"GET {path} was answered with {status}")
        self.status = status


class Connection:
    """One kept connection that asks one thing after the other."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._headers = dict(headers or {})
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers (names in lower case) and content."""
        self._http.request("GET", path, headers=self._headers)
        response = self._http.getresponse()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()

    def timed(self, path: str) -> tuple[float, int]:
        """Seconds until the answer was there whole, and its size; raises where it is not 200."""
        started = time.perf_counter()
        status, _, content = self.get(path)
        if status != 200:
            raise Unexpected(path, status)
        return time.perf_counter() - started, len(content)

    def close(self) -> None:
        self._http.close()


def run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> bytes:
    """Run a program to its end; raises with what it said where it fails."""
    given = {**os.environ, **(env or {})}
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=given, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {' '.join(said[-3:])}")
    return done.stdout
