"""Files made, changed, moved and deleted in the browser; nothing that was typed is lost."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Role
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import AddInline, DeleteFile
from openshelf.interfaces.web import text_file
from openshelf.services import accounts, fetch, push, refs, repos
from openshelf.services.hub import Hub
from tests.hubs import actor, make_hub
from tests.interfaces.web.visitors import Visitor, make_repo

FILES = {
    "README.md": b"---\nlicense: mit\n---\n# Hi\n",
    "a.txt": b"one\r\ntwo\r\n",
    "docs/x.md": b"x",
    "b.bin": b"\0\1",
}


def send(visitor: Visitor, place: str, **fields: str) -> httpx2.Response:
    """Fill in the form at ``place`` and send it; what is not named stays as the page has it."""
    found = re.search(r'name="parent" value="(\w*)"', visitor.text(place))
    sent: dict[str, Any] = {"csrf": visitor.token(place), "target": "branch", **fields}
    if found:
        sent.setdefault("parent", found[1])
    return visitor.post(place, sent)


def content(hub: Hub, repo: Repo, path: str, revision: str = "main") -> bytes:
    git, found, entry = fetch.file(hub, repo, revision, path)
    stored = fetch.content(hub, repo, git, entry)
    assert found.commit
    return b"".join(stored.read(0, stored.size))


def paths(hub: Hub, repo: Repo, revision: str = "main") -> set[str]:
    git, found = fetch.revision(hub, repo, revision)
    return {entry.path for entry in git.entries(found.commit, recursive=True) if not entry.is_folder}


def titles(hub: Hub, repo: Repo) -> list[str]:
    from openshelf.storage.repositories import history

    git, found = fetch.revision(hub, repo, "main")
    return [commit.title for commit in history.log(git, found.commit, limit=20)]


@pytest.fixture
def repo(hub: Hub) -> Repo:
    return make_repo(hub, "alice", "model", FILES)


def test_a_file_is_changed_and_keeps_its_line_ends(hub: Hub, alice: Visitor, repo: Repo) -> None:
    page = alice.text("/alice/model/edit/main/a.txt")
    assert "one\ntwo\n</textarea>" in page
    answer = send(alice, "/alice/model/edit/main/a.txt", path="a.txt", text="one\nand\ntwo\n", title="Say more")
    assert answer.headers["location"] == "/alice/model/blob/main/a.txt"
    assert content(hub, repo, "a.txt") == b"one\r\nand\r\ntwo\r\n"
    assert titles(hub, repo)[0] == "Say more"
    same = send(alice, "/alice/model/edit/main/a.txt", path="a.txt", text="one\nand\ntwo\n")
    assert same.status_code == 422
    assert "Nothing is changed yet" in same.text


@pytest.mark.parametrize(
    ("before", "typed", "after"),
    [
        (b"a\r\nb\nc\r\n", "a\nb\nc\n", b"a\r\nb\nc\r\n"),
        (b"a\r\nb\nc\r\n", "a\nX\nb\nc\n", b"a\r\nX\r\nb\nc\r\n"),
        (b"a\nb", "a\nb\n", b"a\nb\n"),
        (b"a\r\nb\r\n", "", b""),
        (b"a\rb\r", "a\nb\nc\n", b"a\rb\rc\r"),
        (b"", "\n\nx", b"\n\nx"),
        (b"\xef\xbb\xbfa\n", "b\n", b"\xef\xbb\xbfb\n"),
        ("é\u2028\x0b\n".encode(), "é\u2028\x0b\n", "é\u2028\x0b\n".encode()),
    ],
)
def test_line_ends(before: bytes, typed: str, after: bytes) -> None:
    read = text_file.read(before)
    assert read is not None
    assert read.encode(read.text) == before
    assert read.encode(typed) == after


def test_what_is_no_text_can_be_moved_and_copied_only(hub: Hub, alice: Visitor, repo: Repo) -> None:
    page = alice.text("/alice/model/edit/main/b.bin")
    assert "This file is not text" in page
    assert 'name="text"' not in page
    assert send(alice, "/alice/model/edit/main/b.bin", path="b.bin").status_code == 422
    send(alice, "/alice/model/edit/main/b.bin", path="copies/c.bin", keep="1")
    assert {"b.bin", "copies/c.bin"} <= paths(hub, repo)
    send(alice, "/alice/model/edit/main/b.bin", path="moved.bin")
    assert "b.bin" not in paths(hub, repo)
    assert content(hub, repo, "moved.bin") == b"\0\1"
    assert titles(hub, repo)[0] == "Rename b.bin to moved.bin"


def test_a_text_is_moved_with_its_change_and_never_onto_another(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place = "/alice/model/edit/main/a.txt"
    taken = send(alice, place, path="docs/x.md", text="lost?")
    assert taken.status_code == 422
    assert "already something called docs/x.md" in taken.text
    assert "lost?</textarea>" in taken.text
    for path in ("", "../x", "a//b", ".git/config", "x" * 300, "c:\\x"):
        refused = send(alice, place, path=path, text="lost?")
        assert refused.status_code == 422, path
        assert 'href="#field-path"' in refused.text, path
        assert "lost?</textarea>" in refused.text
    done = send(alice, place, path="a.txt/inner.txt", text="new\n")
    assert done.headers["location"] == "/alice/model/blob/main/a.txt/inner.txt"
    assert paths(hub, repo) == {".gitattributes", "README.md", "docs/x.md", "b.bin", "a.txt/inner.txt"}


def test_somebody_elses_change_is_shown_and_nothing_is_lost(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place = "/alice/model/edit/main/a.txt"
    parent = re.search(r'name="parent" value="(\w+)"', alice.text(place))
    assert parent
    push.commit(hub, actor(hub, "alice"), repo, "main", [AddInline("a.txt", b"theirs\n")], "Theirs <b>")
    answer = send(alice, place, path="a.txt", text="mine\n", parent=parent[1], title="Mine")
    assert answer.status_code == 412
    assert "alice changed this file while you wrote" in answer.text
    assert "Theirs &lt;b&gt;" in answer.text
    assert "theirs\n</textarea>" in answer.text
    assert "mine\n</textarea>" in answer.text
    assert 'value="Mine"' in answer.text
    assert content(hub, repo, "a.txt") == b"theirs\n"
    newer = re.search(r'name="parent" value="(\w+)"', answer.text)
    assert newer
    again = send(alice, place, path="a.txt", text="both\n", parent=newer[1])
    assert again.status_code == 303
    assert content(hub, repo, "a.txt") == b"both\n"


def test_a_change_of_another_file_is_no_conflict(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place = "/alice/model/edit/main/a.txt"
    parent = re.search(r'name="parent" value="(\w+)"', alice.text(place))
    assert parent
    push.commit(hub, actor(hub, "alice"), repo, "main", [AddInline("docs/x.md", b"y")], "Elsewhere")
    assert send(alice, place, path="a.txt", text="mine\n", parent=parent[1]).status_code == 303
    assert content(hub, repo, "docs/x.md") == b"y"


def test_a_file_that_was_deleted_meanwhile_can_be_kept(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place, parent = "/alice/model/edit/main/a.txt", fetch.revision(hub, repo, "main")[1].commit
    push.commit(hub, actor(hub, "alice"), repo, "main", [DeleteFile("a.txt")], "Gone")
    sent = {"csrf": alice.token("/new"), "path": "a.txt", "text": "mine", "parent": parent}
    answer = alice.post(place, sent)
    assert answer.status_code == 412
    assert "was deleted while you wrote" in answer.text
    for wrong in ("", "0" * 40, "main~1", "x" * 500):
        assert alice.post(place, {**sent, "parent": wrong}).status_code == 412
    newer = re.search(r'name="parent" value="(\w+)"', answer.text)
    assert newer
    assert alice.post(place, {**sent, "parent": newer[1]}).status_code == 303
    assert content(hub, repo, "a.txt") == b"mine"


def test_a_new_file(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place = "/alice/model/new/main/docs"
    answer = send(alice, place, path="docs/new.md", text="# New\n")
    assert answer.headers["location"] == "/alice/model/blob/main/docs/new.md"
    assert content(hub, repo, "docs/new.md") == b"# New\n"
    assert titles(hub, repo)[0] == "Add docs/new.md"
    again = send(alice, place, path="docs/new.md", text="other")
    assert again.status_code == 422
    assert "other</textarea>" in again.text
    assert "gone.bin" not in paths(hub, repo)
    send(alice, place, path="gone.bin", text="kept outside git by the rules of the repo")
    git, found = fetch.revision(hub, repo, "main")
    assert git.entry(found.commit, "gone.bin").blob is not None
    assert content(hub, repo, "gone.bin") == b"kept outside git by the rules of the repo"


def test_a_card_is_begun_from_a_template_and_judged(hub: Hub, alice: Visitor) -> None:
    repo = make_repo(hub, "alice", "pairs", kind=RepoKind.DATASET)
    moved = alice.get("/datasets/alice/pairs/edit/main/README.md").headers["location"]
    assert moved == "/datasets/alice/pairs/new/main?template=card"
    assert "## Where it comes from" in alice.text(moved)
    place = "/datasets/alice/pairs/new/main"
    wrong = "---\nlicense: nope\ntags: 3\n---\n# Hi **there**\n"
    shown = send(alice, place, path="README.md", text=wrong, do="preview")
    assert shown.status_code == 200
    assert "<strong>there</strong>" in shown.text
    assert "is none of these" in shown.text
    refused = send(alice, place, path="README.md", text=wrong, do="commit")
    assert refused.status_code == 422
    assert 'name="anyway"' in refused.text
    assert "README.md" not in paths(hub, repo)
    assert send(alice, place, path="README.md", text=wrong, anyway="1").status_code == 303
    assert content(hub, repo, "README.md") == wrong.encode()
    assert alice.get(moved).headers["location"] == "/datasets/alice/pairs/edit/main/README.md"


def test_previews_are_harmless(alice: Visitor, repo: Repo) -> None:
    hostile = "<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n"
    for path in ("x.md", "x.py", "x"):
        page = send(alice, "/alice/model/new/main", path=path, text=hostile, do="preview").text
        assert "<script>alert" not in page
        assert 'href="javascript' not in page
        assert "<img src=x" not in page


def test_a_change_goes_to_a_pull_request(hub: Hub, alice: Visitor, repo: Repo) -> None:
    answer = send(alice, "/alice/model/edit/main/a.txt", path="a.txt", text="mine\n", target="pull", title="Mine")
    assert answer.headers["location"] == "/alice/model/tree/refs%2Fpr%2F1"
    assert content(hub, repo, "a.txt") == FILES["a.txt"]
    assert content(hub, repo, "a.txt", "refs/pr/1") == b"mine\r\n"
    page = alice.text("/alice/model/edit/refs%2Fpr%2F1/a.txt")
    assert 'value="pull"' not in page


def test_tags_and_commits_do_not_change(hub: Hub, alice: Visitor, repo: Repo) -> None:
    refs.create_tag(hub, actor(hub, "alice"), repo, "v1", "main")
    commit = fetch.revision(hub, repo, "main")[1].commit
    for revision in ("v1", commit, commit[:10]):
        for rest in (f"edit/{revision}/a.txt", f"delete/{revision}/a.txt", f"new/{revision}", f"upload/{revision}"):
            answer = alice.get(f"/alice/model/{rest}")
            assert answer.status_code == 409, rest
            assert "never changes" in answer.text
    assert alice.get("/alice/model/edit/nowhere/a.txt").status_code == 404


def test_files_and_folders_are_deleted(hub: Hub, alice: Visitor, repo: Repo) -> None:
    page = alice.text("/alice/model/delete/main/docs")
    assert "1 file goes, 1 byte:" in page
    assert "<bdi>x.md</bdi>" in page
    assert send(alice, "/alice/model/delete/main/docs").headers["location"] == "/alice/model/tree/main"
    assert "docs/x.md" not in paths(hub, repo)
    assert titles(hub, repo)[0] == "Delete docs"
    assert alice.get("/alice/model/delete/main/docs").status_code == 404
    assert alice.get("/alice/model/delete/main/").status_code == 404
    old = fetch.revision(hub, repo, "main")[1].commit
    push.commit(hub, actor(hub, "alice"), repo, "main", [AddInline("a.txt", b"better")], "Better")
    refused = send(alice, "/alice/model/delete/main/a.txt", parent=old)
    assert refused.status_code == 412
    assert "changed while you looked" in refused.text
    assert content(hub, repo, "a.txt") == b"better"
    assert send(alice, "/alice/model/delete/main/a.txt").status_code == 303
    assert "a.txt" not in paths(hub, repo)


PLACES = ("edit/main/a.txt", "new/main", "new/main/docs", "delete/main/a.txt", "upload/main", "upload/main/docs")


@pytest.mark.parametrize("place", PLACES)
def test_only_those_who_may_write_come_here(hub: Hub, alice: Visitor, bob: Visitor, repo: Repo, place: str) -> None:
    stranger, fields = Visitor(hub), {"path": "a.txt", "text": "x", "target": "pull"}
    assert stranger.get(f"/alice/model/{place}").headers["location"].startswith("/login?next=")
    assert bob.get(f"/alice/model/{place}").status_code == 403
    sent = bob.post(f"/alice/model/{place}", {**fields, "csrf": bob.token("/new")})
    assert sent.status_code in (400, 403)
    repos.set_visibility(hub, actor(hub, "alice"), repo, Visibility.PRIVATE)
    for visitor in (bob, stranger):
        assert visitor.get(f"/alice/model/{place}").status_code == 404
    assert alice.get(f"/alice/model/{place}").status_code == 200
    assert len(titles(hub, repo)) == 2


def test_long_texts_and_titles_are_refused_without_loss(hub: Hub, alice: Visitor, repo: Repo) -> None:
    place = "/alice/model/edit/main/a.txt"
    long = send(alice, place, path="a.txt", text="é" * 600_000)
    assert long.status_code == 422
    assert "the most that can be edited here" in long.text
    assert long.text.count("é") == 600_000
    title = send(alice, place, path="a.txt", text="kept", title="x" * 300)
    assert title.status_code == 422
    assert "kept</textarea>" in title.text
    assert send(alice, place, path="a.txt", text="x" * 4_100_000).status_code == 413


def test_a_dataset_may_be_called_as_a_page_is(hub: Hub, alice: Visitor) -> None:
    for name in ("edit", "new", "upload", "tree"):
        make_repo(hub, "alice", name, {"a.txt": b"x"}, kind=RepoKind.DATASET)
        assert alice.get(f"/datasets/alice/{name}/tree/main").status_code == 200
        assert alice.get(f"/datasets/alice/{name}/edit/main/a.txt").status_code == 200


def test_a_read_only_hub_says_so_and_keeps_the_forms_shut(hub: Hub, repo: Repo, tmp_path: Any) -> None:
    hub.storage.close()
    closed = make_hub(tmp_path, read_only=True)
    visitor = Visitor(closed, "alice")
    for place in (*(f"/alice/model/{place}" for place in PLACES), "/alice/model/settings", "/new"):
        page = visitor.text(place)
        assert "This hub is read-only at the moment." in page, place
        assert "<fieldset disabled" in page or "fieldset class" in page
        assert " disabled>" in page, place
    answer = visitor.post("/alice/model/edit/main/a.txt", {"csrf": visitor.token("/new"), "path": "a.txt", "text": "x"})
    assert answer.status_code == 503
    closed.storage.close()


def test_new_repos_begin_with_a_card_and_a_licence(hub: Hub, alice: Visitor) -> None:
    wrong = alice.submit("/new", kind="model", owner="alice", name="with-card", licence="my own", card="1")
    assert wrong.status_code == 422
    assert 'href="#field-licence"' in wrong.text
    alice.submit("/new", kind="model", owner="alice", name="with-card", licence="Apache-2.0", card="1")
    repo = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", "with-card"))
    assert b"license: apache-2.0\n" in content(hub, repo, "README.md")
    assert b"# with-card\n" in content(hub, repo, "README.md")
    assert repo.facts["license"] == "apache-2.0"
    alice.submit("/new", kind="model", owner="alice", name="bare")
    assert paths(hub, repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", "bare"))) == {
        ".gitattributes"
    }


def test_a_name_is_checked_for_the_script(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    make_repo(hub, "alice", "taken", visibility=Visibility.PRIVATE)

    def problem(visitor: Visitor, owner: str, name: str) -> str:
        return str(visitor.get(f"/new/name?kind=model&owner={owner}&name={name}").json()["problem"])

    assert problem(alice, "alice", "free") == ""
    assert "already" in problem(alice, "alice", "TAKEN")
    assert "cannot name" in problem(alice, "alice", "-x")
    assert problem(bob, "alice", "taken") == problem(bob, "alice", "free") != ""
    assert Visitor(hub).get("/new/name?owner=alice&name=x").status_code == 303


def test_a_repo_is_given_away_after_typing_its_name(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    lab = accounts.create_organisation(hub, "lab", accounts.find(hub, "alice"))
    accounts.set_member(hub, lab, accounts.find(hub, "bob"), Role.WRITE)
    make_repo(hub, "bob", "model", {"a.txt": b"x"})
    place = "/bob/model/settings"
    page = bob.text(place)
    assert '<option value="lab">' in page
    assert '<option value="bob">' not in page
    refused = bob.submit(f"{place}/owner", place, owner="lab", confirm="model")
    assert refused.status_code == 422
    assert "Type the whole name, bob/model." in refused.text
    assert bob.submit(f"{place}/owner", place, owner="alice", confirm="bob/model").status_code == 422
    done = bob.submit(f"{place}/owner", place, owner="lab", confirm="bob/model")
    assert done.headers["location"] == "/lab/model", "a member who writes does not see its settings any more"
    assert bob.get("/bob/model").headers["location"] == "/lab/model"
    back = alice.submit("/lab/model/settings/owner", "/lab/model/settings", owner="bob", confirm="lab/model")
    assert back.headers["location"] == "/bob/model/settings?done=owner"


def test_settings_say_what_is_stored(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    send(alice, "/alice/model/new/main", path="w.bin", text="x" * 1500)
    page = alice.text("/alice/model/settings")
    assert "1.50 kB" in page
    assert "in 1 file outside git" in page
