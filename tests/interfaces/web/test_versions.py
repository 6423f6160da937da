"""Commits, what they changed, comparisons, branches and tags."""

from __future__ import annotations

import hashlib
import re

import pygit2
import pytest

from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddBlob, AddInline, Blob, Change, DeleteFile
from openshelf.services import push, refs
from openshelf.services.hub import Hub
from openshelf.services.stored import record_whole
from tests.hubs import actor
from tests.interfaces.web.visitors import Visitor, elements, make_repo


def commit(
    hub: Hub, repo: Repo, *changes: Change, title: str = "Change", branch: str = "main", by: str = "alice"
) -> str:
    return push.commit(hub, actor(hub, by), repo, branch, list(changes), title).commit


def add_blob(hub: Hub, repo: Repo, path: str, content: bytes) -> AddBlob:
    blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
    writer = hub.storage.blobs.writer()
    writer.write(content)
    record_whole(hub, repo, writer.keep(blob))
    return AddBlob(path, blob.sha256, blob.size)


def test_one_commit_shows_what_it_changed(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.py": b"def f():\n    return 1\n", "gone.txt": b"x\n"})
    done = commit(
        hub, repo, AddInline("a.py", b"def f():\n    return 2\n"), DeleteFile("gone.txt"), AddInline("n.txt", b"n")
    )
    page = stranger.text(f"/alice/model/commit/{done}")
    assert "3 files differ" in page
    assert '<a id="f1R2" href="#f1R2" tabindex="-1">2</a>' in page
    assert "return <b>2</b>" in page
    assert "return <b>1</b>" in page
    assert "no newline at the end" in page
    assert f'href="/alice/model/blob/{done}/a.py"' in page
    assert f'href="/alice/model/blob/{repo.head}/gone.txt"' in page
    assert 'href="/alice"><bdi>alice</bdi></a></span>' in page
    split = stranger.text(f"/alice/model/commit/{done}?view=split")
    assert '<table class="diff split">' in split
    assert '<a id="f1L2" href="#f1L2" tabindex="-1">2</a>' in split
    alone = stranger.text(f"/alice/model/commit/{done}?file=n.txt")
    assert "One file" in alone
    assert "return" not in alone
    assert "No file differs" in stranger.text(f"/alice/model/commit/{done}?file=none")


def test_the_first_commit_and_merges_are_said(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"1\n"})
    git = hub.storage.repositories.open(repo.id)
    assert repo.head
    first = stranger.text(f"/alice/model/commit/{git.git[repo.head].peel(pygit2.Commit).parent_ids[0]}")
    assert "the first commit" in first
    assert ".gitattributes" in first
    refs.create_branch(hub, actor(hub, "alice"), repo, "side")
    other = commit(hub, repo, AddInline("side.txt", b"2\n"), branch="side")
    main = commit(hub, repo, AddInline("main.txt", b"3\n"))
    ours, theirs = git.git[main].peel(pygit2.Commit), git.git[other].peel(pygit2.Commit)
    tree = git.git.merge_trees(ours.parents[0].tree, ours.tree, theirs.tree).write_tree(git.git)
    merge = git.git.create_commit(None, ours.author, ours.author, "Merge", tree, [ours.id, theirs.id])
    page = stranger.text(f"/alice/model/commit/{merge}")
    assert "merges two or more lines" in page
    assert "side.txt" in page
    assert "main.txt" not in page
    assert f'href="/alice/model/commit/{main}"' in page
    assert f'href="/alice/model/commit/{other}"' in page


def test_hostile_text_shows_what_it_hides(hub: Hub, stranger: Visitor) -> None:
    hostile = (
        "if a: # \u202e } \u2066if b\n\x1b[31m<script>alert(1)</script>\r\nx\n".encode()
        + b"\xff\xfe\n"
        + b"y" * 300_000
    )
    repo = make_repo(hub, "alice", "model", {"a\u202egnp.py": hostile})
    done = commit(hub, repo, AddInline("b.txt", b"ok\n"), title="Title \u202e <b>bold</b>")
    page = stranger.text(f"/alice/model/commit/{repo.head}")
    assert "<script>alert" not in page
    assert "\u202e" not in re.sub("<[^>]*>", "", page)
    assert '<span class="odd" title="right-to-left override">U+202E</span>' in page
    assert ">ESC</span>" in page
    assert ">CR</span>" in page
    assert '<span class="odd" title="not UTF-8">\\xff</span>' in page
    assert "and 298000 more characters" in page
    assert len(page) < 60_000
    for address in (f"/alice/model/commit/{done}", "/alice/model/commits/main"):
        text = stranger.text(address)
        assert "<b>bold</b>" not in text
        assert "U+202E</span>" in text


