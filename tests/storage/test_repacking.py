"""Repacking beside writers: one pack, nothing lost."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from openshelf.domain.tree import AddInline
from openshelf.errors import StorageFault
from openshelf.storage.repositories import GitRepository, Repositories, repacking
from openshelf.storage.repositories.processes import run
from openshelf.storage.repositories.repository import Author

ADA = Author("ada", "ada@example.org")
MAIN = "refs/heads/main"


@pytest.fixture
def git(tmp_path: Path) -> GitRepository:
    return Repositories(tmp_path / "repositories").create("aa11")


def _commit(git: GitRepository, name: str, ref: str | None = MAIN) -> str:
    parent = git.targets().get(MAIN)
    commit = git.write_commit(parent, [AddInline(name, f"{name} has text\n".encode())], ADA, name)
    if ref:
        git.set_ref(ref, commit, git.targets().get(ref))
    return commit


def _packs(git: GitRepository) -> list[Path]:
    return sorted((git.path / "objects" / "pack").glob("*.pack"))


def _loose(git: GitRepository) -> int:
    return len(list((git.path / "objects").glob("[0-9a-f][0-9a-f]/*")))


def _repack(git: GitRepository) -> bool:
    made = repacking.pack(git)
    if made:
        repacking.drop_packed(git, made[1])
    return made is not None


def test_many_objects_become_one_pack_with_a_bitmap(git: GitRepository) -> None:
    commits = [_commit(git, f"file-{number}") for number in range(20)]
    assert _repack(git)
    commits += [_commit(git, f"more-{number}") for number in range(5)]
    assert _repack(git)
    assert len(_packs(git)) == 1
    assert _packs(git)[0].with_suffix(".bitmap").exists()
    assert _loose(git) == 0
    assert not _repack(git), "there is nothing to gain the second time"
    fresh = GitRepository(git.path)
    assert [fresh.commit_of(commit) for commit in commits] == commits
    assert b"dangling" not in run(["fsck", "--full", "--strict"], git.path)


def test_what_no_ref_reaches_is_kept_packed_or_loose(git: GitRepository) -> None:
    _commit(git, "base")
    first = _commit(git, "not-yet-referenced", ref=None)
    assert _repack(git)
    second = _commit(git, "another", ref=None)
    _commit(git, "move-on")
    assert _repack(git)
    assert len(_packs(git)) == 1
    fresh = GitRepository(git.path)
    assert fresh.commit_of(first) == first
    assert fresh.entry(second, "another").size == len(b"another has text\n")


def test_what_a_deleted_branch_held_is_kept(git: GitRepository) -> None:
    _commit(git, "base")
    dropped = _commit(git, "on-a-branch", ref="refs/heads/work")
    assert _repack(git)
    git.set_ref("refs/heads/work", None, dropped)
    _commit(git, "later")
    assert _repack(git)
    assert len(_packs(git)) == 1
    assert GitRepository(git.path).commit_of(dropped) == dropped


def test_a_repository_without_objects_is_left_alone(git: GitRepository) -> None:
    assert not _repack(git)


def test_writers_and_readers_go_on_meanwhile(git: GitRepository) -> None:
    written: list[str] = []
    stop = threading.Event()
    problems: list[BaseException] = []

    def write() -> None:
        try:
            repository = GitRepository(git.path)
            while not stop.is_set() and len(written) < 200:
                written.append(_commit(repository, f"file-{len(written)}"))
                repository.entry(written[len(written) // 2], f"file-{len(written) // 2}")
        except BaseException as error:
            problems.append(error)

    for number in range(30):
        _commit(git, f"before-{number}")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(4):
            _repack(git)
    finally:
        stop.set()
        thread.join()
    assert not problems
    assert len(written) > 1
    fresh = GitRepository(git.path)
    assert fresh.resolve("main").commit == written[-1]
    run(["fsck", "--full", "--strict", "--connectivity-only"], git.path)


def test_many_refs_become_one_file_and_still_move(git: GitRepository) -> None:
    first = _commit(git, "base")
    assert not repacking.pack_refs(git)
    git.set_refs([(f"refs/tags/v{number}", first, None) for number in range(repacking.LOOSE_REFS + 1)])
    assert repacking.pack_refs(git)
    assert not (git.path / "refs" / "tags" / "v1").exists()
    assert len(git.refs()) == repacking.LOOSE_REFS + 2
    second = _commit(git, "later")
    git.set_refs([("refs/tags/v1", second, first), ("refs/tags/v2", None, first)])
    targets = GitRepository(git.path).targets()
    assert targets["refs/tags/v1"] == second
    assert "refs/tags/v2" not in targets
    assert targets["refs/tags/v3"] == first
    listed = subprocess.run(["git", "for-each-ref", "refs/tags/v2"], cwd=git.path, capture_output=True, check=True)
    assert listed.stdout == b""


def test_old_packs_stay_where_the_new_one_lacks_something(git: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    _commit(git, "base")
    _repack(git)
    _commit(git, "more")
    before = set(_packs(git))
    complete = repacking._objects

    def without_the_last(index: Path) -> object:
        found = complete(index)
        return found if index.with_suffix(".pack") in before else found[:1]

    monkeypatch.setattr(repacking, "_objects", without_the_last)
    with pytest.raises(StorageFault, match="lacks objects"):
        repacking.pack(git)
    assert before <= set(_packs(git))


@pytest.mark.parametrize("content", [b"", b"\xfftOc\0\0\0\x01" + bytes(1024), b"\xfftOc\0\0\0\x02" + b"\xff" * 1024])
def test_a_damaged_index_is_told_of(tmp_path: Path, content: bytes) -> None:
    index = tmp_path / "pack-x.idx"
    index.write_bytes(content)
    with pytest.raises(StorageFault, match=r"pack-x\.idx"):
        repacking._objects(index)
