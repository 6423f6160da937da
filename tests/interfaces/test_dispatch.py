"""The quick way to a route finds the same as trying every route in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from openshelf.interfaces.asgi import build
from openshelf.interfaces.http.dispatch import RouteIndex
from tests.hubs import make_hub

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What parameters may hold: words that are also in routes, kinds, encoded slashes, dots, nothing special.
VALUES = ("alice", "models", "datasets", "resolve", "api", "tree", "a%2Fb", "main", "new", "settings", "x.git", "%0A")
# What some parameters must hold to match at all.
FIXED = {"kind": "datasets", "int": "7"}
EXTRA = (
    "/",
    "",
    "//",
    "/nowhere/at/all/here",
    "/alice/m/resolve",
    "/alice/m/resolve/",
    "/datasets/alice/d/resolve/main/a/resolve/b",
    "/alice/tree/tree/tree/tree",
    "/models/new",
    "/api/models/alice/m/tree/main/resolve/x",
    "/api",
    "/new/",
)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[BaseRoute]]:
    hub = make_hub(Path(tmp_path_factory.mktemp("dispatch")))
    yield build(hub).router.routes
    hub.storage.close()


def _addresses(routes: Sequence[BaseRoute]) -> Iterator[str]:
    yield from EXTRA
    for route in routes:
        if isinstance(route, Route):
            for shift in range(len(VALUES)):
                values = iter(VALUES[shift:] + VALUES[:shift])
                address = re.sub(r"{\w+(?::(\w+))?}", lambda m, v=values: FIXED.get(m[1]) or next(v), route.path)  # type: ignore[misc]
                yield address
                yield address + "/more/below"


def _first(routes: Sequence[BaseRoute], scope: Scope) -> tuple[BaseRoute, object] | None:
    for route in routes:
        match, more = route.matches(scope)
        if match is Match.FULL:
            return route, more.get("path_params")
    return None


def test_every_address_leads_to_the_route_that_would_be_found_by_trying_all(routes: Sequence[BaseRoute]) -> None:
    index, found = RouteIndex(routes), set()
    for address in dict.fromkeys(_addresses(routes)):
        candidates = list(index.candidates(address))
        for method in METHODS:
            scope: Scope = {"type": "http", "method": method, "path": address, "root_path": "", "headers": []}
            expected = _first(routes, scope)
            actual = _first(candidates, scope)
            assert actual == expected, (method, address)
            found.add(id(expected[0]) if expected else 0)
    assert len(found) > 0.9 * len(routes)


def test_few_routes_are_tried_for_the_busiest_addresses(routes: Sequence[BaseRoute]) -> None:
    index = RouteIndex(routes)
    for address in ("/alice/m/resolve/main/a/b", "/api/models/alice/m", "/alice/m/blob/main/x", "/alice/m"):
        assert len(list(index.candidates(address))) <= 12 < len(routes) / 10
