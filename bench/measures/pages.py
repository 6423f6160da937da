"""What each kind of page costs the server: every route of the pages is walked, with what its address needs."""

from __future__ import annotations

import http.cookiejar
import re
import sys
import urllib.parse
import urllib.request
from statistics import median

from starlette.routing import Route

from bench.bench import Bench
from bench.client import Connection, Unexpected, measured, run
from bench.figures import Result, Table, Verdict, first_line
from bench.servers import Openshelf
from bench.servers.openshelf import PASSWORD, USER
from openshelf.interfaces.web.routes import routes

REPO = f"{USER}/a-model"
_ABSENT = ("assets", "static")
_CARD = (
    """---
license: apache-2.0
language: [en, de]
library_name: transformers
pipeline_tag: text-classification
tags: [bench, text]
datasets: [bench/some-data]
metrics: [accuracy]
---
# A model with a card

Some **words**, a [link](https://example.org), and `code`.

| task | score | note |
|---|---|---|
"""
    + "".join(f"| task {n} | {0.5 + n / 100:.2f} | measured in round {n} |\n" for n in range(30))
    + """
```python
from transformers import pipeline

classify = pipeline("text-classification", model="bench/a-model")
print(classify("It works."))
```

"""
    + "".join(f"## Section {n}\n\n{'Words that say something about the model. ' * 12}\n\n" for n in range(8))
)
_FILES = {
    "README.md": _CARD,
    "config.json": '{"architectures": ["Bench"], "hidden_size": 768}\n',
    "train.py": "".join(f"def step_{n}(batch):\n    return batch * {n}\n\n" for n in range(60)),
    "table.csv": "name,value,kind\n" + "".join(f"row {n},{n * n},{'odd' if n % 2 else 'even'}\n" for n in range(300)),
    **{f"parts/part-{n:02d}.txt": f"part {n}\n" for n in range(30)},
}
# Addresses whose query makes another page of the same route.
_QUERIES = {
    "/search": ("", "?q=model"),
    "/{kind:kind}": ("", "?q=model&sort=downloads"),
}
# Files that each have a viewer of their own.
_VIEWED = ("README.md", "config.json", "train.py", "table.csv")


def measure(bench: Bench) -> Result:
    cookie, commit = _prepare(bench.hub)
    rows: list[tuple[str, ...]] = []
    costs: dict[str, float] = {}
    for address in addresses(commit):
        shown = address.replace(commit, "COMMIT")
        try:
            cpu, wall, size = _cost_of_page(bench, address, cookie)
        except Unexpected as error:
            # What only sends elsewhere is no page, and what is missing needs something chosen first.
            if 300 <= error.status < 500:
                continue
            rows.append((f"`{shown}`", "–", "–", str(error)))
            continue
        except Exception as error:
            rows.append((f"`{shown}`", "–", "–", first_line(error)))
            continue
        costs[shown] = cpu
        rows.append((f"`{shown}`", f"{cpu:.1f}", f"{wall:.1f}", f"{size / 1000:.0f}"))
    dearest = max(costs, key=lambda name: costs[name], default="")
    over = sum(1 for cost in costs.values() if cost > 20)
    why = f"The dearest is `{dearest}`; {over} of {len(costs)} pages are over."
    verdict = Verdict(f"a page, server CPU, the dearest of {len(costs)}", costs.get(dearest), 20, "ms", why_missed=why)
    columns = ("page", "server CPU, ms", "until it is there, ms", "KB of HTML, not compressed")
    text = (
        f"Each asked {bench.options.page_views} times after 3 that warm up, by the administrator, signed in. Median "
        f"of the pages: {median(costs.values()) if costs else 0:.1f} ms of CPU."
    )
    return Result([Table("Pages", columns, rows, before=text)], [verdict])


def addresses(commit: str) -> list[str]:
    """An address of every kind of page that a GET shows."""
    values = {
        "kind": "models",
        "owner": USER,
        "name": "a-model",
        "repo": "a-model",
        "rev": "main",
        "revision": "main",
        "commit": commit,
        "branch": "main",
        "path": "README.md",
        "file": "README.md",
        "folder": "parts",
        "organisation": "a-lab",
        "user": USER,
        "base": "main",
        "head": "main",
    }
    found: dict[str, None] = {}
    for route in routes:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()) or _is_asset(route.path):
            continue
        names = re.findall(r"{(\w+)(?::\w+)?}", route.path)
        if set(names) <= set(values) and not ("kind" in names and "owner" in names and _has_short_form(route.path)):
            for more in _variants(route.path):
                given = {**values, **more}
                address = re.sub(r"{(\w+)(?::\w+)?}", lambda match, given=given: given[match[1]], route.path)  # type: ignore[misc]
                for query in _QUERIES.get(route.path, ("",)):
                    found[address + query] = None
    return list(found)


def _has_short_form(path: str) -> bool:
    """Models are also found without their kind: the same page."""
    return any(isinstance(route, Route) and route.path == re.sub(r"^/{\w+:kind}", "", path) for route in routes)


def _variants(path: str) -> list[dict[str, str]]:
    if "{path" not in path:
        return [{}]
    if "/tree/" in path:
        return [{"path": "parts"}]
    return [{"path": file} for file in _VIEWED] if "/blob/" in path else [{}]


def _is_asset(path: str) -> bool:
    return any(word in path for word in _ABSENT) or path.rpartition("/")[2].count(".") > 0


def _prepare(hub: Openshelf) -> tuple[str, str]:
    """Make a repo with a card, some files and commits, and an organisation; returns the cookie and a commit."""
    hub.create(REPO)
    files = [{"key": "file", "value": {"path": p, "content": c, "encoding": "utf-8"}} for p, c in _FILES.items()]
    hub.commit(REPO, files)
    for number in range(20):
        change = {"path": "parts/part-00.txt", "content": f"changed {number}\n", "encoding": "utf-8"}
        hub.commit(REPO, [{"key": "file", "value": change}])
    command = ("-m", "openshelf", "admin", "org", "create", "a-lab", "--owner", USER, "--data", str(hub.data))
    run(sys.executable, *command)
    listed = run("git", "ls-remote", hub.remote(REPO), "refs/heads/main").decode()
    return _sign_in(hub), listed.split()[0]


def _sign_in(hub: Openshelf) -> str:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(f"{hub.server.url}/login").read().decode()
    match = re.search(r'name="csrf"[^>]*value="([^"]*)"', page)
    form = {"csrf": match[1] if match else "", "name": USER, "password": PASSWORD, "next": "/"}
    opener.open(f"{hub.server.url}/login", urllib.parse.urlencode(form).encode()).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _cost_of_page(bench: Bench, address: str, cookie: str) -> tuple[float, float, int]:
    """Signed in, or as a stranger where a page is for them; raises Unexpected where it only sends elsewhere."""
    try:
        return _cost(bench, address, cookie)
    except Unexpected as error:
        try:
            return _cost(bench, address, "")
        except Unexpected:
            raise error from None


def _cost(bench: Bench, address: str, cookie: str) -> tuple[float, float, int]:
    """Server CPU and wall time in ms, and the bytes of the page."""
    connection, views, size = Connection(bench.hub.server.url, {"Cookie": cookie}), bench.options.page_views, 0
    try:
        for _ in range(3):
            _, size = connection.timed(address)

        def work() -> None:
            for _ in range(views):
                connection.timed(address)

        figure = measured(bench.hub.server, views, work)
    finally:
        connection.close()
    return figure.each * 1000, figure.seconds / views * 1000, size
