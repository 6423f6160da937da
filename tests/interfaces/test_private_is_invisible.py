"""A private repo cannot be told from a missing one: every route, every kind of actor, every method."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Account, Grant, Role, TokenRole
from openshelf.domain.repos import Visibility
from openshelf.domain.tree import AddInline
from openshelf.interfaces.asgi import build
from openshelf.interfaces.http.requests import SESSION_COOKIE
from openshelf.services import accounts, push, refs, repos, tokens
from openshelf.services.hub import Hub
from tests.hubs import make_hub

PRIVATE, ABSENT = "hidden-thing", "absent-thing"
ACTORS = ("anonymous", "stranger", "stranger-reading", "member-elsewhere", "owner-with-narrow-token", "bad-token")
SHA1, SHA256 = "0" * 40, "ab" * 32
PARAMETERS = {
    "owner": "alice",
    "rev": "main",
    "spec": "main..work",
    "branch": "work",
    "tag": "v1",
    "path": "README.md",
    "file": "README.md",
    "number": "1",
    "num": "1",
    "generation": "1",
    "prefix": "default",
    "hash": SHA256,
    "xorb_hash": SHA256,
    "file_hash": SHA256,
    "sha256": SHA256,
}
BODIES = (
    ("/commit/", b'{"key":"header","value":{"summary":"x"}}\n{"key":"deletedFile","value":{"path":"README.md"}}\n'),
    ("/preupload/", json.dumps({"files": [{"path": "a", "size": 1, "sample": "YQ=="}]}).encode()),
    ("/paths-info/", b"paths=README.md&expand=false"),
    ("/objects/batch", json.dumps({"operation": "download", "objects": [{"oid": SHA256, "size": 3}]}).encode()),
    ("/tag/", json.dumps({"tag": "v2"}).encode()),
    ("/super-squash/", json.dumps({"message": "one"}).encode()),
    ("/settings", json.dumps({"private": False}).encode()),
    ("/discussions", json.dumps({"title": "t", "description": "d", "pullRequest": True}).encode()),
    ("/git-upload-pack", b"0000"),
    ("/git-receive-pack", b"0000"),
    ("/xorbs/", b"x"),
    ("/shards", b"x"),
)
QUERIES = ("", "?service=git-upload-pack", "?service=git-receive-pack", "?recursive=true&expand=true&create_pr=1")


@dataclass(frozen=True)
class World:
    app: FastAPI
    hub: Hub
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    hub = make_hub(tmp_path_factory.mktemp("invisible"), rate_limit_requests=0, rate_limit_anonymous=0)
    alice, stranger, member = (_user(hub, name) for name in ("alice", "stranger", "member"))
    alice_actor = accounts.actor_of(hub, alice)
    for kind in RepoKind:
        repo = repos.create(hub, alice_actor, kind, PRIVATE, visibility=Visibility.PRIVATE)
        push.commit(hub, alice_actor, repo, "main", [AddInline("README.md", b"# secret words\n")], "card")
        refs.create_branch(hub, alice_actor, repo, "work")
        refs.create_tag(hub, alice_actor, repo, "v1", "main")
        push.open_pull(hub, alice_actor, repo, "a secret title")
    other = repos.create(hub, alice_actor, RepoKind.MODEL, "another", visibility=Visibility.PRIVATE)
    repos.create(hub, accounts.actor_of(hub, stranger), RepoKind.MODEL, "own")
    lab = accounts.create_organisation(hub, "lab", alice)
    accounts.set_member(hub, lab, member, Role.WRITE)
    secrets = {
        "stranger": tokens.create(hub, stranger, "t", TokenRole.WRITE)[1],
        "stranger-reading": tokens.create(hub, stranger, "r", TokenRole.READ)[1],
        "member-elsewhere": tokens.create(hub, member, "t", TokenRole.WRITE)[1],
        "owner-with-narrow-token": tokens.create(
            hub, alice, "narrow", TokenRole.FINE_GRAINED, grants=[Grant(other.id, Role.READ)]
        )[1],
        "bad-token": "osh_nobody_has_this_token",
        "owner": tokens.create(hub, alice, "t", TokenRole.WRITE)[1],
    }
    yield World(build(hub), hub, secrets)
    hub.storage.close()


def _user(hub: Hub, name: str) -> Account:
    return accounts.create_user(hub, name, "a long enough password")


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    found = []
    for route in app.routes:
        if isinstance(route, Route):
            found += [(method, route.path) for method in sorted(route.methods or {"GET"}) if method != "OPTIONS"]
    return found


def _addresses(template: str, name: str) -> Iterator[str]:
    """``template`` with its parameters filled in, once for each kind of repo that it can name."""
    names = re.findall(r"{(\w+)(?::\w+)?}", template)
    kinds = [kind.plural for kind in RepoKind] if "kind" in names else [""]
    for kind in kinds:
        values = {**PARAMETERS, "kind": kind, "name": name, "repo": name}
        unknown = [parameter for parameter in names if parameter not in values]
        assert not unknown, f"teach this test what to put for {unknown} in {template}"
        yield re.sub(r"{(\w+)(?::\w+)?}", lambda match, values=values: values[match[1]], template)  # type: ignore[misc]


def _ask(client: TestClient, secret: str | None, method: str, address: str) -> tuple[int, dict[str, str], str]:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    body = next((content for part, content in BODIES if part in address), b"{}")
    form = "/paths-info/" in address
    headers["content-type"] = "application/x-www-form-urlencoded" if form else "application/json"
    response = client.request(method, address, headers=headers, content=body if method != "GET" else None)
    kept = {k: v for k, v in response.headers.items() if k not in ("x-request-id", "date", "content-length")}
    text = response.text
    for volatile in (response.headers["x-request-id"],):
        text = text.replace(volatile, "ID")
    return response.status_code, kept, text


def _neutral(answer: tuple[int, dict[str, str], str], name: str) -> tuple[int, dict[str, str], str]:
    """The answer without what differs between any two: the name asked for, and values made anew each time."""
    status, headers, text = answer
    clean = re.sub(r'(name="csrf[^"]*" value=)"[^"]*"', r"\1CSRF", text.replace(name, "NAME"))
    values = {k: re.sub(r"(csrf[^=]*)=[^;]*", r"\1=CSRF", v.replace(name, "NAME")) for k, v in headers.items()}
    return status, values, clean


@pytest.mark.parametrize("actor", ACTORS)
def test_every_route_answers_alike_for_private_and_missing(world: World, actor: str) -> None:
    client = TestClient(world.app, raise_server_exceptions=False, follow_redirects=False)
    secret = world.secrets.get(actor)
    asked = 0
    for method, template in _routes(world.app):
        if "{name" not in template and "{repo" not in template:
            continue
        for private, absent in zip(_addresses(template, PRIVATE), _addresses(template, ABSENT), strict=True):
            for query in QUERIES:
                client.cookies.clear()
                seen = _neutral(_ask(client, secret, method, private + query), PRIVATE)
                client.cookies.clear()
                expected = _neutral(_ask(client, secret, method, absent + query), ABSENT)
                assert seen == expected, f"{actor}: {method} {private}{query}"
                assert seen[0] < 500, f"{actor}: {method} {private}{query} -> {seen}"
                assert "secret" not in seen[2]
                asked += 1
    assert asked > 200


NAMED_IN_THE_BODY = (
    ("DELETE", "/api/repos/delete", {"name": "NAME", "organization": "alice", "type": "model"}),
    ("POST", "/api/repos/create", {"name": "NAME", "organization": "alice", "type": "model"}),
    ("POST", "/api/repos/move", {"fromRepo": "alice/NAME", "toRepo": "stranger/taken", "type": "model"}),
    ("POST", "/api/repos/move", {"fromRepo": "stranger/own", "toRepo": "alice/NAME", "type": "model"}),
)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize(("method", "address", "body"), NAMED_IN_THE_BODY)
def test_repos_named_in_a_body(world: World, actor: str, method: str, address: str, body: dict[str, str]) -> None:
    client = TestClient(world.app, raise_server_exceptions=False)
    secret = world.secrets.get(actor)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    answers = []
    for name in (PRIVATE, ABSENT):
        sent = {key: value.replace("NAME", name) for key, value in body.items()}
        response = client.request(method, address, json=sent, headers=headers)
        answers.append((response.status_code, response.text.replace(name, "NAME")))
    assert answers[0] == answers[1]
    assert 400 <= answers[0][0] < 500


def test_pages_answer_alike_to_somebody_who_is_signed_in(world: World) -> None:
    stranger = accounts.find(world.hub, "stranger")
    client = TestClient(world.app, raise_server_exceptions=False, follow_redirects=False)
    secret = accounts.start_session(world.hub, stranger)
    pages = [template for method, template in _routes(world.app) if method == "GET" and "{name" in template]
    assert len(pages) > 30
    for template in pages:
        for private, absent in zip(_addresses(template, PRIVATE), _addresses(template, ABSENT), strict=True):
            answers = []
            for address, name in ((private, PRIVATE), (absent, ABSENT)):
                client.cookies.clear()
                client.cookies.set(SESSION_COOKIE, secret)
                answers.append(_neutral(_ask(client, None, "GET", address), name))
            assert answers[0] == answers[1], private
            assert answers[0][0] in (400, 403, 404, 405, 501), private


@pytest.mark.parametrize("actor", [actor for actor in ACTORS if actor != "bad-token"])
def test_lists_never_show_it(world: World, actor: str) -> None:
    client = TestClient(world.app)
    secret = world.secrets.get(actor)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    for address in ("/", "/models", "/datasets", "/alice", "/api/models", "/api/datasets", "/api/models?author=alice"):
        for query in ("", "search=hidden", "search=hidden-thing", "search=secret", "full=true"):
            joined = f"{address}{'&' if '?' in address else '?'}{query}"
            response = client.get(joined, headers=headers)
            assert response.status_code < 500
            body = response.text.replace("search=hidden-thing", "").replace('value="hidden-thing"', "")
            assert "/hidden-thing" not in body, joined
            assert "secret words" not in body, joined


def test_its_owner_sees_it(world: World) -> None:
    client = TestClient(world.app)
    headers = {"authorization": f"Bearer {world.secrets['owner']}"}
    assert client.get(f"/api/models/alice/{PRIVATE}", headers=headers).status_code == 200
    assert PRIVATE in client.get("/api/models?author=alice", headers=headers).text
    assert "secret words" in client.get(f"/alice/{PRIVATE}/resolve/main/README.md", headers=headers).text
