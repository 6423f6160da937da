"""Lists and search over very many repos, by the API and as pages: how long the middle and the slowest answers take."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlencode

from bench.bench import Bench
from bench.client import Connection, run
from bench.figures import Result, Table, Verdict, first_line
from bench.many_repos import LICENCES, OWNERS, TASKS, Words
from bench.processes import Server
from bench.servers import Openshelf

SEARCH = "API: search, two common words or one and a rarer, 20 hits"
_SEED = 1
# What the neighbours do meanwhile is in single times; the least of some says what the question costs.
_TRIES = 3


@dataclass(frozen=True)
class Times:
    """Wall milliseconds of the middle, the 99th of a hundred, and the slowest; server CPU for each."""

    p50: float
    p99: float
    most: float
    cpu: float


def measure(bench: Bench) -> Result:
    hub, folder, count = Openshelf(), bench.folder / "many", bench.options.repos
    hub.prepare(folder)
    run(sys.executable, "-m", "bench.many_repos", str(hub.data), "--repos", str(count))
    rows: list[tuple[str, ...]] = []
    found: dict[str, Times] = {}
    with hub.serving(folder) as server:
        for name, ask in questions(count).items():
            try:
                times = found[name] = _ask(server, [ask() for _ in range(bench.options.questions)])
            except Exception as error:
                rows.append((name, f"failed: {first_line(error)}", "–", "–", "–"))
                continue
            values = (times.p50, times.p99, times.most, times.cpu)
            rows.append((name, *(f"{value:.1f}" for value in values)))
    columns = ("question", "p50, ms", "p99, ms", "slowest, ms", "server CPU, ms")
    text = (
        f"{count} made-up public repos (`bench/many_repos.py`): 28 words each, words and owners spread as on real hubs "
        f"(Zipf). {bench.options.questions} different questions of each kind, one after the other on one connection, "
        f"after 10 that warm up; each asked {_TRIES} times in rounds, of which the least counts."
    )
    searched = found.get(SEARCH)
    why = (
        f"{searched.cpu:.1f} ms of CPU time for the mean search; the middle one took {searched.p50:.1f} ms."
        if searched
        else ""
    )
    verdict = Verdict(f"search over {count} repos, p99", searched.p99 if searched else None, 20, "ms", why_missed=why)
    return Result([Table(f"Lists and search over {count} repos", columns, rows, before=text)], [verdict])


def questions(repos: int) -> dict[str, Callable[[], str]]:
    """For each kind of question to a hub with so many repos, what makes the address of another one."""
    # Some of the repos are no models, and lists show 30 on a page.
    pages = max(1, min(30, repos // 100))
    source = random.Random(_SEED + 1)
    ranked = Words(random.Random(_SEED)).ranked
    common, rarer = ranked[:200], ranked[200:5_000]

    def words() -> str:
        return " ".join([source.choice(common), source.choice(common if source.random() < 0.5 else rarer)])

    def api(**query: str) -> str:
        return "/api/models?" + urlencode({"limit": "20", **query})

    def filtered() -> str:
        return f"{source.choice(TASKS)},license:{source.choice(LICENCES)}"

    return {
        SEARCH: lambda: api(search=words()),
        "API: search, one rarer word": lambda: api(search=source.choice(rarer)),
        "API: search with a task": lambda: api(search=words(), pipeline_tag=source.choice(TASKS)),
        "API: list by downloads": lambda: api(sort="downloads"),
        "API: list with task and licence, by downloads": lambda: api(sort="downloads", filter=filtered()),
        "API: list of one owner": lambda: api(author=f"owner-{source.randrange(OWNERS)}"),
        "page: models": lambda: f"/models?p={source.randrange(pages)}",
        "page: search": lambda: "/search?" + urlencode({"q": words()}),
        "page: models of a task, by downloads": lambda: (
            "/models?" + urlencode({"tag": source.choice(TASKS), "sort": "downloads"})
        ),
    }


def _ask(server: Server, paths: Sequence[str]) -> Times:
    connection = Connection(server.url)
    try:
        for path in paths[:10]:
            connection.timed(path)
        before = server.cpu_seconds()
        rounds = [[connection.timed(path)[0] * 1000 for path in paths] for _ in range(_TRIES)]
        cpu = (server.cpu_seconds() - before) / len(paths) / _TRIES * 1000
        times = [min(tries) for tries in zip(*rounds, strict=True)]
    finally:
        connection.close()
    cuts = quantiles(times, n=100, method="inclusive")
    return Times(cuts[49], cuts[98], max(times), cpu)
