"""Many small files to a client: snapshot_download, git clone, and plain files by curl as the limit."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.bench import Bench
from bench.client import measured, run
from bench.figures import NONE, Figure, Result, Rounds, Table, contest
from bench.servers import Nginx

_CLIENT = "import sys; from huggingface_hub import snapshot_download; snapshot_download(sys.argv[1])"
_EACH = 2_000
_AT_ONCE = 8


def measure(bench: Bench) -> Result:
    count = bench.options.small_files
    files = _make_files(bench.folder / "small", count)
    found = contest(bench.options.rounds, _entrants(bench, files))
    rows = [_row(name, result, count) for name, result in found.items()]
    columns = ("download", "seconds (least–most)", "files/s", "server CPU, ms a file", "client CPU, ms a file")
    text = (
        f"{count} files of {_EACH} bytes, kept in git. `snapshot_download` begins with an empty cache, asks HEAD and "
        "GET for each file on 8 threads, and keeps each under its hash. Starting Python and loading the library is in "
        "its time."
    )
    shutil.rmtree(bench.folder / "small")
    return Result([Table(f"{count} small files to a client", columns, rows, before=text)])


def _row(name: str, result: Rounds, count: int) -> tuple[str, ...]:
    if result.failure:
        return (name, f"failed: {result.failure}", NONE, NONE, NONE)
    return (
        name,
        result.spread(lambda f: f.seconds, ".2f"),
        f"{count / result.of(lambda f: f.seconds):.0f}",
        f"{result.of(lambda f: f.cpu) / count * 1000:.2f}",
        f"{result.of(lambda f: f.client_cpu) / count * 1000:.2f}",
    )


def _make_files(folder: Path, count: int) -> dict[str, str]:
    """Path and content of the files, which are in ``folder`` too."""
    files = {f"part-{number // 100:02d}/file-{number:04d}.txt": os.urandom(_EACH // 2).hex() for number in range(count)}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return files


def _entrants(bench: Bench, files: dict[str, str]) -> dict[str, Callable[[], Figure]]:
    hub, repo = bench.hub, "bench/small-files"
    hub.create(repo)
    hub.commit(
        repo, [{"key": "file", "value": {"path": p, "content": c, "encoding": "utf-8"}} for p, c in files.items()]
    )
    home, clone = bench.folder / "home", bench.folder / "clone"

    def snapshot() -> Figure:
        shutil.rmtree(home, ignore_errors=True)
        command = partial(run, sys.executable, "-c", _CLIENT, repo, env=hub.client_environment(home))
        return measured(hub.server, 1, command)

    def cloned() -> Figure:
        shutil.rmtree(clone, ignore_errors=True)
        return measured(hub.server, 1, partial(run, "git", "clone", "-q", hub.remote(repo), str(clone)))

    entrants = {"Openshelf: snapshot_download": snapshot, "Openshelf: git clone": cloned}
    if nginx := bench.peer(Nginx):
        shutil.copytree(bench.folder / "small", nginx.files / "small", dirs_exist_ok=True)
        addresses = bench.folder / "addresses"
        addresses.write_text(
            "".join(f'url = "{nginx.server.url}/small/{path}"\noutput = "/dev/null"\n' for path in files)
        )
        fetch = partial(run, "curl", "-sSf", "-Z", "--parallel-max", str(_AT_ONCE), "-K", str(addresses))
        entrants[f"nginx: curl, {_AT_ONCE} at once, nothing kept"] = partial(measured, nginx.server, 1, fetch)
    return entrants
