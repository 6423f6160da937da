"""git-lfs itself: track, push, clone, and what happens when objects are missing."""

from __future__ import annotations

import hashlib
import os

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo
from openshelf.services import push
from openshelf.storage.catalogue import blobs
from tests.hubs import actor
from tests.interfaces.conftest import World
from tests.interfaces.git.working_copy import WorkingCopy


@pytest.fixture
def lfs(here: WorkingCopy) -> WorkingCopy:
    here.git("lfs", "install", "--skip-repo")
    return here


def _track(copy: WorkingCopy, pattern: str = "*.weights") -> None:
    copy.git("lfs", "track", pattern)


def _linked(world: World, repo: Repo) -> set[str]:
    with world.hub.storage.catalogue.read() as tx:
        return set(blobs.links(tx, repo.id))


def _uploads(world: World) -> int:
    """How many objects were sent to the hub so far."""
    lines = world.served.log.read_text().splitlines()
    return sum("method=PUT" in line and "/api/lfs/objects/" in line for line in lines)


@pytest.mark.parametrize("kind", [RepoKind.MODEL, RepoKind.DATASET])
def test_push_and_clone(world: World, lfs: WorkingCopy, kind: RepoKind) -> None:
    repo = world.repo(private=True, kind=kind)
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    contents = {f"layer-{number}.weights": os.urandom(400_000 + number) for number in range(4)}
    contents["large.weights"] = os.urandom(4_000_000)
    copy.commit_files(dict(contents))
    copy.git("push")
    assert _linked(world, repo) == {hashlib.sha256(content).hexdigest() for content in contents.values()}
    again = lfs.clone(world.remote(repo), "again")
    for name, content in contents.items():
        assert (again.folder / name).read_bytes() == content
    assert again.git("lfs", "fsck") == "Git LFS fsck OK"


def test_what_is_there_is_not_sent_again(world: World, lfs: WorkingCopy) -> None:
    repo, other = world.repo(), world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    copy.commit_files({"a.weights": os.urandom(300_000)})
    copy.git("push")
    sent = _uploads(world)
    copy.git("push", world.remote(other), "HEAD:refs/heads/elsewhere")
    assert _linked(world, other) == _linked(world, repo)
    assert _uploads(world) == sent


def test_an_object_that_is_only_in_somebody_elses_private_repo_must_be_sent(world: World, lfs: WorkingCopy) -> None:
    """Knowing a hash is not having the bytes."""
    secret = world.repo(private=True)
    copy = lfs.clone(world.remote(secret), "copy")
    _track(copy)
    content = os.urandom(200_000)
    copy.commit_files({"a.weights": content})
    copy.git("push")
    pointer = copy.git("show", "HEAD:a.weights") + "\n"

    public = world.repo()
    bobs = lfs.clone(world.remote(public, world.bob), "bobs")
    bobs.commit_files({"stolen.weights": pointer})
    push.open_pull(world.hub, actor(world.hub, "bob"), public, "mine")
    refused = bobs.try_git("push", "--no-verify", "origin", "HEAD:refs/pr/1")
    assert not refused.ok
    assert "1 LFS object is missing, for example that of stolen.weights" in refused.output


def test_pointers_without_their_objects_are_refused_and_the_advice_works(world: World, lfs: WorkingCopy) -> None:
    repo = world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    copy.commit_files({"a.weights": os.urandom(100_000)})
    refused = copy.try_git("push", "--no-verify")
    assert not refused.ok
    assert "git lfs push --all origin" in refused.output
    copy.git("lfs", "push", "--all", "origin")
    copy.git("push", "--no-verify")


def test_a_pointer_with_a_wrong_size_is_refused(world: World, lfs: WorkingCopy) -> None:
    repo = world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    copy.commit_files({"a.weights": b"x" * 5000})
    copy.git("push")
    pointer = copy.git("show", "HEAD:a.weights").replace("size 5000", "size 4999") + "\n"
    copy.git("lfs", "untrack", "*.weights")
    copy.commit_files({"b.weights": pointer, "c.weights": pointer.replace("4999", "5000")})
    refused = copy.try_git("push", "--no-verify")
    assert "b.weights points to an LFS object of 4999 bytes, but that has 5000" in refused.output


def test_the_advice_for_large_files_works(world: World, lfs: WorkingCopy) -> None:
    repo = world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    copy.commit_files({"model.dat": os.urandom(1_500_000)})
    refused = copy.try_git("push")
    assert "git lfs migrate import --include=model.dat" in refused.output
    copy.git("lfs", "migrate", "import", "--yes", "--include=model.dat")
    copy.git("push")
    assert len(_linked(world, repo)) == 1


def test_a_reader_may_fetch_but_not_send(world: World, lfs: WorkingCopy) -> None:
    repo = world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    copy.commit_files({"a.weights": os.urandom(100_000)})
    copy.git("push")
    anonymous = lfs.clone(f"{world.served.url}/{repo.full_name}", "anonymous")
    assert (anonymous.folder / "a.weights").stat().st_size == 100_000
    reader = lfs.clone(world.remote(repo, world.alice_reads), "reader")
    reader.commit_files({"a.weights": os.urandom(100_001)})
    refused = reader.try_git("lfs", "push", "--all", "origin")
    assert not refused.ok
    assert "use one that may write" in refused.output


def test_locks_are_not_offered_and_do_not_disturb(world: World, lfs: WorkingCopy) -> None:
    repo = world.repo()
    copy = lfs.clone(world.remote(repo), "copy")
    _track(copy)
    copy.commit_files({"a.weights": b"x" * 1000})
    copy.git("push")
    refused = copy.try_git("lfs", "lock", "a.weights")
    assert not refused.ok
    assert "offers no file locks" in refused.output
    assert copy.git("lfs", "locks") == ""
