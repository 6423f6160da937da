"""Pull requests, as far as clients need them to propose a change."""

from __future__ import annotations

from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddInline
from tests.interfaces.hf.conftest import Here, error_of, ndjson


def propose(here: Here, repo: Repo, path: str, content: str) -> None:
    item = ("file", {"path": path, "content": content})
    address = f"/api/models/{repo.full_name}/commit/main?create_pr=1"
    response = here.bob.post(address, content=ndjson(item, title=f"Change {path}", description="Because."))
    assert response.status_code == 200, response.text


def test_a_pull_shows_what_it_would_change(here: Here) -> None:
    repo = here.repo({"a.txt": b"one\n", "b.txt": b"same\n"})
    propose(here, repo, "a.txt", "two\n")
    found = here.anonymous.get(f"/api/models/{repo.full_name}/discussions/1?diff=1").json()
    assert (found["num"], found["title"], found["status"], found["author"]) == (
        1,
        "Change a.txt",
        "open",
        {"name": "bob"},
    )
    assert (found["isPullRequest"], found["repo"]) == (True, {"name": repo.full_name, "type": "model"})
    assert found["changes"] == {"base": "refs/heads/main"}
    assert found["filesWithConflicts"] == []
    assert "-one\n+two\n" in found["diff"]
    assert "b.txt" not in found["diff"]
    opening, commit = found["events"]
    assert (opening["type"], opening["data"]["latest"]["raw"]) == ("comment", "Because.")
    assert (commit["type"], commit["data"]["subject"]) == ("commit", "Change a.txt")


def test_what_both_sides_changed_is_in_conflict(here: Here) -> None:
    repo = here.repo({"a.txt": b"one\n"})
    propose(here, repo, "a.txt", "two\n")
    here.commit(repo, AddInline("a.txt", b"three\n"))
    found = here.anonymous.get(f"/api/models/{repo.full_name}/discussions/1").json()
    assert found["filesWithConflicts"] == ["a.txt"]
    assert "-one\n+two\n" in found["diff"]


def test_a_draft_is_opened_and_then_pushed_to(here: Here) -> None:
    repo = here.repo()
    body = {"title": "Mine", "description": "d", "pullRequest": True}
    assert here.bob.post(f"/api/models/{repo.full_name}/discussions", json=body).json()["num"] == 1
    address = f"/api/models/{repo.full_name}/discussions/1"
    assert here.anonymous.get(address).json()["status"] == "draft"
    item = ("file", {"path": "x", "content": "x"})
    assert here.bob.post(f"/api/models/{repo.full_name}/commit/refs%2Fpr%2F1", content=ndjson(item)).status_code == 200
    assert [event["type"] for event in here.anonymous.get(address).json()["events"]] == ["comment", "commit"]


def test_lists_of_pulls(here: Here) -> None:
    repo = here.repo()
    for number in range(27):
        propose(here, repo, f"f{number}", "x")
    address = f"/api/models/{repo.full_name}/discussions"

    def numbers(query: str) -> tuple[int, int, list[int]]:
        found = here.anonymous.get(f"{address}?{query}").json()
        return found["count"], found["start"], [item["num"] for item in found["discussions"]]

    assert numbers("p=0") == (27, 0, list(range(27, 2, -1)))
    assert numbers("p=1&status=open&type=pull_request") == (27, 25, [2, 1])
    assert numbers("status=closed") == (0, 0, [])
    assert numbers("type=discussion") == (0, 0, [])
    assert numbers("author=alice") == (0, 0, [])
    assert here.anonymous.get(f"{address}?status=odd").status_code == 400


def test_what_is_not_offered_yet_says_so(here: Here) -> None:
    repo = here.repo()
    address = f"/api/models/{repo.full_name}/discussions"
    assert here.bob.post(address, json={"title": "Hello"}).status_code == 501
    assert here.anonymous.post(address, json={"title": "Hello", "pullRequest": True}).status_code == 401
    assert error_of(here.bob.get(f"{address}/1"))[0] == 404
    propose(here, repo, "a", "a")
    for path in ("comment", "merge", "status", "title", "comment/abc/edit"):
        assert here.bob.post(f"{address}/1/{path}", json={}).status_code == 501
        assert here.bob.post(f"{address}/2/{path}", json={}).status_code == 404
