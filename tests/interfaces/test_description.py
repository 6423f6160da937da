"""The OpenAPI description tells of every route that is not a page."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from openshelf.interfaces.asgi import build
from openshelf.interfaces.http.description import plain
from openshelf.interfaces.web.routes import routes as page_routes
from tests.hubs import make_hub

LEFT_OUT = {
    "/openapi.json": "the description itself",
    "/api/{path}": "answers that there is nothing",
    "/xet/{path}": "answers that there is nothing",
    "/api/{kind}/{name}": "ids without an owner, always missing",
    "/api/{kind}/{name}/revision/{rev}": "ids without an owner, always missing",
    "/{name}/resolve/{rev}/{path}": "ids without an owner, always missing",
}


def test_every_route_but_pages_is_described(tmp_path: Path) -> None:
    hub = make_hub(tmp_path)
    app = build(hub)
    paths = app.openapi()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}
    pages = {id(route) for route in page_routes}
    routed, unused = set(), set(LEFT_OUT)
    for route in app.routes:
        assert isinstance(route, Route), "teach this test what else there is"
        if id(route) in pages:
            continue
        path = plain(route.path)
        if path in LEFT_OUT:
            unused.discard(path)
            continue
        routed |= {(method, path) for method in route.methods or ("GET",) if method not in ("HEAD", "OPTIONS")}
    hub.storage.close()
    assert routed == described
    assert not unused
    assert len(routed) > 70


def test_each_operation_can_be_told_apart(tmp_path: Path) -> None:
    hub = make_hub(tmp_path)
    paths = build(hub).openapi()["paths"]
    hub.storage.close()
    names = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(set(names)) == len(names)
    for path, item in paths.items():
        for method, operation in item.items():
            stated = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in stated), (method, path)
            assert path.count("{") == len(stated), (method, path)
            assert operation["summary"], (method, path)
