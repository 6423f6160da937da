"""Repos made, set up, renamed and deleted through the API."""

from __future__ import annotations

import pytest

from openshelf.domain.names import RepoId, RepoKind
from openshelf.errors import RepoNotFound
from openshelf.services import accounts, repos
from tests.interfaces.hf.conftest import Here, error_of


def test_who_am_i(here: Here) -> None:
    alice = accounts.find(here.hub, "alice")
    accounts.create_organisation(here.hub, "shelf", alice, full_name="The Shelf")
    found = here.alice_reads.get("/api/whoami-v2").json()
    assert (found["type"], found["name"], found["fullname"]) == ("user", "alice", "alice")
    assert [(org["name"], org["fullname"], org["roleInOrg"]) for org in found["orgs"]] == [
        ("shelf", "The Shelf", "admin")
    ]
    assert found["auth"]["type"] == "access_token"
    assert (found["auth"]["accessToken"]["displayName"], found["auth"]["accessToken"]["role"]) == ("reading", "read")


def test_a_wrong_token_is_told_so_in_known_words(here: Here) -> None:
    for address in ("/api/whoami-v2", "/api/models", "/api/models/alice/x", "/alice/x/resolve/main/a"):
        response = here.anonymous.get(address, headers={"Authorization": "Bearer hf_wrong_wrong_wrong"})
        assert error_of(response) == (401, None, "Invalid credentials in Authorization header"), address


def test_a_new_repo_has_one_commit_with_one_file(here: Here) -> None:
    answer = here.alice.post("/api/repos/create", json={"name": "fresh", "type": "dataset", "visibility": "private"})
    assert answer.json()["url"] == "http://testserver/datasets/alice/fresh"
    commits = here.alice.get("/api/datasets/alice/fresh/commits/main").json()
    assert [(c["title"], c["authors"]) for c in commits] == [("initial commit", [{"user": "alice"}])]
    tree = here.alice.get("/api/datasets/alice/fresh/tree/main?recursive=true").json()
    assert [entry["path"] for entry in tree] == [".gitattributes"]
    assert here.anonymous.get("/api/datasets/alice/fresh").status_code == 401


def test_an_existing_repo_is_named_by_its_address(here: Here) -> None:
    here.alice.post("/api/repos/create", json={"name": "Twice"})
    response = here.alice.post("/api/repos/create", json={"name": "twice", "organization": "alice", "private": True})
    assert response.status_code == 409
    assert response.json()["url"] == "http://testserver/alice/Twice"
    assert "You already created this model repo" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "private"),
    [
        ({"private": True}, True),
        ({"private": False}, False),
        ({"visibility": "private"}, True),
        ({"visibility": "public", "private": True}, False),
        ({}, False),
    ],
)
def test_old_and_new_clients_say_differently_that_it_is_private(
    here: Here, body: dict[str, object], private: bool
) -> None:
    name = f"v-{sorted(body.items())}".translate({ord(c): "-" for c in " '(),[]:"}).replace("--", "").strip("-")
    assert here.alice.post("/api/repos/create", json={"name": name, **body}).status_code == 200
    assert here.alice.get(f"/api/models/alice/{name}").json()["private"] is private


def test_the_url_is_on_the_host_that_the_client_used(here: Here) -> None:
    response = here.alice.post("/api/repos/create", json={"name": "hosted"}, headers={"Host": "hub.example:8000"})
    assert response.json()["url"] == "http://hub.example:8000/alice/hosted"


def test_a_space_says_its_sdk(here: Here) -> None:
    body = {"name": "demo", "type": "space", "sdk": "gradio", "secrets": [{"key": "K", "value": "hush"}]}
    response = here.alice.post("/api/repos/create", json=body)
    assert response.status_code == 200
    assert "not kept: secrets" in response.headers["x-hf-warning"]
    assert "hush" not in response.headers["x-hf-warning"]
    found = here.anonymous.get("/api/spaces/alice/demo").json()
    assert (found["sdk"], found["cardData"]["title"]) == ("gradio", "demo")
    assert here.anonymous.get("/api/spaces/alice/demo/runtime").json()["stage"] == "STOPPED"
    assert here.alice.post("/api/repos/create", json={**body, "name": "odd", "sdk": "cobol"}).status_code == 400


@pytest.mark.parametrize("name", ["a b", "-x", "x.git", "a--b", "x" * 97, "", "..", "a/b/c"])
def test_bad_names_are_refused(here: Here, name: str) -> None:
    assert here.alice.post("/api/repos/create", json={"name": name}).status_code == 400


def test_others_may_not_create_in_a_namespace(here: Here) -> None:
    response = here.bob.post("/api/repos/create", json={"name": "x", "organization": "alice"})
    assert response.status_code == 403
    assert "You don't have the rights to create" in error_of(response)[2]
    assert here.alice_reads.post("/api/repos/create", json={"name": "x"}).status_code == 403
    assert here.anonymous.post("/api/repos/create", json={"name": "x"}).status_code == 401


