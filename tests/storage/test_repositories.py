"""Git repositories: revisions, refs, entries, commits, history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from openshelf.domain.tree import AddBlob, AddInline, Blob, Change, CopyFile, DeleteFile, DeleteFolder
from openshelf.errors import AlreadyExists, EntryNotFound, InvalidChange, RevisionNotFound, StaleParent, StorageFault
from openshelf.storage.repositories import GitRepository, Repositories, history
from openshelf.storage.repositories.repository import Author

ADA = Author("ada", "ada@example.org")
MAIN = "refs/heads/main"
BIG = Blob("ab" * 32, 5_000_000_000)


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return Repositories(tmp_path / "repositories").create("aa11")


def _commit(git: GitRepository, *changes: Change, ref: str = MAIN, title: str = "change") -> str:
    known = {found.name: found.commit for found in git.refs()}
    commit = git.write_commit(known.get(ref), changes, ADA, f"{title}\n\nbody\n")
    git.set_ref(ref, commit, known.get(ref))
    return commit


def _paths(git: GitRepository, commit: str) -> list[str]:
    return [entry.path for entry in git.entries(commit, recursive=True) if not entry.is_folder]


def test_files_folders_and_blobs(git: GitRepository) -> None:
    commit = _commit(
        git, AddInline("a/b/c.txt", b"hello"), AddBlob("big.bin", BIG.sha256, BIG.size), AddInline("z", b"")
    )
    entries = {entry.path: entry for entry in git.entries(commit, recursive=True)}
    assert list(entries) == ["a", "a/b", "a/b/c.txt", "big.bin", "z"]
    assert entries["a"].is_folder
    assert (entries["a/b/c.txt"].size, git.read(entries["a/b/c.txt"].oid)) == (5, b"hello")
    assert (entries["big.bin"].blob, entries["big.bin"].size, entries["big.bin"].etag) == (BIG, BIG.size, BIG.sha256)
    assert git.read(entries["big.bin"].oid) == BIG.pointer()
    assert [entry.path for entry in git.entries(commit, "a")] == ["a/b"]
    assert git.entry(commit, "").is_folder
    for path in ("none", "a/none", "z/none"):
        with pytest.raises(EntryNotFound) as caught:
            git.entry(commit, path)
        assert caught.value.commit == commit


def test_real_git_reads_what_is_written(git: GitRepository) -> None:
    _commit(git, AddInline("ü/x", b"1"), AddInline("a.b", b"2"), AddInline("a/b", b"3"), AddInline("a-b", b"4"))
    _commit(git, DeleteFile("a/b"), AddInline("ü/y", b"5"))
    subprocess.run(["git", "-C", git.path, "fsck", "--strict", "--full"], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", git.path, "ls-tree", "-rz", "--name-only", "main"], check=True, capture_output=True, text=True
    )
    assert listed.stdout.split("\0")[:-1] == ["a-b", "a.b", "ü/x", "ü/y"]


def test_changes_apply_in_order(git: GitRepository) -> None:
    _commit(git, AddInline("d/a", b"1"), AddInline("d/b", b"2"), AddInline("e", b"3"))
    commit = _commit(git, DeleteFolder("d"), AddInline("d/c", b"4"), DeleteFile("e"), AddInline("e", b"5"))
    assert _paths(git, commit) == ["d/c", "e"]
    assert _paths(git, _commit(git, DeleteFolder(""), AddInline("only", b""))) == ["only"]
    assert _paths(git, _commit(git, DeleteFile("only"))) == []


def test_copies(git: GitRepository) -> None:
    first = _commit(git, AddInline("a", b"old"), AddBlob("w", BIG.sha256, BIG.size))
    _commit(git, AddInline("a", b"new"))
    commit = _commit(git, CopyFile("b", "a", first), CopyFile("x/w", "w", "main"))
    assert git.read_path(commit, "b", 100) == b"old"
    assert git.entry(commit, "x/w").blob == BIG
    with pytest.raises(EntryNotFound):
        _commit(git, CopyFile("b", "none", "main"))
    with pytest.raises(InvalidChange, match="is a folder"):
        _commit(git, CopyFile("b", "x", "main"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (AddInline("file/below", b""), InvalidChange, "is a file there, not a folder"),
        (AddInline("folder", b""), InvalidChange, "there is a folder of that name"),
        (DeleteFile("none"), EntryNotFound, "A file with this name doesn't exist"),
        (DeleteFile("folder"), EntryNotFound, "A file with this name doesn't exist"),
        (DeleteFile("none/a"), EntryNotFound, "A file with this name doesn't exist"),
        (DeleteFile("file/a"), EntryNotFound, "A file with this name doesn't exist"),
        (DeleteFolder("file"), EntryNotFound, "A folder with this name doesn't exist"),
    ],
)
def test_impossible_changes(git: GitRepository, change: Change, error: type[Exception], message: str) -> None:
    before = _commit(git, AddInline("file", b""), AddInline("folder/a", b""))
    with pytest.raises(error, match=message):
        _commit(git, AddInline("other", b""), change)
    assert git.resolve("main").commit == before


def test_a_commit_that_changes_nothing_is_its_parent(git: GitRepository) -> None:
    first = _commit(git, AddInline("a", b"1"))
    assert git.write_commit(first, [AddInline("a", b"1")], ADA, "again") == first


def test_executable_files_stay_so(git: GitRepository, tmp_path: Path) -> None:
    _commit(git, AddInline("run.sh", b"1"))
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", git.path, work], check=True)
    for command in (
        ["update-index", "--chmod=+x", "run.sh"],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", work, *command], check=True)
    subprocess.run(["git", "-C", work, "push", "-q"], check=True)
    commit = _commit(git, AddInline("run.sh", b"2"))
    assert git.entry(commit, "run.sh").is_executable


def test_revisions(git: GitRepository) -> None:
    commit = _commit(git, AddInline("a", b"1"))
    _commit(git, AddInline("a", b"2"), ref="refs/pr/1")
    git.set_ref("refs/tags/v1", commit, None)
    git.set_ref("refs/heads/feature/x", commit, None)
    for asked in ("main", "HEAD", MAIN, "v1", "refs/tags/v1", "feature/x", commit, commit[:7]):
        assert git.resolve(asked).commit == commit, asked
    assert git.resolve("refs/pr/1").ref == "refs/pr/1"
    assert git.resolve(commit).ref is None
    for asked in (
        "",
        "none",
        commit[:6],
        "f" * 40,
        "main^",
        "main~1",
        "@{-1}",
        "refs/notes/x",
        "../config",
        ":/x",
        "a" * 300,
    ):
        with pytest.raises(RevisionNotFound):
            git.resolve(asked)


def test_refs_move_only_from_where_they_are_expected(git: GitRepository) -> None:
    first = _commit(git, AddInline("a", b"1"))
    second = git.write_commit(first, [AddInline("a", b"2")], ADA, "two")
    for expected in (None, second):
        with pytest.raises(StaleParent):
            git.set_ref(MAIN, second, expected)
    git.set_ref(MAIN, second, first)
    git.set_ref("refs/heads/a/b", first, None)
    with pytest.raises(AlreadyExists):
        git.set_ref("refs/heads/a", first, None)
    git.set_ref("refs/heads/a/b", None, first)
    assert [ref.name for ref in git.refs()] == [MAIN]


def test_refs_survive_packing(git: GitRepository) -> None:
    first = _commit(git, AddInline("a", b"1"))
    git.set_ref("refs/tags/v1", first, None)
    subprocess.run(["git", "-C", git.path, "pack-refs", "--all"], check=True)
    second = _commit(git, AddInline("a", b"2"))
    git.set_ref("refs/tags/v1", None, first)
    assert {ref.name: ref.commit for ref in git.refs()} == {MAIN: second}


def test_history(git: GitRepository) -> None:
    ids = [_commit(git, AddInline("d/a", b"%d" % n), AddInline(f"f{n}", b""), title=f"step {n}") for n in range(5)]
    git.set_ref("refs/tags/v1", ids[2], None)
    shown = history.log(git, ids[-1], offset=1, limit=2)
    assert [(commit.id, commit.title, commit.message, commit.author) for commit in shown] == [
        (ids[3], "step 3", "body", "ada"),
        (ids[2], "step 2", "body", "ada"),
    ]
    assert history.count(git, ids[-1]) == 5
    assert {name: commit.title for name, commit in history.last_commits(git, ids[-1], "").items()} == {
        "d": "step 4",
        **{f"f{n}": f"step {n}" for n in range(5)},
    }
    assert history.last_commits(git, ids[1], "d")["a"].id == ids[1]
    assert history.reaches(git, ids[4], ids[0])
    assert not history.reaches(git, ids[0], ids[4])


def test_what_is_missing_is_a_fault(tmp_path: Path) -> None:
    repositories = Repositories(tmp_path / "repositories")
    with pytest.raises(StorageFault, match="missing"):
        repositories.open("none")
    repositories.create("aa11")
    assert list(repositories.ids()) == ["aa11"]
    repositories.delete("aa11")
    repositories.delete("aa11")
    assert not repositories.exists("aa11")
    assert list(repositories.ids()) == []


def test_large_pointers_and_near_pointers(git: GitRepository) -> None:
    almost = BIG.pointer() + b"x"
    commit = _commit(git, AddInline("almost", almost), AddInline("text", b"x" * 1024))
    assert git.entry(commit, "almost").blob is None
    assert git.entry(commit, "almost").size == len(almost)
