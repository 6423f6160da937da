"""Forms are taken only from this hub's own pages, and pages may run only this hub's own script."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from openshelf.domain.names import RepoId, RepoKind
from openshelf.errors import RepoNotFound
from openshelf.interfaces.web import csrf
from openshelf.interfaces.web.routes import routes
from openshelf.interfaces.web.visit import CONTENT_SECURITY_POLICY
from openshelf.services import repos
from openshelf.services.hub import Hub
from tests.hubs import PASSWORD, actor
from tests.interfaces.web.visitors import Visitor, elements, make_repo

NEW = {"kind": "model", "owner": "alice", "name": "forged", "visibility": "public"}


def exists(hub: Hub) -> bool:
    try:
        repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", "forged"))
    except RepoNotFound:
        return False
    return True


def test_a_form_without_its_token_does_nothing(hub: Hub, alice: Visitor) -> None:
    for token in ("", "x", "AAAA", csrf.token(hub, "another secret")):
        answer = alice.post("/new", {**NEW, "csrf": token})
        assert answer.status_code == 403, token
        assert "Nothing was done" in answer.text
    assert not exists(hub)


def test_the_token_of_another_browser_does_nothing(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    assert alice.post("/new", {**NEW, "csrf": bob.token("/new")}).status_code == 403
    assert not exists(hub)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    ],
)
def test_a_form_from_another_site_does_nothing(hub: Hub, alice: Visitor, headers: dict[str, str]) -> None:
    fields = {**NEW, "csrf": alice.token("/new")}
    answer = alice.client.post("/new", data=fields, headers=headers)
    assert answer.status_code == 403
    assert not exists(hub)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://testserver.evil.example"])
def test_an_old_browser_is_judged_by_origin(hub: Hub, alice: Visitor, origin: str) -> None:
    fields = {**NEW, "csrf": alice.token("/new")}
    assert alice.client.post("/new", data=fields, headers={"origin": origin}).status_code == 403
    assert not exists(hub)
    assert alice.client.post("/new", data=fields, headers={"origin": "http://testserver"}).status_code == 303


def test_signing_in_needs_the_browsers_own_cookie(hub: Hub, stranger: Visitor) -> None:
    token = stranger.token("/login")
    assert csrf.COOKIE in stranger.client.cookies
    elsewhere = Visitor(hub)
    fields = {"csrf": token, "name": "alice", "password": PASSWORD}
    assert elsewhere.post("/login", fields).status_code == 403
    assert stranger.post("/login", fields).status_code == 303


def test_the_token_never_looks_the_same_twice(alice: Visitor) -> None:
    assert alice.token("/new") != alice.token("/new")


def test_only_forms_are_read(alice: Visitor) -> None:
    answer = alice.client.post("/new", json=NEW, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 400
    big = {**NEW, "csrf": alice.token("/new"), "padding": "x" * 300_000}
    assert alice.post("/new", big).status_code == 413


def test_every_form_but_the_colours_checks_the_token(hub: Hub, alice: Visitor) -> None:
    parts = {"kind": "datasets", "owner": "alice", "name": "x", "session": "x", "token": "x", "user": "bob"}
    parts |= {"organisation": "x", "rev": "main", "path": "x"}
    checked = 0
    for route in routes:
        assert isinstance(route, Route)
        if "POST" not in (route.methods or ()) or route.path == "/settings/appearance":
            continue
        path = route.path
        for name, value in parts.items():
            for convertor in ("", ":segment", ":owner", ":rest", ":kind"):
                path = path.replace(f"{{{name}{convertor}}}", value)
        answer = alice.post(path, {"csrf": "forged"})
        assert answer.status_code == 403, path
        assert "Nothing was done" in answer.text, path
        checked += 1
    assert checked > 15


def test_every_page_carries_the_policy(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"README.md": b"# A model\n", "a.txt": b"x"})
    pages = ["/", "/models", "/search?q=model", "/alice", "/alice/model", "/alice/model/tree/main", "/new"]
    pages += ["/alice/model/blob/main/a.txt", "/alice/model/commits/main", "/alice/model/settings", "/nothing/here"]
    pages += ["/settings/account", "/settings/tokens", "/organizations/new", "/administration", "/docs/api", "/logout"]
    for path in pages:
        answer = alice.get(path)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] in ("private, no-cache", "no-store")
        assert " style=" not in answer.text, path
        assert "<style" not in answer.text
        assert " onclick" not in answer.text
        assert answer.text.count("<script") == answer.text.count('<script src="/static/') >= 1


def test_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_hostile_words_stay_words(hub: Hub, alice: Visitor) -> None:
    card = f"""---
license: '{HOSTILE}'
tags: ['{HOSTILE}']
library_name: '{HOSTILE}'
base_model: '../../{HOSTILE}'
---
# Title {HOSTILE}

[link](javascript:alert(3)) ![image](x" onerror="alert(4)) <svg onload=alert(5)></svg>
<form action="/logout" method="post"><button>free prize</button></form>
<style>body {{ display: none }}</style><base href="https://evil.example/">
""".encode()
    name = "<img src=x onerror=alert(6)>.txt"
    make_repo(
        hub, "alice", "hostile", {"README.md": card, name: HOSTILE.encode(), "x.svg": b"<svg onload='alert(7)'/>"}
    )
    assert alice.submit("/settings/account", full_name=HOSTILE).status_code == 303
    pages = ["/alice/hostile", "/alice/hostile/tree/main", "/alice/hostile/commits/main", "/", "/alice"]
    pages += ["/models?tag=" + HOSTILE.replace('"', "%22"), "/search?q=" + HOSTILE.replace('"', "%22")]
    pages += ["/alice/hostile/blob/main/%3Cimg%20src=x%20onerror=alert(6)%3E.txt", "/alice/hostile/blob/main/x.svg"]
    for path in pages:
        body = [element for element in elements(alice.text(path)) if element.tag not in ("html", "head", "title")]
        scripts = [element.attributes.get("src", "") for element in body if element.tag == "script"]
        assert scripts[0].startswith("/static/openshelf."), path
        assert all(script.startswith("/static/") for script in scripts), path
        assert not {element.tag for element in body} & {"style", "base", "iframe", "object", "embed"}, path
        assert sum(element.attributes.get("action") == "/logout" for element in body) == 1, path
        for element in body:
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"], (
                path,
                element,
            )
            for name in ("href", "src", "action"):
                assert element.attributes.get(name, "/").startswith(("/", "#")), (path, element)
