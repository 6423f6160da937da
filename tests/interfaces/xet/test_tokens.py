"""Who gets a token for the store, and how long it is worth something."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import TokenRole
from openshelf.domain.repos import Visibility
from openshelf.interfaces.asgi import build
from openshelf.services import accounts, repos, tokens
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import events
from tests.hubs import actor, add_user, client_of, make_hub
from tests.interfaces.xet.material import Cas, Person, anonymous, noise, pack, person


def test_headers_and_body_say_the_same(ada: Person) -> None:
    answer = ada.token(ada.repo("m"), "write")
    body = answer.json()
    assert body["casUrl"] == answer.headers["x-xet-cas-url"] == "http://testserver/xet/g1"
    assert body["accessToken"] == answer.headers["x-xet-access-token"]
    assert body["exp"] == int(answer.headers["x-xet-token-expiration"])
    assert 0 <= body["exp"] - time.time() - 900 + 5 <= 6


def test_the_revision_may_be_left_out(ada: Person) -> None:
    repo = ada.repo("m")
    for right in ("read", "write"):
        assert ada.http.get(f"/api/models/{repo.full_name}/xet-{right}-token").status_code == 200


def test_the_address_names_the_generation(hub: Hub, ada: Person) -> None:
    repo = ada.repo("m")
    old = ada.cas(repo)
    with hub.storage.catalogue.write() as tx:
        events.set_meta(tx, "xet-generation", "7")
    assert ada.token(repo, "read").json()["casUrl"].endswith("/xet/g7")
    old.send(pack(noise(9000, 1)))
    assert old.ask("GET", "/../g7/v1/chunks/default/" + "0" * 64).status_code == 404


def test_rights(hub: Hub, ada: Person, bob: Person) -> None:
    public, private = ada.repo("public"), ada.repo("private", private=True)
    reader = tokens.create(hub, accounts.find(hub, "ada"), "r", TokenRole.READ)[1]
    reading = Person(hub, "ada", reader, client_of(hub, reader))
    nobody = anonymous(hub)
    assert [p.token(public, "read").status_code for p in (ada, bob, reading, nobody)] == [200, 200, 200, 200]
    assert [p.token(private, "read").status_code for p in (ada, bob, reading, nobody)] == [200, 404, 200, 401]
    assert [p.token(public, "write").status_code for p in (ada, bob, reading, nobody)] == [200, 403, 403, 401]
    assert [p.token(private, "write").status_code for p in (ada, bob, reading, nobody)] == [200, 404, 403, 401]


def test_a_reader_may_propose(hub: Hub, ada: Person, bob: Person) -> None:
    public, private = ada.repo("public"), ada.repo("private", private=True)
    assert bob.token(public, "write", "None", "?create_pr=1").status_code == 200
    assert bob.token(public, "write", "main", "?create_pr=true").status_code == 200
    assert bob.token(public, "write", "None").status_code == 403
    assert bob.token(private, "write", "None", "?create_pr=1").status_code == 404
    assert anonymous(hub).token(public, "write", "None", "?create_pr=1").status_code == 401
    file = pack(noise(9000, 1))
    Cas(bob.http, bob.token(public, "write", "None", "?create_pr=1").json()["accessToken"]).send(file)


def test_a_token_for_reading_does_not_write(ada: Person) -> None:
    file = pack(noise(9000, 1))
    cas = ada.cas(ada.repo("m"), "read")
    assert cas.xorb(file.xorb).status_code == 403
    assert cas.grant(file.xorb) == 403
    assert cas.ask("POST", "/v2/shards", content=file.shard).status_code == 403
    assert cas.chunk(file.xorb).status_code == 404


def test_without_a_valid_token_nothing_is_told(hub: Hub, ada: Person) -> None:
    file = pack(noise(9000, 1))
    ada.cas(ada.repo("m")).send(file)
    for text in ("", "nonsense", "a.b", "x" * 9000, ada.secret or ""):
        cas = Cas(anonymous(hub).http, text)
        assert cas.plan(file.file).status_code == 401
        assert cas.xorb(file.xorb).status_code == 401
        assert cas.chunk(file.xorb).status_code == 401


def test_it_ends_with_time(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, xet_token_seconds=0)
    try:
        ada = person(hub, "ada")
        cas = ada.cas(ada.repo("m"))
        assert cas.xorb(pack(noise(9000, 1)).xorb).status_code == 401
    finally:
        hub.storage.close()


@pytest.mark.parametrize("ending", ["token", "account", "repo", "membership"])
def test_it_ends_with_what_it_was_given_for(hub: Hub, ada: Person, bob: Person, ending: str) -> None:
    lab = accounts.create_organisation(hub, "lab", accounts.find(hub, "ada"))
    member = accounts.find(hub, "bob")
    accounts.set_member(hub, lab, member, accounts.memberships(hub, accounts.find(hub, "ada"))[0].role)
    repo = repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, "m", owner="lab", visibility=Visibility.PRIVATE)
    file = pack(noise(9000, 1))
    cas = bob.cas(repo)
    cas.send(file)
    assert cas.plan(file.file).status_code == 200
    match ending:
        case "token":
            (token,) = tokens.of(hub, member)
            tokens.revoke(hub, actor(hub, "bob"), token.id)
        case "account":
            accounts.update(hub, member, is_disabled=True)
        case "repo":
            repos.delete(hub, actor(hub, "ada"), RepoKind.MODEL, RepoId("lab", "m"))
        case "membership":
            accounts.set_member(hub, lab, member, None)
    answer = cas.plan(file.file)
    assert (answer.status_code, "error" in answer.json()) == (401, True)
    assert cas.xorb(file.xorb).status_code in (401, 403)


def test_it_ends_with_the_repo_s_openness(hub: Hub, ada: Person, bob: Person) -> None:
    repo, file = ada.repo("open"), pack(noise(9000, 1))
    ada.cas(repo).send(file)
    read, propose = bob.cas(repo, "read"), bob.token(repo, "write", "None", "?create_pr=1").json()["accessToken"]
    assert read.plan(file.file).status_code == 200
    repos.set_visibility(hub, actor(hub, "ada"), repo, Visibility.PRIVATE)
    assert read.plan(file.file).status_code == 401
    assert Cas(bob.http, propose).xorb(file.xorb).status_code == 401


def test_a_disabled_account_does_not_even_read_what_is_open(hub: Hub, ada: Person, bob: Person) -> None:
    repo, file = ada.repo("open"), pack(noise(9000, 1))
    ada.cas(repo).send(file)
    read = bob.cas(repo, "read")
    accounts.update(hub, accounts.find(hub, "bob"), is_disabled=True)
    assert read.plan(file.file).status_code == 401


def test_a_read_only_hub_refuses_at_once(hub: Hub, ada: Person) -> None:
    # A 503 would make the client try for minutes without a word.
    repo, file = ada.repo("m"), pack(noise(9000, 1))
    write, read = ada.cas(repo), ada.cas(repo, "read")
    write.send(file)
    closed = TestClient(build(replace(hub, settings=replace(hub.settings, read_only=True))))
    headers = {"authorization": f"Bearer {ada.secret}"}
    answer = closed.get(f"/api/models/{repo.full_name}/xet-write-token/main", headers=headers)
    assert answer.status_code == 403
    assert "read-only" in answer.json()["error"]
    assert Cas(closed, write.token).xorb(file.xorb).status_code == 403
    assert Cas(closed, read.token).plan(file.file).status_code == 200


def test_rate_limits_count_the_store_too(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, rate_limit_requests=5)
    try:
        add_user(hub, "root-admin")
        ada = person(hub, "ada")
        cas, file = ada.cas(ada.repo("m")), pack(noise(9000, 1))
        assert [cas.chunk(file.xorb).status_code for _ in range(6)] == [404] * 4 + [429] * 2
    finally:
        hub.storage.close()
