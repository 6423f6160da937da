"""From preupload to commit, and what history says then."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from openshelf.domain.tree import AddInline
from tests.interfaces.hf.conftest import Here, error_of, ndjson


def file(path: str, content: bytes) -> tuple[str, dict[str, str]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


def planned(path: str, content: bytes, size: int | None = None) -> dict[str, object]:
    sample = base64.b64encode(content[:512]).decode()
    return {"path": path, "size": len(content) if size is None else size, "sample": sample}


def test_preupload_says_how_to_send_each_file(here: Here) -> None:
    repo = here.repo({"a.txt": b"here", ".gitignore": b"*.log\n"})
    blob = here.add_blob(repo, "w.safetensors", b"weights" * 10)
    answer = here.alice.post(
        f"/api/models/{repo.full_name}/preupload/main",
        json={
            "files": [
                planned("a.txt", b"changed"),
                planned("w.safetensors", b"new"),
                planned("sub/new.bin", b"text, but named so"),
                planned("data.csv", b"a,b\n"),
                planned("binary", b"\0\1"),
                planned("latin.txt", "é".encode("latin-1")),
                planned("cut.txt", ("é" * 256).encode()[:511], 5000),
                planned("large.txt", b"x", 10 * 1024 * 1024 + 1),
                planned("nine.txt", b"x", 9_000_000),
                planned("x/debug.log", b"x"),
            ]
        },
    )
    found = {f["path"]: (f["uploadMode"], f["shouldIgnore"], f["oid"]) for f in answer.json()["files"]}
    entry = here.hub.storage.repositories.open(repo.id).entry(here.commit(repo, AddInline("z", b"z")), "a.txt")
    assert found == {
        "a.txt": ("regular", False, entry.oid),
        "w.safetensors": ("lfs", False, blob.sha256),
        "sub/new.bin": ("lfs", False, None),
        "data.csv": ("regular", False, None),
        "binary": ("lfs", False, None),
        "latin.txt": ("lfs", False, None),
        "cut.txt": ("regular", False, None),
        "large.txt": ("lfs", False, None),
        "nine.txt": ("regular", False, None),
        "x/debug.log": ("regular", True, None),
    }


def test_preupload_takes_the_ignore_file_that_comes_with_it(here: Here) -> None:
    repo = here.repo({".gitignore": b"*.log\n"})
    body = {"files": [planned("a.log", b""), planned("a.tmp", b"")], "gitIgnore": "*.tmp\n"}
    answer = here.alice.post(f"/api/models/{repo.full_name}/preupload/main", json=body)
    assert [f["shouldIgnore"] for f in answer.json()["files"]] == [False, True]


def test_attributes_pushed_earlier_count(here: Here) -> None:
    repo = here.repo({".gitattributes": b"*.png filter=lfs diff=lfs merge=lfs -text\n"})
    body = {"files": [planned("a.png", b"text"), planned("a.bin", b"text")]}
    answer = here.alice.post(f"/api/models/{repo.full_name}/preupload/main", json=body)
    assert [f["uploadMode"] for f in answer.json()["files"]] == ["lfs", "regular"]


@pytest.mark.parametrize("path", ["..\\ddd", "../x", "/", "a//b", ".git/config", "a/\x00b", "C:x", "x/../y"])
def test_paths_outside_the_repo_are_refused(here: Here, path: str) -> None:
    repo = here.repo()
    for what, body in (("preupload", None), ("commit", ndjson(file(path, b"x")))):
        address = f"/api/models/{repo.full_name}/{what}/main"
        response = (
            here.alice.post(address, content=body)
            if body
            else here.alice.post(address, json={"files": [planned(path, b"x")]})
        )
        assert response.status_code == 422, what


def test_a_commit(here: Here) -> None:
    repo = here.repo({"old.txt": b"old", "folder/a": b"a", "folder/b": b"b"})
    blob = here.blob(repo, b"weights")
    large = b"a line of text\n" * 10_000
    response = here.alice.post(
        f"/api/models/{repo.full_name}/commit/main",
        content=ndjson(
            ("deletedFolder", {"path": "folder/"}),
            ("deletedFile", {"path": "old.txt"}),
            file("old.txt", b"new"),
            file("large.txt", large),
            ("lfsFile", {"path": "w.bin", "algo": "sha256", "oid": blob.sha256, "size": blob.size}),
            ("lfsFile", {"path": "copy.bin", "algo": "sha256", "oid": blob.sha256}),
            title="Everything at once",
            description="and why",
            parentCommit=repo.head,
        ),
        headers={"Content-Type": "application/x-ndjson"},
    )
    answer = response.json()
    assert answer["success"] is True
    assert answer["commitUrl"] == f"http://testserver/{repo.full_name}/commit/{answer['commitOid']}"
    assert "pullRequestUrl" not in answer
    tree = here.anonymous.get(f"/api/models/{repo.full_name}/tree/main?recursive=1").json()
    assert {e["path"]: e["size"] for e in tree if e["path"] != ".gitattributes"} == {
        "old.txt": 3,
        "large.txt": len(large),
        "w.bin": 7,
        "copy.bin": 7,
    }
    assert here.anonymous.get(f"/{repo.full_name}/resolve/main/large.txt").content == large
    newest = here.anonymous.get(f"/api/models/{repo.full_name}/commits/main").json()[0]
    assert (newest["id"], newest["title"], newest["message"]) == (
        answer["commitOid"],
        "Everything at once",
        "and why",
    )


def test_a_commit_for_a_parent_that_is_no_longer_the_head(here: Here) -> None:
    repo = here.repo()
    before = str(repo.head)
    here.commit(repo, AddInline("a", b"a"))
    address = f"/api/models/{repo.full_name}/commit/main"
    response = here.alice.post(address, content=ndjson(file("b", b"b"), parentCommit=before))
    assert error_of(response) == (
        412,
        None,
        "The branch was updated since you opened this page. Please refresh and try again.",
    )


def test_what_a_commit_cannot_do(here: Here) -> None:
    repo = here.repo({"a.txt": b"a", "folder/b.txt": b"b"})

    def answer(item: tuple[str, dict[str, object]], revision: str = "main") -> tuple[int, str | None, str]:
        address = f"/api/models/{repo.full_name}/commit/{revision}"
        return error_of(here.alice.post(address, content=ndjson(item)))

    status, code, message = answer(("deletedFile", {"path": "missing.txt"}))
    assert (status, code) == (404, "EntryNotFound")
    assert "A file with this name doesn't exist" in message
    assert answer(("deletedFile", {"path": "folder"}))[1] == "EntryNotFound"
    assert answer(("lfsFile", {"path": "w.bin", "oid": "0" * 64}))[0] == 422
    assert answer(("file", {"path": "a.txt/b", "content": "x"}))[0] == 422
    assert answer(("file", {"path": "folder", "content": "x"}))[0] == 422
    assert answer(("file", {"path": "b", "content": "x"}), "missing")[:2] == (404, "RevisionNotFound")
    assert answer(("file", {"path": "b", "content": "x"}), str(repo.head))[:2] == (404, "RevisionNotFound")
    assert here.alice.post(f"/api/models/{repo.full_name}/commit/main", content=b"").status_code == 400


def test_a_file_that_is_too_large_for_git_is_told_where_to_go(here: Here) -> None:
    repo = here.repo()
    content = ndjson(file("a.txt", b"x" * (10 * 1024 * 1024 + 1)))
    status, _, message = error_of(here.alice.post(f"/api/models/{repo.full_name}/commit/main", content=content))
    assert status == 422
    assert "LFS or Xet" in message


def test_a_blob_of_a_repo_that_one_may_not_read_is_not_there(here: Here) -> None:
    secret = here.repo(private=True)
    blob = here.blob(secret, b"only alice has these")
    assert here.bob.post("/api/repos/create", json={"name": "grab"}).status_code == 200
    response = here.bob.post(
        "/api/models/bob/grab/commit/main", content=ndjson(("lfsFile", {"path": "a", "oid": blob.sha256}))
    )
    assert response.status_code == 422


def test_the_same_commit_twice_is_one(here: Here) -> None:
    repo = here.repo()
    address, body = f"/api/models/{repo.full_name}/commit/main", ndjson(file("a", b"a"))
    first, second = (here.alice.post(address, content=body).json()["commitOid"] for _ in range(2))
    assert first == second


def test_a_client_that_did_not_hear_the_answer_may_ask_again(here: Here) -> None:
    repo = here.repo({"old": b"old"})
    address = f"/api/models/{repo.full_name}/commit/main"
    header: dict[str, Any] = {"parentCommit": repo.head}
    items = (file("a", b"a" * 5000), ("deletedFile", {"path": "old"}))
    first, second = (here.alice.post(address, content=ndjson(*items, **header)).json() for _ in range(2))
    assert first["commitOid"] == second["commitOid"]
    for content, title in ((b"b", "a change"), (b"a" * 5000, "another")):
        other = ndjson(file("a", content), ("deletedFile", {"path": "old"}), title=title, **header)
        assert here.alice.post(address, content=other).status_code == 412
    here.commit(repo, AddInline("c", b"c"))
    assert here.alice.post(address, content=ndjson(*items, **header)).status_code == 412


def test_a_branch_is_squashed_into_one_commit(here: Here) -> None:
    repo = here.repo({"a": b"1"})
    here.commit(repo, AddInline("a", b"2"))
    address = f"/api/models/{repo.full_name}"
    assert here.bob.post(f"{address}/super-squash/main", json={"message": "No"}).status_code == 403
    squashed = here.alice.post(f"{address}/super-squash/main", json={"message": "All in one"}).json()["commitId"]
    commits = here.anonymous.get(f"{address}/commits/main").json()
    assert [(c["id"], c["title"]) for c in commits] == [(squashed, "All in one")]
    assert here.anonymous.get(f"/{repo.full_name}/resolve/main/a").content == b"2"
    assert here.anonymous.get(address).json()["sha"] == squashed
    assert here.alice.post(f"{address}/super-squash/gone", json={"message": "m"}).status_code == 404
    assert here.alice.post(f"{address}/super-squash/main", json={"message": " "}).status_code == 400


def test_readers_propose_and_only_their_own_pull_is_theirs_to_push_to(here: Here) -> None:
    repo = here.repo({"a.txt": b"a"})
    address = f"/api/models/{repo.full_name}/commit"
    assert here.bob.post(f"{address}/main", content=ndjson(file("b", b"b"))).status_code == 403
    assert here.anonymous.post(f"{address}/main?create_pr=1", content=ndjson(file("b", b"b"))).status_code == 401
    opened = here.bob.post(f"{address}/main?create_pr=1", content=ndjson(file("b", b"b"), title="Add b")).json()
    assert opened["pullRequestUrl"] == f"http://testserver/{repo.full_name}/discussions/1"
    assert here.bob.post(f"{address}/refs%2Fpr%2F1", content=ndjson(file("c", b"c"))).status_code == 200
    own = here.alice.post(f"{address}/main?create_pr=1", content=ndjson(file("d", b"d"))).json()
    assert own["pullRequestUrl"].endswith("/discussions/2")
    assert here.bob.post(f"{address}/refs%2Fpr%2F2", content=ndjson(file("e", b"e"))).status_code == 403
    assert here.anonymous.get(f"/{repo.full_name}/resolve/refs%2Fpr%2F1/c").content == b"c"
    assert here.anonymous.get(f"/{repo.full_name}/resolve/main/c").status_code == 404


def test_an_early_refusal_costs_no_upload(here: Here) -> None:
    hidden = here.repo(private=True)
    response = here.bob.post(f"/api/models/{hidden.full_name}/commit/main", content=b"x" * 100_000)
    assert error_of(response)[:2] == (404, "RepoNotFound")


def test_commits_come_in_pages(here: Here) -> None:
    repo = here.repo()
    for number in range(4):
        here.commit(repo, AddInline("a", b"%d" % number), title=f"number <{number}>")
    address: str | None = f"/api/models/{repo.full_name}/commits/main?limit=2&expand[]=formatted"
    seen, pages = [], 0
    while address:
        response = here.anonymous.get(address)
        seen += [commit["title"] for commit in response.json()]
        pages += 1
        address = response.links.get("next", {}).get("url")
    assert pages == 3
    assert seen == [f"number <{n}>" for n in (3, 2, 1, 0)] + ["initial commit"]
    first = here.anonymous.get(f"/api/models/{repo.full_name}/commits/main?expand[]=formatted").json()[0]
    assert first["formatted"]["title"] == "number &lt;3&gt;"
    assert first["date"].endswith("Z")


def test_a_card_is_checked_before_it_is_committed(here: Here) -> None:
    def check(content: str) -> tuple[int, list[str], list[str]]:
        response = here.anonymous.post("/api/validate-yaml", json={"content": content, "repoType": "model"})
        body = response.json()
        return response.status_code, *([m["message"] for m in body[key]] for key in ("warnings", "errors"))  # type: ignore[return-value]

    assert check("---\nlicense: mit\n---\n# A model\n") == (200, [], [])
    status, warnings, errors = check("# No metadata\n")
    assert (status, errors) == (200, [])
    assert warnings
    status, _, errors = check("---\nlicense: [\n---\n")
    assert status == 400
    assert errors
    status, _, errors = check("---\nlicense: my-own\n---\n")
    assert status == 400
    assert '"license" must be one of' in errors[0]
    assert here.anonymous.post("/api/validate-yaml", json={"content": "x" * 1_000_001}).status_code == 413
