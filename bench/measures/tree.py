"""A folder of many files: by the API, as a page, and what lists cost elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from bench.bench import Bench
from bench.client import Connection, Unexpected, measured, run
from bench.figures import NONE, Figure, Result, Rounds, Table, Verdict, contest
from bench.processes import Server
from bench.servers import MLflow, Nginx
from bench.servers.mlflow import API

FOLDER = "data"
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_REPEAT = 5
WHOLE, PAGE = "Openshelf: API, the whole folder", "Openshelf: the page"


def measure(bench: Bench) -> Result:
    count = bench.options.files
    repo = make_repo(bench, count)
    found = contest(bench.options.rounds + 2, _entrants(bench, repo))
    rows = [_row(name, result) for name, result in found.items()]
    columns = ("listing", "ms until all of it is there (least–most)", "server CPU, ms")
    text = f"One folder of {count} files, one client that asks one thing after the other, each the mean of {_REPEAT}."
    why = "The API gives it in pages of 1000, each a request of its own."
    verdicts = [
        _verdict(f"tree of {count} files by the API, whole", found[WHOLE], why),
        _verdict(f"page of a folder of {count} files", found[PAGE]),
    ]
    return Result([Table(f"A tree of {count} files", columns, rows, before=text)], verdicts)


def _verdict(what: str, result: Rounds, why: str = "") -> Verdict:
    figure = result.of(lambda f: f.seconds / f.amount) * 1000 if result.figures else None
    cpu = f"{result.of(lambda f: f.each) * 1000:.0f} ms of it is CPU time." if result.figures else ""
    return Verdict(what, figure, 100, "ms", why_missed=f"{cpu} {why}".strip())


def make_repo(bench: Bench, count: int) -> str:
    """A repo with ``count`` small files in one folder, made by one commit."""
    hub, repo = bench.hub, "bench/tree"
    hub.create(repo)
    names = [f"{FOLDER}/part-{number:05d}.txt" for number in range(count)]
    changes = [{"key": "file", "value": {"path": name, "content": f"{name}\n", "encoding": "utf-8"}} for name in names]
    hub.commit(repo, changes)
    return repo


def _row(name: str, result: Rounds) -> tuple[str, ...]:
    if result.failure:
        return (name, f"failed: {result.failure}", NONE)
    cpu = result.of(lambda f: f.each) * 1000
    return (name, result.spread(lambda f: f.seconds / f.amount, ".1f", 1000), f"{cpu:.1f}" if cpu else NONE)


def _entrants(bench: Bench, repo: str) -> dict[str, Callable[[], Figure]]:
    hub = bench.hub
    api, page = f"/api/models/{repo}/tree/main", f"/{repo}/tree/main/{FOLDER}"
    listing = partial(_repeated, hub.server)
    entrants: dict[str, Callable[[], Figure]] = {
        WHOLE: partial(listing, f"{api}/{FOLDER}"),
        "Openshelf: API, the whole repo (recursive)": partial(listing, f"{api}?recursive=true"),
        "Openshelf: API, the first page": partial(listing, f"{api}/{FOLDER}", follow=False),
        PAGE: partial(listing, page, follow=False),
    }
    for peer in bench.peers(Nginx, MLflow):
        if isinstance(peer, Nginx | MLflow):
            folder = peer.files / FOLDER
            folder.mkdir(exist_ok=True)
            for number in range(bench.options.files):
                (folder / f"part-{number:05d}.txt").write_text("a small file\n")
            path = f"/list/{FOLDER}/" if isinstance(peer, Nginx) else f"{API}?path={FOLDER}"
            entrants[f"{peer.name}: list of a folder, names and sizes"] = partial(_repeated, peer.server, path)
    entrants["git ls-tree -r -l, a process of its own"] = partial(_ls_tree, bench, repo)
    return entrants


def _repeated(server: Server, path: str, *, follow: bool = True) -> Figure:
    connection = Connection(server.url)
    try:

        def work() -> None:
            for _ in range(_REPEAT):
                _list(connection, path, follow)

        return measured(server, _REPEAT, work)
    finally:
        connection.close()


def _list(connection: Connection, path: str, follow: bool) -> None:
    while path:
        status, headers, _content = connection.get(path)
        if status != 200:
            raise Unexpected(path, status)
        match = _NEXT.search(headers.get("link", "")) if follow else None
        after = urlsplit(match[1]) if match else None
        path = f"{after.path}?{after.query}" if after else ""


def _ls_tree(bench: Bench, repo: str) -> Figure:
    """git on a clone of the repo; its CPU time counts as the server's."""
    clone = bench.folder / "tree.git"
    if not clone.exists():
        run("git", "clone", "-q", "--mirror", bench.hub.remote(repo), str(clone))
    figure = measured(None, _REPEAT, partial(_ls_tree_repeated, str(clone)))
    return Figure(_REPEAT, figure.seconds, figure.client_cpu)


def _ls_tree_repeated(clone: str) -> None:
    for _ in range(_REPEAT):
        run("git", "-C", clone, "ls-tree", "-r", "-l", "HEAD")
