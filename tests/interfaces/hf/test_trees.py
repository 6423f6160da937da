"""Listings of files, in pages, and look-ups of some paths."""

from __future__ import annotations

from typing import Any

import pytest

from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddInline, DeleteFile
from openshelf.services.hub import now
from openshelf.storage.catalogue import blobs
from openshelf.xet.hashes import to_hex
from tests.interfaces.hf.conftest import Here, error_of

FILES = {
    "README.md": b"# x\n",
    "a/1.txt": b"1",
    "a/2.txt": b"2",
    "a/b/3.txt": b"3",
    "a.txt": b"before a/ in git's order",
    "z": b"",
}
ORDER = [".gitattributes", "README.md", "a.txt", "a", "a/1.txt", "a/2.txt", "a/b", "a/b/3.txt", "z"]


def pages(here: Here, address: str) -> list[list[dict[str, Any]]]:
    found = []
    following: str | None = address
    while following:
        response = here.anonymous.get(following)
        assert response.status_code == 200, response.text
        found.append(response.json())
        following = response.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8, 9, 1000])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?recursive=true", ORDER),
        ("?recursive=false", [path for path in ORDER if "/" not in path]),
        ("/a?recursive=true", [path for path in ORDER if path.startswith("a/")]),
        ("/a%2Fb?recursive=true", ["a/b/3.txt"]),
    ],
)
def test_pages_of_every_size_give_the_whole_once(here: Here, query: str, expected: list[str], limit: int) -> None:
    repo = here.repo(FILES)
    found = pages(here, f"/api/models/{repo.full_name}/tree/main{query}&limit={limit}")
    assert [entry["path"] for page in found for entry in page] == expected
    assert all(len(page) <= limit for page in found)
    assert len(found) == -(-len(expected) // limit)


def test_a_listing_stays_at_its_commit_while_others_push(here: Here) -> None:
    repo = here.repo(FILES)
    first = here.anonymous.get(f"/api/models/{repo.full_name}/tree/main?recursive=true&limit=3")
    here.commit(repo, DeleteFile("a/2.txt"), AddInline("b.txt", b"new"))
    rest = pages(here, first.links["next"]["url"])
    assert [e["path"] for page in [first.json(), *rest] for e in page] == ORDER


@pytest.mark.parametrize("cursor", ["x", "e30", "W10", "a" * 20_000, "%00"])
def test_a_cursor_that_is_not_ours_is_refused(here: Here, cursor: str) -> None:
    repo = here.repo(FILES)
    assert here.anonymous.get(f"/api/models/{repo.full_name}/tree/main?cursor={cursor}").status_code == 400


def test_a_cursor_of_another_listing_is_refused(here: Here) -> None:
    repo, other = here.repo(FILES), here.repo({"x/y": b"", "x/z": b""})
    link = here.anonymous.get(f"/api/models/{other.full_name}/tree/main/x?limit=1").links["next"]["url"]
    cursor = link.partition("cursor=")[2]
    response = here.anonymous.get(f"/api/models/{repo.full_name}/tree/main?cursor={cursor}")
    assert error_of(response)[:2] == (404, "RevisionNotFound")
    link = here.anonymous.get(f"/api/models/{repo.full_name}/tree/main/a?limit=1").links["next"]["url"]
    cursor = link.partition("cursor=")[2]
    assert here.anonymous.get(f"/api/models/{repo.full_name}/tree/main/a%2Fb?cursor={cursor}").status_code == 400


def test_entries_say_what_they_are(here: Here) -> None:
    repo = here.repo({"a/b.txt": b"text"})
    blob = here.add_blob(repo, "w.bin", b"in chunks" * 100)
    xet_hash = bytes(range(32))
    with here.hub.storage.catalogue.write() as tx:
        blobs.save(tx, blob, now(), xet_hash=xet_hash)
    git = here.hub.storage.repositories.open(repo.id)
    commit = git.resolve("main").commit
    answer = here.anonymous.get(f"/api/models/{repo.full_name}/tree/{commit}?recursive=true")
    found = {entry["path"]: entry for entry in answer.json()}
    assert found["a"] == {"type": "directory", "path": "a", "size": 0, "oid": git.entry(commit, "a").oid}
    assert found["a/b.txt"] == {
        "type": "file",
        "path": "a/b.txt",
        "size": 4,
        "oid": git.entry(commit, "a/b.txt").oid,
    }
    assert found["w.bin"] == {
        "type": "file",
        "path": "w.bin",
        "size": blob.size,
        "oid": git.entry(commit, "w.bin").oid,
        "lfs": {"oid": blob.sha256, "size": blob.size, "pointerSize": len(blob.pointer())},
        "xetHash": to_hex(xet_hash),
    }


def history_of(here: Here) -> tuple[Repo, dict[str, str]]:
    """A repo, and the title of the commit that changed each path last."""
    repo = here.repo()
    here.commit(repo, AddInline("a/x", b"1"), AddInline("a/y", b"1"), title="first")
    here.commit(repo, AddInline("a/y", b"2"), title="second")
    here.commit(repo, AddInline("b", b"1"), title="third")
    here.commit(repo, AddInline("a/x", b"3"), title="fourth")
    here.commit(repo, AddInline("a/x", b"1"), title="fifth")
    return repo, {".gitattributes": "initial commit", "a": "fifth", "a/x": "fifth", "a/y": "second", "b": "third"}


def test_expand_tells_which_commit_changed_each_entry_last(here: Here) -> None:
    repo, expected = history_of(here)
    found = pages(here, f"/api/models/{repo.full_name}/tree/main?recursive=true&expand=true")
    assert {e["path"]: e["lastCommit"]["title"] for page in found for e in page} == expected
    response = here.anonymous.post(
        f"/api/models/{repo.full_name}/paths-info/main", data={"paths": ["a", "a/y"], "expand": "true"}
    )
    assert {e["path"]: e["lastCommit"]["title"] for e in response.json()} == {"a": "fifth", "a/y": "second"}


def test_what_has_no_tree_is_not_found(here: Here) -> None:
    repo = here.repo(FILES)
    for path in ("missing", "README.md", "a/missing", "README.md/x"):
        response = here.anonymous.get(f"/api/models/{repo.full_name}/tree/main/{path}")
        assert error_of(response)[:2] == (404, "EntryNotFound"), path
    response = here.anonymous.get(f"/api/models/{repo.full_name}/tree/missing")
    assert error_of(response)[:2] == (404, "RevisionNotFound")


def test_paths_are_looked_up_by_form_and_by_json(here: Here) -> None:
    repo = here.repo(FILES)
    address = f"/api/models/{repo.full_name}/paths-info/main"
    wanted = ["a/b/3.txt", "missing", "a", "a/b", "README.md", "a.txt/x", "", "a/" * 200, "x\0"]
    expected = ["a/b/3.txt", "a", "a/b", "README.md", ""]
    for answer in (
        here.anonymous.post(address, data={"paths": wanted, "expand": "false"}),
        here.anonymous.post(address, json={"paths": wanted}),
    ):
        assert [entry["path"] for entry in answer.json()] == expected
    assert here.anonymous.post(address, json={"paths": "README.md"}).json()[0]["size"] == 4
    assert here.anonymous.post(address, data={}).json() == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"paths": [1]}', 400),
        (b'{"paths": {}}', 400),
        (b"\xff", 400),
        (b'{"paths": [' + b'"a",' * 10_000 + b'"a"]}', 413),
    ],
)
def test_a_look_up_that_makes_no_sense_is_refused(here: Here, content: bytes, status: int) -> None:
    repo = here.repo()
    response = here.anonymous.post(
        f"/api/models/{repo.full_name}/paths-info/main", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == status


def test_refs(here: Here) -> None:
    repo = here.repo({"a": b"a"})
    head = str(repo.head)
    base = f"/api/models/{repo.full_name}"
    assert here.alice.post(f"{base}/branch/dev%2Fx", json={}).status_code == 200
    assert here.alice.post(f"{base}/branch/old", json={"startingPoint": head[:7]}).status_code == 200
    assert here.alice.post(f"{base}/tag/{head[:7]}", json={"tag": "v1", "message": "The first."}).status_code == 200
    assert here.bob.post(f"{base}/discussions", json={"title": "mine", "pullRequest": True}).status_code == 200
    found = here.anonymous.get(f"{base}/refs?include_prs=1").json()
    assert found == {
        "branches": [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": head} for name in ("dev/x", "main", "old")
        ],
        "converts": [],
        "tags": [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": head}],
        "pullRequests": [{"name": "refs/pr/1", "ref": "refs/pr/1", "targetCommit": head}],
    }
    assert "pullRequests" not in here.anonymous.get(f"{base}/refs").json()
    assert here.alice.delete(f"{base}/branch/old").status_code == 200
    assert here.alice.delete(f"{base}/tag/v1").status_code == 200


def test_what_cannot_be_done_to_refs(here: Here) -> None:
    repo = here.repo()
    base = f"/api/models/{repo.full_name}"
    here.alice.post(f"{base}/branch/dev", json={})
    assert error_of(here.alice.post(f"{base}/branch/dev", json={})) == (
        409,
        None,
        "Reference refs/heads/dev already exists",
    )
    status, _, message = error_of(here.alice.post(f"{base}/branch/dev%2Fdeeper", json={}))
    assert (status, "/repositories/" in message) == (409, False)
    assert error_of(here.alice.post(f"{base}/branch/x", json={"startingPoint": "missing"}))[1] == "RevisionNotFound"
    assert error_of(here.alice.delete(f"{base}/branch/main"))[2].startswith("Cannot delete refs/heads/main")
    assert error_of(here.alice.delete(f"{base}/branch/gone")) == (404, "RevisionNotFound", "Invalid rev id: gone")
    assert error_of(here.alice.delete(f"{base}/tag/gone"))[1] == "RevisionNotFound"
    assert error_of(here.alice.post(f"{base}/tag/gone", json={"tag": "v1"}))[1] == "RevisionNotFound"
    half_a_character = b'{"tag": "v1", "message": "\\ud800"}'
    json = {"Content-Type": "application/json"}
    assert here.alice.post(f"{base}/tag/main", content=half_a_character, headers=json).status_code == 400
    assert here.alice.post(f"{base}/branch/a%20b", json={}).status_code == 400
    assert here.bob.post(f"{base}/branch/mine", json={}).status_code == 403
    assert here.anonymous.delete(f"{base}/branch/dev").status_code == 401