def test_large_changes_are_bounded_and_fold(hub: Hub, stranger: Visitor) -> None:
    many = b"".join(b"line %d\n" % number for number in range(4000))
    files = {f"f{number:03}.txt": b"%d\n" % number for number in range(60)} | {"a.txt": many, "b.txt": many}
    repo = make_repo(hub, "alice", "model", files | {"c.txt": many})
    page = stranger.text(f"/alice/model/commit/{repo.head}")
    assert "62 files differ" not in page
    assert "63 files differ" in page
    assert "in files 1 to 50" in page
    assert 'rel="next" href="/alice/model/commit/' in page
    assert "The rest of this file" in page
    assert "This page is full" in page
    details = [e.attributes for e in elements(page) if e.tag == "details" and e.attributes.get("class") == "diff-file"]
    assert len(details) == 50
    assert "open" not in details[0]
    assert "open" in details[-1]
    following = stranger.text(f"/alice/model/commit/{repo.head}?p=1")
    assert 'id="f51"' in following
    assert 'rel="next"' not in following
    assert "line 3999" in stranger.text(f"/alice/model/commit/{repo.head}?file=a.txt")


def test_files_outside_git_show_what_is_known(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    commit(hub, repo, add_blob(hub, repo, "w.bin", b"one" * 1000))
    done = commit(hub, repo, add_blob(hub, repo, "w.bin", b"two" * 2000), AddInline("p.png", b"\x89PNG\0"))
    page = stranger.text(f"/alice/model/commit/{done}")
    assert "kept outside git" in page
    assert "3.00 kB" in page
    assert "6.00 kB" in page
    assert hashlib.sha256(b"two" * 2000).hexdigest() in page
    assert "all of it was new" in page
    assert f'<img src="/alice/model/resolve/{done}/p.png"' in page
    copy = make_repo(hub, "bob", "copy")
    change = AddBlob("w.bin", hashlib.sha256(b"two" * 2000).hexdigest(), 6000)
    taken = commit(hub, copy, change, by="bob")
    assert "all of it was already stored" in stranger.text(f"/bob/copy/commit/{taken}")


def test_commits_stand_under_their_day_and_page_both_ways(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model")
    for number in range(51):
        commit(hub, repo, AddInline("a.txt", str(number).encode()), title=f"Step {number}")
    page = stranger.text("/alice/model/commits/main")
    assert page.count('class="day"') in (1, 2)
    assert 'rel="next" href="/alice/model/commits/main?p=1"' in page
    older = stranger.text("/alice/model/commits/main?p=1")
    assert 'rel="prev" href="/alice/model/commits/main"' in older
    assert "initial commit" in older


def test_the_history_of_a_file_follows_renames(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"old.txt": b"content\n", "b.txt": b"1"})
    commit(hub, repo, AddInline("b.txt", b"2"), title="Nothing of this")
    moved = commit(hub, repo, DeleteFile("old.txt"), AddInline("dir/new.txt", b"content\n"), title="Move it")
    page = stranger.text("/alice/model/commits/main/dir/new.txt")
    assert "Nothing of this" not in page
    assert f'href="/alice/model/commit/{moved}?file=dir%2Fnew.txt"' in page
    assert f'href="/alice/model/blob/{repo.head}/old.txt"' in page
    assert "came from" in page
    assert "Move it" in stranger.text("/alice/model/commits/main/dir")
    assert "There never was" in stranger.text("/alice/model/commits/main/none.txt")
    for odd in ("a%00b", "a//b", "%FF"):
        assert stranger.get(f"/alice/model/commits/main/{odd}").status_code == 200
    assert stranger.get("/alice/model/commits/main/").headers["location"] == "/alice/model/commits/main"
    choice = "/alice/model/revision?view=commits&rev=main&path=dir/new.txt"
    assert stranger.get(choice).headers["location"] == "/alice/model/commits/main/dir/new.txt"


def test_a_long_past_is_looked_at_in_pieces(hub: Hub, stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(hub, "alice", "model", {"old.txt": b"content\n"})
    for number in range(10):
        commit(hub, repo, AddInline("b.txt", str(number).encode()))
    commit(hub, repo, DeleteFile("old.txt"), AddInline("new.txt", b"content\n"))
    monkeypatch.setattr(
        "openshelf.storage.repositories.file_history.file_history.__kwdefaults__", {"walked": 0, "limit": 50, "most": 4}
    )
    page = stranger.text("/alice/model/commits/main/new.txt")
    further = "/alice/model/commits/main/new.txt?walked=4&amp;was=old.txt"
    assert further in page
    middle = stranger.text(further.replace("&amp;", "&"))
    assert "None of the 8 newest commits" in middle
    last = stranger.text("/alice/model/commits/main/new.txt?walked=8&was=old.txt")
    assert "Add files" in last


def test_comparing_revisions(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"1\n"})
    refs.create_branch(hub, actor(hub, "alice"), repo, "team/try")
    commit(hub, repo, AddInline("side.txt", b"2\n"), branch="team/try", title="On the side")
    commit(hub, repo, AddInline("main.txt", b"3\n"), title="On main")
    form = stranger.get("/alice/model/compare?base=main&head=team/try")
    assert form.headers["location"] == "/alice/model/compare/main...team%2Ftry"
    page = stranger.text("/alice/model/compare/main...team%2Ftry")
    assert "On the side" in page
    assert "side.txt" in page
    assert "main.txt" not in page
    assert "1 commit that" in page
    assert "It lacks 1 commit of it." in page
    every = stranger.text("/alice/model/compare/main..team%2Ftry")
    assert "main.txt" in every
    assert "same commit" in stranger.text("/alice/model/compare/main...main")
    assert "See what changed" in stranger.text("/alice/model/compare")
    wrong = stranger.get("/alice/model/compare/main...nothing")
    assert wrong.status_code == 404
    assert "There is no branch, tag or commit called nothing here" in wrong.text
    assert stranger.get("/alice/model/compare?base=main&head=no<b>").status_code == 422
    assert stranger.get("/alice/model/compare/main").status_code == 404


def test_branches_and_tags_are_made_and_deleted(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"1\n"})
    place = "/alice/model/branches"
    assert "There are no tags yet" in stranger.text(place)
    made = alice.submit(f"{place}/new", place, name="try", start="main")
    assert made.headers["location"] == f"{place}?done=branch"
    lost = commit(hub, repo, AddInline("b.txt", b"2\n"), branch="try", title="Only here")
    tagged = alice.submit(f"{place}/new-tag", place, name="v1", start="main", message="The first")
    assert tagged.headers["location"] == f"{place}?done=tag"
    page = stranger.text(place)
    assert "1 ahead of main, 0 behind" in page
    assert 'href="/alice/model/compare/main...try"' in page
    assert 'href="/alice/model/tree/v1"' in page
    assert "New branch" not in page
    again = alice.submit(f"{place}/new", place, name="try", start="main")
    assert again.status_code == 422
    assert "already exists" in again.text
    assert (
        "There is no branch, tag or commit called gone"
        in alice.submit(f"{place}/new", place, name="x", start="gone").text
    )
    assert alice.submit(f"{place}/new-tag", place, name="bad name", start="main").status_code == 422

    ask = f"{place}/delete?ref=refs%2Fheads%2Ftry"
    question = alice.text(ask)
    assert "1 commit goes with it" in question
    assert lost[:8] in question
    refused = alice.submit(f"{place}/delete", ask, ref="refs/heads/try", typed="no")
    assert refused.status_code == 422
    assert stranger.get("/alice/model/tree/try").status_code == 200
    done = alice.submit(f"{place}/delete", ask, ref="refs/heads/try", typed="try")
    assert done.headers["location"] == f"{place}?done=deleted"
    assert stranger.get("/alice/model/tree/try").status_code == 404
    ask = f"{place}/delete?ref=refs%2Ftags%2Fv1"
    assert "nothing else is lost" in alice.text(ask)
    assert alice.submit(f"{place}/delete", ask, ref="refs/tags/v1").status_code == 303
    assert "cannot be deleted" in alice.text(f"{place}/delete?ref=refs%2Fheads%2Fmain")
    refused = alice.submit(f"{place}/delete", place, ref="refs/heads/main", typed="main")
    assert refused.status_code in (400, 422)
    assert alice.submit(f"{place}/delete", place, ref="refs/pr/1").status_code == 404
    assert hub.storage.repositories.open(repo.id).resolve("main")


def test_only_who_may_write_changes_branches(hub: Hub, alice: Visitor, bob: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model", {"a.txt": b"1\n"})
    place = "/alice/model/branches"
    token = bob.token("/new")
    for rest, fields in (("new", {"name": "x"}), ("new-tag", {"name": "x"}), ("delete", {"ref": "refs/heads/main"})):
        assert bob.post(f"{place}/{rest}", {"csrf": token, **fields}).status_code == 403
        assert alice.post(f"{place}/{rest}", {"csrf": "wrong", **fields}).status_code == 403
    assert bob.get(f"{place}/delete?ref=refs/heads/main").status_code == 403
    assert stranger.get(f"{place}/delete?ref=refs/heads/main").status_code in (303, 401, 403)


def test_pages_stay_small(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"a.txt": b"1\n"})
    for address in (
        f"/alice/model/commit/{repo.head}",
        "/alice/model/commits/main",
        "/alice/model/branches",
        "/alice/model/compare",
    ):
        page = stranger.text(address)
        assert len(page) < 20_000
        assert not re.search(r"<(style|script)(?![^>]*src)|\son\w+=", page)
