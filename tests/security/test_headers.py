"""What browsers are told with every answer of every route."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from openshelf.interfaces.asgi import build
from openshelf.services.hub import Hub
from tests.interfaces.test_private_is_invisible import PARAMETERS
from tests.interfaces.web.visitors import Visitor, make_repo

EVIL = {"origin": "https://evil.example", "accept": "text/html"}
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


def _addresses(hub: Hub) -> list[str]:
    known = PARAMETERS | {"name": "model", "kind": "models", "asset": "x", "document": "x"}
    found = set()
    for route in build(hub).router.routes:
        if isinstance(route, Route) or hasattr(route, "path"):
            found.add(_PARAMETER.sub(lambda match: known.get(match[1], "x"), route.path))
    return sorted(found)


def test_every_answer_keeps_browsers_safe(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"README.md": b"# M\n", "x.svg": b"<svg/>", "page.html": b"<script>1</script>"})
    addresses = _addresses(hub)
    assert len(addresses) > 100
    addresses += [f"/alice/model/resolve/main/{name}" for name in ("README.md", "x.svg", "page.html", "none")]
    for address in addresses:
        for method in ("GET", "POST", "OPTIONS", "TRACE"):
            answer = alice.client.request(method, address, headers=EVIL)
            where = f"{method} {address}"
            for name, value in ALWAYS.items():
                assert answer.headers[name] == value, where
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert answer.headers["cache-control"], where
            assert "access-control-allow-origin" not in answer.headers, where
            assert "access-control-allow-credentials" not in answer.headers, where
            assert "strict-transport-security" not in answer.headers, where
            assert method != "TRACE" or answer.status_code in (404, 405), where
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert "base-uri 'none'" in policy, where
                assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
                assert answer.headers["content-type"] == "text/html; charset=utf-8", where


def test_uploaded_pages_are_sent_as_text_in_a_sandbox(hub: Hub, alice: Visitor) -> None:
    names = [
        "a.html",
        "a.htm",
        "a.xhtml",
        "a.xml",
        "a.js",
        "a.mjs",
        "a.svgz",
        "a.pdf.html",
        "a.shtml",
        "a.mht",
        "a.swf",
    ]
    make_repo(hub, "alice", "model", dict.fromkeys(names, b"<script>alert(1)</script>"))
    for name in names:
        for route in ("resolve", "raw"):
            answer = alice.get(f"/alice/model/{route}/main/{name}")
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in ("text/plain", "application/octet-stream"), name
            assert "sandbox" in answer.headers["content-security-policy"]


def test_who_promised_https_is_held_to_it(hub: Hub) -> None:
    settings = replace(hub.settings, public_url="https://hub.example.org")
    client = TestClient(build(replace(hub, settings=settings)), base_url="https://hub.example.org")
    for address in ("/login", "/api/models", "/healthz"):
        assert client.get(address).headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
def test_a_method_is_what_the_request_line_says(hub: Hub, alice: Visitor, name: str) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"x"})
    for address in ("/api/repos/delete", f"/{repo.full_name}/settings?_method=DELETE"):
        alice.client.get(address, headers={name: "DELETE"})
        alice.client.post(address, json={"name": "alice/model"}, headers={name: "DELETE"})
    assert alice.get("/alice/model").status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_json_in_the_clothes_of_a_form_changes_nothing(hub: Hub, alice: Visitor, kind: str) -> None:
    """What a page of another site can make a browser send with its cookies: simple requests, without a preflight."""
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    for method, address, body in (
        ("POST", "/api/repos/create", b'{"name":"forged","type":"model"}'),
        ("DELETE", "/api/repos/delete", b'{"name":"model","organization":"alice","type":"model"}'),
        ("POST", "/api/repos/move", b'{"fromRepo":"alice/model","toRepo":"alice/moved","type":"model"}'),
        ("PUT", "/api/models/alice/model/settings", b'{"private":true}'),
        ("POST", "/api/models/alice/model/branch/forged", b"{}"),
        ("POST", "/api/models/alice/model/commit/main", b'{"key":"header","value":{"summary":"x"}}\n'),
    ):
        headers = {"accept": "application/json", **({"content-type": kind} if kind else {})}
        answer = alice.client.request(method, address, content=body, headers=headers)
        assert answer.status_code in (400, 401, 403), (method, address, answer.status_code)
    assert alice.get("/alice/model").status_code == 200
    assert alice.get("/alice/forged").status_code == 404


def test_looking_changes_nothing(hub: Hub, alice: Visitor) -> None:
    """No GET acts, so that neither a link nor an image can."""
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    before = _fingerprint(hub)
    for address in _addresses(hub):
        alice.client.get(address, headers={"accept": "text/html"})
    assert _fingerprint(hub) == before


def _fingerprint(hub: Hub) -> list[int]:
    import sqlalchemy as sa

    from openshelf.storage.catalogue import schema

    with hub.storage.catalogue.read() as tx:
        tables = (schema.accounts, schema.repos, schema.tokens, schema.sessions, schema.events, schema.invites)
        return [tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]
