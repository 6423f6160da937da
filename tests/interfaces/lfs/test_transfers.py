"""The LFS protocol step by step: batches, tickets, whole uploads, parts, downloads, and everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.people import TokenRole
from openshelf.domain.repos import Repo, Visibility
from openshelf.services import accounts, repos, tokens
from openshelf.services.hub import Hub
from openshelf.services.lfs import MAX_OBJECTS
from openshelf.storage.catalogue import blobs
from tests.hubs import actor, add_user, client_of, make_hub

JSON = {"content-type": "application/vnd.git-lfs+json", "accept": "application/vnd.git-lfs+json"}
PART = 100_000


@dataclass(frozen=True)
class Bench:
    hub: Hub
    repo: Repo
    alice: TestClient
    bob: TestClient
    anybody: TestClient

    def address(self, repo: Repo | None = None) -> str:
        return f"/{(repo or self.repo).url_path}.git/info/lfs"

    def batch(
        self,
        *contents: bytes,
        operation: str = "upload",
        transfers: tuple[str, ...] = ("basic", "multipart"),
        client: TestClient | None = None,
        repo: Repo | None = None,
    ) -> dict[str, Any]:
        objects = [{"oid": _sha256(content), "size": len(content)} for content in contents]
        request = {"operation": operation, "transfers": transfers, "objects": objects, "hash_algo": "sha256"}
        response = (client or self.alice).post(f"{self.address(repo)}/objects/batch", json=request, headers=JSON)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/vnd.git-lfs+json"
        found: dict[str, Any] = response.json()
        return found

    def upload(self, content: bytes, repo: Repo | None = None) -> None:
        actions = self.batch(content, transfers=("basic",), repo=repo)["objects"][0]["actions"]
        assert self.put(actions["upload"]["href"], content).status_code == 200
        oid = {"oid": _sha256(content), "size": len(content)}
        assert self.anybody.post(_path(actions["verify"]["href"]), json=oid).status_code == 200

    def put(self, href: str, content: bytes) -> Any:
        return self.anybody.put(_path(href), content=content)

    def linked(self, content: bytes, repo: Repo | None = None) -> bool:
        with self.hub.storage.catalogue.read() as tx:
            return _sha256(content) in blobs.links(tx, (repo or self.repo).id)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _path(href: str) -> str:
    parts = urlsplit(href)
    return f"{parts.path}?{parts.query}"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    hub = make_hub(
        tmp_path_factory.mktemp("lfs"), lfs_part_bytes=PART, max_file_bytes=2_000_000, rate_limit_requests=0,
        rate_limit_anonymous=0,
    )  # fmt: skip
    add_user(hub, "root-admin")
    alice, bob = add_user(hub, "alice")[1], add_user(hub, "bob")[1]
    repo = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "m")
    yield Bench(hub, repo, client_of(hub, alice), client_of(hub, bob), client_of(hub))
    hub.storage.close()


def _new_repo(bench: Bench, name: str, *, private: bool = False) -> Repo:
    visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
    return repos.create(bench.hub, actor(bench.hub, "alice"), RepoKind.DATASET, name, visibility=visibility)


# One piece


def test_an_upload_in_one_piece_and_its_download(bench: Bench) -> None:
    content = os.urandom(70_000)
    answer = bench.batch(content)
    assert answer["transfer"] == "basic"
    bench.upload(content)
    assert "actions" not in bench.batch(content)["objects"][0], "what is there need not be sent"
    found = bench.batch(content, operation="download", client=bench.anybody)["objects"][0]
    href = _path(found["actions"]["download"]["href"])
    assert bench.anybody.get(href).content == content
    part = bench.anybody.get(href, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert bench.anybody.get(href, headers={"range": "bytes=70000-"}).status_code == 416
    assert bench.anybody.head(href).headers["content-length"] == "70000"


def test_an_empty_object(bench: Bench) -> None:
    bench.upload(b"")
    found = bench.batch(b"", operation="download")["objects"][0]
    assert bench.anybody.get(_path(found["actions"]["download"]["href"])).content == b""


def test_wrong_bytes_are_not_kept_and_may_be_sent_again(bench: Bench) -> None:
    content = os.urandom(50_000)
    href = bench.batch(content)["objects"][0]["actions"]["upload"]["href"]
    wrong = bench.put(href, b"x" + content[1:])
    assert wrong.status_code == 400
    assert "Nothing was stored; upload it again" in wrong.json()["message"]
    assert bench.put(href, content[:-1]).status_code == 400
    assert bench.put(href, content + b"x").status_code == 413
    assert not bench.linked(content)
    assert not list((bench.hub.storage.root / "temporary").iterdir())
    assert bench.put(href, content).status_code == 200
    assert bench.put(href, content).status_code == 200, "again does no harm"
    assert bench.linked(content)


def test_verify_tells_what_has_not_arrived(bench: Bench) -> None:
    content = os.urandom(1000)
    href = _path(bench.batch(content)["objects"][0]["actions"]["verify"]["href"])
    oid = {"oid": _sha256(content), "size": 1000}
    assert bench.alice.post(href, json=oid).status_code == 404
    bench.upload(content)
    assert bench.alice.post(href, json=oid).status_code == 200
    assert bench.alice.post(href, json={**oid, "size": 999}).status_code == 404


# Parts


def _parts(bench: Bench, content: bytes) -> tuple[dict[str, Any], str, list[tuple[str, bytes]]]:
    answer = bench.batch(content)
    assert answer["transfer"] == "multipart"
    actions = answer["objects"][0]["actions"]
    header = actions["upload"]["header"]
    size = int(header["chunk_size"])
    count = -(-len(content) // size)
    assert sorted(header) == sorted(["chunk_size", *(str(number) for number in range(1, count + 1))])
    pieces = [(header[str(n + 1)], content[n * size : (n + 1) * size]) for n in range(count)]
    return actions, actions["upload"]["href"], pieces


def _complete(bench: Bench, href: str, content: bytes, etags: list[str]) -> Any:
    parts = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
    return bench.anybody.post(_path(href), json={"oid": _sha256(content), "parts": parts})


def test_an_upload_in_parts_in_any_order(bench: Bench) -> None:
    content = os.urandom(3 * PART + 17)
    actions, href, pieces = _parts(bench, content)
    etags = [""] * len(pieces)
    for number in reversed(range(len(pieces))):
        response = bench.put(*pieces[number])
        assert response.status_code == 200
        etags[number] = response.headers["etag"]
    assert all(etags)
    assert _complete(bench, href, content, etags).status_code == 200
    assert _complete(bench, href, content, etags).status_code == 200, "an answer that was lost is asked for again"
    oid = {"oid": _sha256(content), "size": len(content)}
    assert bench.alice.post(_path(actions["verify"]["href"]), json=oid).status_code == 200
    found = bench.batch(content, operation="download")["objects"][0]
    assert bench.anybody.get(_path(found["actions"]["download"]["href"])).content == content
    assert not list(bench.hub.storage.parts.root.iterdir())


def test_parts_are_sent_again_after_a_failure(bench: Bench) -> None:
    content = os.urandom(2 * PART + 1)
    _, href, pieces = _parts(bench, content)
    assert bench.put(pieces[0][0], b"x" * PART).status_code == 200
    assert bench.put(pieces[1][0], pieces[1][1][:500]).status_code == 400
    assert bench.put(pieces[1][0], pieces[1][1] + b"x").status_code == 413
    assert _complete(bench, href, content, ["x"] * 2).status_code == 400
    bench.put(*pieces[1])
    bench.put(*pieces[2])
    wrong = _complete(bench, href, content, ["x"] * 3)
    assert wrong.status_code == 400
    assert not bench.linked(content)
    bench.put(*pieces[0])
    assert _complete(bench, href, content, ["x"] * 3).status_code == 200
    assert bench.linked(content)


def test_an_upload_goes_on_where_it_was(bench: Bench) -> None:
    content = os.urandom(3 * PART + 1)

    def there() -> list[int]:
        href = bench.batch(content)["objects"][0]["actions"]["upload"]["href"]
        answer = bench.anybody.get(_path(href).replace("/complete?", "/parts?"))
        assert answer.status_code == 200
        return list(answer.json()["parts"])

    assert there() == []
    _, href, pieces = _parts(bench, content)
    bench.put(*pieces[2])
    bench.put(*pieces[0])
    assert bench.put(pieces[1][0], pieces[1][1][:500]).status_code == 400
    assert there() == [1, 3]
    bench.put(*pieces[1])
    bench.put(*pieces[3])
    assert there() == [1, 2, 3, 4]
    assert _complete(bench, href, content, ["x"] * 4).status_code == 200
    assert "actions" not in bench.batch(content)["objects"][0]
    assert bench.anybody.get(_path(pieces[0][0]).replace("/1?", "?")).json()["parts"] == []
    assert bench.anybody.get(f"/api/lfs/objects/{_sha256(content)}/parts").status_code == 401


def test_a_client_may_ask_for_smaller_parts(bench: Bench, tmp_path: Path) -> None:
    request = {"operation": "upload", "transfers": ["multipart"], "objects": [{"oid": _sha256(b"x"), "size": 5 * PART}]}

    def size(wanted: Any) -> Any:
        answer = bench.alice.post(f"{bench.address()}/objects/batch", json={**request, "chunk_size": wanted})
        if answer.status_code != 200:
            return answer.status_code
        return int(answer.json()["objects"][0]["actions"]["upload"]["header"]["chunk_size"])

    assert size(0) == PART
    assert size(5 * PART) == PART, "the size of the hub is the most"
    assert size(1) == PART, "tiny parts cost more than they help"
    assert [size(wrong) for wrong in (-1, "1", True, 1.5)] == [400] * 4


def test_completing_before_any_part(bench: Bench) -> None:
    content = os.urandom(PART + 1)
    _, href, _ = _parts(bench, content)
    assert _complete(bench, href, content, ["x", "y"]).status_code == 400
    wrong: tuple[Any, ...] = (None, "x", [1, 2], [{}], [{"partNumber": "1"}])
    for parts in wrong:
        assert bench.anybody.post(_path(href), json={"parts": parts}).status_code == 400
    assert bench.anybody.post(_path(href), content=b"[]").status_code == 400


def test_one_large_object_puts_the_whole_batch_in_parts(bench: Bench) -> None:
    small, large = os.urandom(10), os.urandom(PART + 1)
    answer = bench.batch(small, large)
    assert answer["transfer"] == "multipart"
    assert all("chunk_size" in item["actions"]["upload"]["header"] for item in answer["objects"])
    assert bench.batch(small, large, transfers=("basic",))["transfer"] == "basic"


def test_nobody_writes_into_the_upload_of_somebody_else(bench: Bench) -> None:
    content = os.urandom(PART + 1)
    _, href, pieces = _parts(bench, content)
    theirs = bench.batch(content, client=bench.bob)["objects"][0]["actions"]["upload"]["header"]
    for piece in pieces:
        bench.put(*piece)
    bench.put(theirs["1"], b"x" * PART)
    assert _complete(bench, href, content, ["x", "y"]).status_code == 200
    assert bench.linked(content)


# Tickets


def test_tickets_are_for_one_object_one_purpose_and_some_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    content, other = os.urandom(1000), os.urandom(1000)
    href = _path(bench.batch(content)["objects"][0]["actions"]["upload"]["href"])
    assert bench.put(href.replace(_sha256(content), _sha256(other)), other).status_code == 400
    assert bench.anybody.get(href).status_code == 401, "to send is not to fetch"
    for forged in ("", "x", "a.b", href.partition("ticket=")[2][:-3] + "abc", "é", "x" * 10_000):
        assert bench.anybody.put(href.partition("?")[0], params={"ticket": forged}, content=content).status_code == 401
    bench.upload(content)
    found = bench.batch(content, operation="download")["objects"][0]["actions"]["download"]
    assert bench.put(found["href"], content).status_code == 401, "to fetch is not to send"
    later = time.time() + found["expires_in"] + 1
    monkeypatch.setattr("openshelf.services.signing.time.time", lambda: later)
    expired = bench.anybody.get(_path(found["href"]))
    assert expired.status_code == 401
    assert "expired" in expired.json()["message"]


def test_a_ticket_ends_with_its_repo(bench: Bench) -> None:
    repo, content = _new_repo(bench, "short-lived"), os.urandom(1000)
    href = bench.batch(content, repo=repo)["objects"][0]["actions"]["upload"]["href"]
    repos.delete(bench.hub, actor(bench.hub, "alice"), RepoKind.DATASET, repo.repo_id)
    assert bench.put(href, content).status_code == 404


# Who may


def test_blobs_of_other_repos_are_used_by_those_who_may_read_them(bench: Bench) -> None:
    content = os.urandom(1000)
    private = _new_repo(bench, "hidden", private=True)
    bench.upload(content, private)
    assert "actions" not in bench.batch(content)["objects"][0], "alice may read both"
    assert "actions" in bench.batch(content, client=bench.bob)["objects"][0], "bob must show that he has the bytes"
    fetched = bench.batch(content, operation="download")["objects"][0]
    assert fetched["error"]["code"] == 404, "it is not of this repo, even for alice"


def test_without_credentials(bench: Bench) -> None:
    private = _new_repo(bench, "closed", private=True)
    request = {"operation": "download", "objects": []}
    answers = []
    for address in (bench.address(private), bench.address(private).replace("closed", "absent")):
        response = bench.anybody.post(f"{address}/objects/batch", json=request, headers=JSON)
        headers = {k: v for k, v in response.headers.items() if k not in ("x-request-id",)}
        answers.append((response.status_code, headers, {**response.json(), "request_id": ""}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert answers[0][1]["lfs-authenticate"].startswith("Basic")
    sending = bench.anybody.post(f"{bench.address()}/objects/batch", json={**request, "operation": "upload"})
    assert sending.status_code == 401


def test_a_reading_token_fetches_only(bench: Bench) -> None:
    secret = tokens.create(bench.hub, accounts.find(bench.hub, "alice"), "reads", TokenRole.READ)[1]
    client = client_of(bench.hub, secret)
    request = {"operation": "upload", "objects": []}
    response = client.post(f"{bench.address()}/objects/batch", json=request, headers=JSON)
    assert response.status_code == 403
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert bench.batch(operation="download", client=client)["objects"] == []


def test_locks(bench: Bench) -> None:
    assert bench.alice.post(f"{bench.address()}/locks/verify", json={}).json() == {"ours": [], "theirs": []}
    assert bench.anybody.post(f"{bench.address()}/locks/verify", json={}).status_code == 401
    assert bench.anybody.get(f"{bench.address()}/locks").json() == {"locks": []}
    assert bench.alice.post(f"{bench.address()}/locks", json={"path": "x"}).status_code == 501
    assert bench.alice.post(f"{bench.address()}/locks/7/unlock", json={}).status_code == 501


# Limits


def test_limits_of_size_are_told_object_by_object(bench: Bench) -> None:
    request = {
        "operation": "upload",
        "objects": [{"oid": "a" * 64, "size": 2_000_001}, {"oid": "b" * 64, "size": 5}],
    }
    large, small = bench.alice.post(f"{bench.address()}/objects/batch", json=request).json()["objects"]
    assert large["error"]["code"] == 413
    assert "takes files of up to 2.00 MB" in large["error"]["message"]
    assert "actions" in small


def test_quotas_are_told_object_by_object(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, quota_bytes=1000)
    client = client_of(hub, add_user(hub, "alice")[1])
    repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "m")
    request = {"operation": "upload", "objects": [{"oid": c * 64, "size": 600} for c in "ab"]}
    first, second = client.post("/alice/m.git/info/lfs/objects/batch", json=request).json()["objects"]
    assert "actions" in first
    assert second["error"]["code"] == 413
    assert "does not fit" in second["error"]["message"]
    hub.storage.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"", 400),
        (b"no json", 400),
        (b"[" * 100_000, 400),
        (b"[]", 400),
        (b'{"operation":"steal","objects":[]}', 400),
        (b'{"operation":"upload"}', 400),
        (b'{"operation":"upload","objects":[1]}', 400),
        (b'{"operation":"upload","objects":[{"oid":"x","size":1}]}', 400),
        (json.dumps({"operation": "upload", "objects": [{"oid": "a" * 64, "size": -1}]}).encode(), 400),
        (json.dumps({"operation": "upload", "objects": [{"oid": "a" * 64, "size": True}]}).encode(), 400),
        (json.dumps({"operation": "upload", "objects": [{"oid": "a" * 64, "size": 2**70}]}).encode(), 400),
        (b'{"operation":"upload","objects":[],"transfers":[1]}', 400),
        (b'{"operation":"upload","objects":[],"hash_algo":"md5"}', 409),
        (json.dumps({"operation": "upload", "objects": [{}] * (MAX_OBJECTS + 1)}).encode(), 413),
        (b'{"operation":"upload","objects":[]}' + b" " * 5_000_000, 413),
    ],
)
def test_bad_requests(bench: Bench, request_: bytes, status: int) -> None:
    response = bench.alice.post(f"{bench.address()}/objects/batch", content=request_, headers=JSON)
    assert response.status_code == status
    assert response.json()["message"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(
    request=st.fixed_dictionaries(
        {"operation": st.sampled_from(["upload", "download"]) | _JSON, "objects": st.lists(_JSON, max_size=3) | _JSON},
        optional={"transfers": _JSON, "hash_algo": _JSON, "ref": _JSON},
    )
)
def test_no_request_makes_it_fail(bench: Bench, request: dict[str, Any]) -> None:
    response = bench.alice.post(f"{bench.address()}/objects/batch", json=request, headers=JSON)
    assert response.status_code < 500
