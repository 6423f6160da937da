"""git clone of a long history, beside git's own server program and beside a clone on the same disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.bench import Bench
from bench.client import measured, run
from bench.figures import NONE, Figure, Result, Rounds, Table, contest
from bench.processes import Server
from bench.servers.nginx import Nginx, nginx

_FILES = 200
# fcgiwrap does not wait for what it starts, so the kernel forgets its CPU time: this notes it.
_SCRIPT = """#!/bin/bash
TIMEFORMAT="%U %S"
{{ time /usr/lib/git-core/git-http-backend 2> /dev/null; }} 2>> {spent}
"""
_GIT = """location / {{
  include /etc/nginx/fastcgi_params; fastcgi_pass unix:{socket}; fastcgi_buffering off;
  fastcgi_param SCRIPT_FILENAME {script}; fastcgi_param GIT_PROJECT_ROOT {root}; fastcgi_param GIT_HTTP_EXPORT_ALL "";
  fastcgi_param PATH_INFO $uri; fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol;
}}"""


def measure(bench: Bench) -> Result:
    count, folder = bench.options.commits, bench.folder / "history"
    bare = make_history(folder, count)
    hub, repo = bench.hub, "bench/history"
    hub.create(repo)
    run("git", "-C", str(bare), "push", "-q", "--force", hub.remote(repo), "main")
    entrants: dict[str, Callable[[], Figure]] = {
        "Openshelf": partial(_clone, hub.server, hub.remote(repo), folder / "copy"),
        "a clone by file:// on the same disk": partial(_clone, None, f"file://{bare}", folder / "copy"),
    }
    missing = Nginx.missing() or ("" if shutil.which("fcgiwrap") else "fcgiwrap is not installed")
    name = "nginx, fcgiwrap and git http-backend"
    if missing:
        found = contest(bench.options.rounds, entrants)
        found[name] = Rounds(failure=missing)
    else:
        with _http_backend(folder) as server:
            entrants[name] = partial(_clone_from_backend, server, folder)
            found = contest(bench.options.rounds, entrants)
    rows = [_row(entrant, result, found[name]) for entrant, result in found.items()]
    columns = ("server", "seconds (least–most)", "server CPU-s", "client CPU-s", "times the CPU of git http-backend")
    text = (
        f"{count} commits over {_FILES} files, pushed by git. For file:// the server's part is a child of the client "
        "and is in its CPU time. git http-backend asks nobody who may read."
    )
    shutil.rmtree(folder)
    return Result([Table(f"git clone of {count} commits", columns, rows, before=text)])


def make_history(folder: Path, commits: int) -> Path:
    """A packed bare repository with a branch ``main`` of so many commits, each changing one file."""
    bare = folder / "history.git"
    run("git", "init", "-q", "--bare", "-b", "main", str(bare))
    run("git", "-C", str(bare), "fast-import", "--quiet", stdin=b"".join(_stream(commits)))
    run("git", "-C", str(bare), "repack", "-adq")
    return bare


def _stream(commits: int) -> Iterator[bytes]:
    for number in range(commits):
        name = f"folder-{number % 20:02d}/file-{number % _FILES:03d}.txt"
        content = "".join(
            f"line {line} of {name}, changed {number if line == number % 40 else 0}\n" for line in range(40)
        )
        yield f"commit refs/heads/main\ncommitter Bench <bench@localhost> {1_700_000_000 + number} +0000\n".encode()
        message = f"Change {number}"
        yield f"data {len(message)}\n{message}\nM 100644 inline {name}\ndata {len(content)}\n{content}\n".encode()


@contextmanager
def _http_backend(folder: Path) -> Iterator[Server]:
    socket, script = folder / "fcgi.sock", folder / "backend.sh"
    script.write_text(_SCRIPT.format(spent=folder / "spent"))
    script.chmod(0o755)
    command = ["fcgiwrap", "-s", f"unix:{socket}", "-c", "1"]
    wrap = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not socket.exists():
            if wrap.poll() is not None:
                raise RuntimeError("fcgiwrap did not start")
            time.sleep(0.01)
        locations = _GIT.format(socket=socket, script=script, root=folder)
        with nginx(folder / "front", locations) as server:
            yield Server(server.url, server.pid, server.ready_seconds, beside=(wrap.pid,))
    finally:
        wrap.terminate()
        wrap.wait()


def _clone_from_backend(server: Server, folder: Path) -> Figure:
    spent, idle = folder / "spent", server.count()
    spent.write_text("")
    figure = _clone(server, f"{server.url}/history.git", folder / "copy")
    while server.count() > idle:
        time.sleep(0.01)
    return replace(figure, cpu=figure.cpu + sum(float(seconds) for seconds in spent.read_text().split()))


def _clone(server: Server | None, address: str, copy: Path) -> Figure:
    shutil.rmtree(copy, ignore_errors=True)
    return measured(server, 1, partial(run, "git", "clone", "-q", "--bare", address, str(copy)))


def _row(name: str, result: Rounds, floor: Rounds | None) -> tuple[str, ...]:
    if result.failure:
        return (name, f"left out: {result.failure}", NONE, NONE, NONE)
    cpu, ratio = result.of(lambda f: f.cpu), result.ratio(floor)
    return (
        name,
        result.spread(lambda f: f.seconds, ".2f"),
        f"{cpu:.2f}" if cpu else NONE,
        f"{result.of(lambda f: f.client_cpu):.2f}",
        f"{ratio:.1f}" if ratio is not None and cpu else NONE,
    )