def test_settings(here: Here) -> None:
    repo = here.repo()
    address = f"/api/models/{repo.full_name}/settings"
    assert here.alice.put(address, json={"visibility": "private"}).json()["private"] is True
    assert here.bob.get(f"/api/models/{repo.full_name}").status_code == 404
    assert here.alice.put(address, json={"private": False, "gated": False}).json()["private"] is False
    assert here.alice.put(address, json={"gated": "auto"}).status_code == 501
    assert here.alice.put(address, json={"visibility": "protected"}).status_code == 400
    assert here.bob.put(address, json={"visibility": "private"}).status_code == 403


def test_auth_check(here: Here) -> None:
    repo, hidden = here.repo(), here.repo(private=True)

    def ask(client: object, name: str) -> list[int]:
        addresses = (f"/api/models/{name}/auth-check", f"/api/models/{name}/auth-check/write")
        return [client.get(address).status_code for address in addresses]  # type: ignore[attr-defined]

    assert ask(here.alice, repo.full_name) == [200, 200]
    assert ask(here.alice_reads, repo.full_name) == [200, 403]
    assert ask(here.bob, repo.full_name) == [200, 403]
    assert ask(here.anonymous, repo.full_name) == [200, 401]
    assert ask(here.bob, hidden.full_name) == [404, 404]
    assert ask(here.anonymous, hidden.full_name) == [401, 401]


def test_delete(here: Here) -> None:
    repo = here.repo()
    body = {"name": repo.name, "organization": "alice"}
    assert here.bob.request("DELETE", "/api/repos/delete", json=body).status_code == 403
    assert here.alice.request("DELETE", "/api/repos/delete", json=body).status_code == 200
    response = here.alice.request("DELETE", "/api/repos/delete", json=body)
    assert error_of(response) == (404, "RepoNotFound", "Repository not found")


def test_names_are_matched_without_regard_to_case(here: Here) -> None:
    here.alice.post("/api/repos/create", json={"name": "MiXed"})
    assert here.anonymous.get("/api/models/ALICE/mixed").json()["id"] == "alice/MiXed"
    assert here.anonymous.get("/Alice/mixed/resolve/main/.gitattributes").status_code == 200


@pytest.mark.parametrize("private", [False, True])
def test_a_renamed_repo_answers_with_its_new_address(here: Here, private: bool) -> None:
    repo = here.repo({"a.txt": b"x"}, private=private)
    old, new = repo.full_name, f"alice/renamed-{private}"
    moved = here.alice.post("/api/repos/move", json={"fromRepo": old, "toRepo": new, "type": "model"})
    assert moved.json()["url"] == f"http://testserver/{new}"
    for method, address, follow in (
        ("GET", f"/api/models/{old}?expand=sha&expand=tags", f"/api/models/{new}?expand=sha&expand=tags"),
        ("HEAD", f"/api/models/{old}/tree/main/a%2Fb", f"/api/models/{new}/tree/main/a%2Fb"),
        ("POST", f"/api/models/{old}/preupload/main", f"/api/models/{new}/preupload/main"),
        ("HEAD", f"/{old}/resolve/main/a.txt?download=1", f"/{new}/resolve/main/a.txt?download=1"),
        ("GET", f"/{old.upper()}/raw/main/a.txt", f"/{new}/raw/main/a.txt"),
    ):
        response = here.alice.request(method, address, json={"files": []} if method == "POST" else None)
        assert (response.status_code, response.headers.get("location")) == (307, follow), address
    stranger = here.bob.get(f"/api/models/{old}")
    assert stranger.status_code == (404 if private else 307)
    with pytest.raises(RepoNotFound):
        repos.find(here.hub, here.actor(), RepoKind.DATASET, RepoId.parse(old))


def test_a_name_that_is_taken_stays_taken(here: Here) -> None:
    one, two = here.repo(), here.repo()
    response = here.alice.post("/api/repos/move", json={"fromRepo": one.full_name, "toRepo": two.full_name})
    assert error_of(response) == (409, None, f"A model repository called {two.full_name} already exists")


def test_addresses_that_are_not_there_say_so_in_json(here: Here) -> None:
    for method, address in (("GET", "/api/agent-harnesses"), ("GET", "/api/collections"), ("POST", "/api/nothing")):
        assert error_of(here.anonymous.request(method, address))[0] == 404
    assert here.anonymous.head("/api/telemetry/transformers/examples").status_code == 204


def test_head_is_answered_wherever_get_is(here: Here) -> None:
    repo = here.repo()
    get, head = (here.anonymous.request(m, f"/api/models/{repo.full_name}") for m in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_bodies_are_bounded(here: Here) -> None:
    body = b'{"name":"' + b"x" * (33 * 1024 * 1024) + b'"}'
    response = here.alice.post("/api/repos/create", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
