"""The sending side of a fetch, with requests that git would not send, and errors as git shows them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from openshelf.domain.names import RepoId, RepoKind
from openshelf.services import git_fetch, repos
from openshelf.services.hub import Hub
from tests.hubs import actor, add_user, client_of, make_hub
from tests.interfaces.git.pkt import wanted

TYPE = {"content-type": "application/x-git-upload-pack-request"}
V2 = {**TYPE, "git-protocol": "version=2"}
POST = "/alice/m.git/git-upload-pack"


@dataclass(frozen=True)
class Bench:
    hub: Hub
    client: TestClient
    head: str


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("fetch")
    hub = make_hub(folder, rate_limit_requests=0)
    secret = add_user(hub, "alice")[1]
    repo = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "m")
    head = hub.storage.repositories.open(repo.id).resolve("main").commit
    yield Bench(hub, client_of(hub, secret), head)
    hub.storage.close()


def test_a_fetch_by_hand(bench: Bench) -> None:
    answer = bench.client.post(POST, content=wanted(bench.head), headers=V2)
    assert answer.headers["content-type"] == "application/x-git-upload-pack-result"
    assert answer.headers["cache-control"].startswith("no-cache")
    assert b"packfile" in answer.content


def test_what_is_not_there_is_told_in_the_answer(bench: Bench) -> None:
    answer = bench.client.post(POST, content=wanted("1" * 40), headers=V2)
    assert answer.status_code == 200
    assert b"ERR upload-pack: not our ref" in answer.content


def test_too_large_requests_are_refused_so_that_git_shows_it(bench: Bench) -> None:
    packed = gzip.compress(bytes(70_000_000))
    answer = bench.client.post(POST, content=packed, headers={**V2, "content-encoding": "gzip"})
    assert (answer.status_code, answer.content[4:8]) == (200, b"ERR ")
    assert b"more than the" in answer.content


def test_a_busy_hub_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_fetch, "PATIENCE_SECONDS", 0.1)
    bench.hub.slots._taken["fetch"] = bench.hub.settings.git_processes
    try:
        answer = bench.client.get("/alice/m.git/info/refs?service=git-upload-pack")
        assert answer.status_code == 503
        assert "Try again" in answer.text
        assert int(answer.headers["retry-after"]) > 0
        posted = bench.client.post(POST, content=wanted(bench.head), headers=V2)
        assert b"ERR This hub has more work than it can do" in posted.content
    finally:
        bench.hub.slots._taken["fetch"] = 0


def test_the_wrong_type_is_no_request_of_git(bench: Bench) -> None:
    answer = bench.client.post(POST, content=wanted(bench.head), headers={"content-type": "text/plain"})
    assert b"ERR This address takes what git sends" in answer.content


def test_a_strange_protocol_header_is_left_out(bench: Bench) -> None:
    headers = {"git-protocol": "version=2\\n; rm -rf /"}
    answer = bench.client.get("/alice/m.git/info/refs?service=git-upload-pack", headers=headers)
    assert answer.content.startswith(b"001e# service=git-upload-pack\n0000")


def test_another_case_is_the_same_repo(bench: Bench) -> None:
    assert bench.client.get("/Alice/M.git/info/refs?service=git-upload-pack").status_code == 200


def test_a_former_name_leads_to_the_new_one(bench: Bench) -> None:
    alice = actor(bench.hub, "alice")
    repos.create(bench.hub, alice, RepoKind.DATASET, "old")
    repos.move(bench.hub, alice, RepoKind.DATASET, RepoId("alice", "old"), RepoId("alice", "new"))
    for service in ("git-upload-pack", "git-receive-pack"):
        answer = bench.client.get(f"/datasets/alice/old/info/refs?service={service}")
        assert answer.status_code == 301
        assert answer.headers["location"] == f"http://testserver/datasets/alice/new.git/info/refs?service={service}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 200), content=st.binary(max_size=12), drop=st.integers(0, 12), v2=st.booleans())
@example(at=0, content=b"", drop=12, v2=True)
def test_mutated_requests_get_an_answer(bench: Bench, at: int, content: bytes, drop: int, v2: bool) -> None:
    body = wanted(bench.head) if v2 else b"0032want " + bench.head.encode() + b"\n00000009done\n"
    at %= len(body) + 1
    body = body[:at] + content + body[at + drop :]
    answer = bench.client.post(POST, content=body, headers=V2 if v2 else TYPE)
    assert answer.status_code == 200
    assert bench.hub.slots._taken["fetch"] == 0
