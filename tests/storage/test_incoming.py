"""What new commits bring, refs that move together, and packs in quarantine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pygit2
import pytest

from openshelf.domain.tree import AddInline, DeleteFile
from openshelf.errors import AlreadyExists, InvalidUpload, StaleParent, TooLarge
from openshelf.storage.repositories import GitRepository, Repositories, incoming
from openshelf.storage.repositories.incoming import changed_paths
from openshelf.storage.repositories.repository import Author

ADA = Author("ada", "ada@example.org")
MAIN = "refs/heads/main"


@pytest.fixture
def store(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "repositories")


@pytest.fixture
def git(store: Repositories) -> GitRepository:
    return store.create("aa11")


def _add(git: GitRepository, parent: str | None, **files: str) -> str:
    changes = [AddInline(name.replace("__", "/"), text.encode()) for name, text in files.items()]
    return git.write_commit(parent, changes, ADA, "change")


def _paths(git: GitRepository, tips: list[str], known: list[str]) -> list[str]:
    return sorted(change.path for change in changed_paths(git, tips, known))


def _merge(git: GitRepository, tree_of: str, *parents: str) -> str:
    signature = pygit2.Signature("ada", "a@example.org", 1, 0)
    tree = git.git[tree_of].peel(pygit2.Tree).id
    return str(git.git.create_commit(None, signature, signature, "m", tree, [pygit2.Oid(hex=p) for p in parents]))


# Changed paths


def test_a_first_commit_brings_everything(git: GitRepository) -> None:
    first = _add(git, None, a="1", d__e__f="2")
    assert _paths(git, [first], []) == ["a", "d/e/f"]


def test_only_what_changed_in_each_new_commit(git: GitRepository) -> None:
    first = _add(git, None, a="1", d__x="1", d__y="1")
    second = _add(git, first, d__x="2")
    third = git.write_commit(second, [DeleteFile("a"), AddInline("d/x", b"3")], ADA, "third")
    assert _paths(git, [third], [first]) == ["d/x", "d/x"]
    assert _paths(git, [third], [third]) == []
    assert _paths(git, [second, third], [second]) == ["d/x"]


def test_a_merge_brings_only_what_none_of_its_parents_has(git: GitRepository) -> None:
    base = _add(git, None, a="1", b="1", d__x="1")
    left, right = _add(git, base, a="left"), _add(git, base, b="right", d__x="right")
    clean = _merge(git, _add(git, left, b="right", d__x="right"), left, right)
    assert _paths(git, [clean], [left, right]) == []
    evil = _merge(git, _add(git, clean, c="slipped in", d__x="changed"), left, right)
    assert _paths(git, [evil], [left, right]) == ["c", "d/x"]


def test_a_file_that_becomes_a_folder_and_back(git: GitRepository) -> None:
    file = _add(git, None, a="1")
    folder = git.write_commit(file, [DeleteFile("a"), AddInline("a/b", b"1")], ADA, "folder")
    back = git.write_commit(folder, [DeleteFile("a/b"), AddInline("a", b"1")], ADA, "back")
    assert _paths(git, [folder], [file]) == ["a/b"]
    assert _paths(git, [back], [folder]) == ["a"]


def test_paths_that_are_too_long_or_too_deep_are_named(git: GitRepository) -> None:
    deep = git.write_commit(None, [AddInline("/".join("d" * 70), b"x")], ADA, "deep")
    (change,) = changed_paths(git, [deep], [])
    assert "folders deep" in change.wrong
    long = git.write_commit(None, [AddInline("/".join(["ä" * 100] * 25), b"x")], ADA, "long")
    (change,) = changed_paths(git, [long], [])
    assert "longer than 4096 bytes" in change.wrong
    fits = git.write_commit(None, [AddInline("/".join(["ä" * 100] * 15), b"x")], ADA, "long, but not too long")
    assert [change.wrong for change in changed_paths(git, [fits], [])] == [""]


def test_a_drive_letter_matters_at_the_top_only(git: GitRepository) -> None:
    commit = git.write_commit(None, [AddInline("c:x", b"1"), AddInline("d/c:x", b"1")], ADA, "drives")
    assert {change.path: bool(change.wrong) for change in changed_paths(git, [commit], [])} == {
        "c:x": True,
        "d/c:x": False,
    }


def test_too_many_changes_and_missing_objects(git: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = _add(git, None, a="1", b="2", c="3", d__e="4")
    monkeypatch.setattr(incoming, "MAX_CHANGES", 4)
    with pytest.raises(TooLarge, match="more than 4 files"):
        list(changed_paths(git, [commit], []))
    tree = str(git.git[commit].peel(pygit2.Commit).tree["d"].id)
    (git.path / "objects" / tree[:2] / tree[2:]).unlink()
    monkeypatch.setattr(incoming, "MAX_CHANGES", 400)
    with pytest.raises(InvalidUpload, match=tree):
        list(changed_paths(GitRepository(git.path), [commit], []))


def test_more_trees_than_are_kept_in_memory(git: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_CACHED_ITEMS", 3)
    commits = [_add(git, None, a="0", b__c="0")]
    for number in range(10):
        commits.append(_add(git, commits[-1], a=str(number), b__c=str(number), **{f"f{number}": "x"}))
    assert len(_paths(git, [commits[-1]], [])) == 2 + 3 * 10 - 2


# Refs


def test_refs_move_together_or_not_at_all(git: GitRepository) -> None:
    first, second = _add(git, None, a="1"), _add(git, None, a="2")
    git.set_refs([(MAIN, first, None), ("refs/heads/x", first, None)])
    with pytest.raises(StaleParent):
        git.set_refs([(MAIN, second, first), ("refs/heads/y", second, None), ("refs/heads/x", second, second)])
    assert git.targets() == {MAIN: first, "refs/heads/x": first}
    with pytest.raises(AlreadyExists):
        git.set_refs([("refs/heads/new", second, None), ("refs/heads/x/y", second, None)])
    assert git.targets() == {MAIN: first, "refs/heads/x": first}
    git.set_refs([("refs/heads/x/y", second, None), ("refs/heads/x", None, first)])
    assert git.targets() == {MAIN: first, "refs/heads/x/y": second}


def test_an_annotated_tag_stands_for_its_commit(git: GitRepository) -> None:
    commit = _add(git, None, a="1")
    signature = pygit2.Signature("ada", "a@example.org", 1, 0)
    tag = str(git.git.create_tag("v1", pygit2.Oid(hex=commit), pygit2.enums.ObjectType.COMMIT, signature, "note"))
    assert git.targets()["refs/tags/v1"] == tag
    assert git.commit_of(tag) == commit
    with pytest.raises(StaleParent):
        git.set_ref("refs/tags/v1", commit, None)
    git.set_ref("refs/tags/v1", commit, commit)
    git.set_ref("refs/tags/v1", tag, commit)
    git.set_ref("refs/tags/v1", None, tag)


# Quarantine


def _pack(git: GitRepository, commit: str) -> bytes:
    command = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    return subprocess.run(command, cwd=git.path, input=f"{commit}\n".encode(), capture_output=True, check=True).stdout


def test_objects_are_seen_in_quarantine_only_until_they_are_kept(store: Repositories, git: GitRepository) -> None:
    other = store.create("bb22")
    commit = _add(other, None, a="1", b="22")
    quarantine = store.quarantines.open(git, 1_000_000)
    assert quarantine.write(_pack(other, commit))
    quarantine.finish()
    assert sorted((header.kind, header.size) for header in quarantine.headers())[:2] == [("blob", 1), ("blob", 2)]
    assert commit not in git.git
    seeing = GitRepository(git.path)
    quarantine.view(seeing)
    assert seeing.commit_of(commit) == commit
    assert commit not in GitRepository(git.path).git
    quarantine.keep()
    quarantine.keep()
    quarantine.discard()
    quarantine.discard()
    assert GitRepository(git.path).commit_of(commit) == commit
    assert not list(store.quarantines.root.iterdir())
    assert {path.suffix for path in (git.path / "objects" / "pack").iterdir()} == {".pack", ".rev", ".idx"}


@pytest.mark.parametrize("spoil", [lambda p: p[:-5], lambda p: b"XACK" + p[4:], lambda p: p[:30] + b"\0" + p[31:]])
def test_a_pack_that_is_not_sound(store: Repositories, git: GitRepository, spoil: object) -> None:
    assert callable(spoil)
    other = store.create("bb22")
    quarantine = store.quarantines.open(git, 1_000_000)
    quarantine.write(spoil(_pack(other, _add(other, None, a="1"))))
    with pytest.raises(InvalidUpload):
        quarantine.finish()
    quarantine.discard()
    assert not list(store.quarantines.root.iterdir())


def test_a_pack_over_the_limit_and_one_that_is_given_up(store: Repositories, git: GitRepository) -> None:
    other = store.create("bb22")
    quarantine = store.quarantines.open(git, 100)
    going = quarantine.write(_pack(other, _add(other, None, a="1", b="2")))
    for _ in range(200):
        going = going and quarantine.write(bytes(100_000))
    assert not going
    with pytest.raises(InvalidUpload, match="exceeds maximum allowed size"):
        quarantine.finish()
    quarantine.discard()
    waiting = store.quarantines.open(git, 100)
    waiting.discard()
    assert not list(store.quarantines.root.iterdir())
