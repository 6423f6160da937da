"""What people do with git every day, done by git itself."""

from __future__ import annotations

import gzip
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.tree import AddInline
from openshelf.services import accept, push, repos
from openshelf.storage.catalogue import refs
from tests.hubs import actor
from tests.interfaces.conftest import World
from tests.interfaces.git.working_copy import WorkingCopy


def _recorded(world: World, repo_id: str) -> dict[str, str]:
    """The catalogue's refs, which must be those that git has."""
    with world.hub.storage.catalogue.read() as tx:
        recorded = refs.recorded(tx, repo_id)
    there = {ref.name: ref.commit for ref in world.hub.storage.repositories.open(repo_id).refs()}
    assert recorded == there
    return recorded


@pytest.mark.parametrize("suffix", ["", ".git"])
@pytest.mark.parametrize("kind", list(RepoKind))
def test_clone_change_and_push(world: World, here: WorkingCopy, kind: RepoKind, suffix: str) -> None:
    repo = world.repo(kind=kind)
    copy = here.clone(world.remote(repo) + suffix, "copy")
    pushed = copy.commit(README__md="# Cards\n", **{"folder/späte Größe.txt": "x"})
    copy.git("push", "origin", "main")
    assert _recorded(world, repo.id) == {"refs/heads/main": pushed}
    again = here.clone(f"{world.served.url}/{repo.url_path}{suffix}", "again")
    assert (again.folder / "folder" / "späte Größe.txt").read_text() == "x"
    found = repos.find(world.hub, actor(world.hub, "alice"), kind, RepoId("alice", repo.name))
    assert found.head == pushed


def test_models_may_be_named_with_their_kind_too(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    here.git("ls-remote", f"{world.served.url}/models/{repo.full_name}")


def test_a_push_by_the_api_is_fetched_by_git(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    alice = actor(world.hub, "alice")
    done = push.commit(world.hub, alice, repo, "main", [AddInline("by-api.txt", b"hello")], "api")
    copy.git("pull", "--quiet")
    assert copy.git("rev-parse", "HEAD") == done.commit
    pushed = copy.commit(by_git="hello")
    copy.git("push")
    assert _recorded(world, repo.id)["refs/heads/main"] == pushed


def test_branches_and_tags_come_move_and_go(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    first = copy.commit(a="1")
    copy.git("tag", "light")
    copy.git("tag", "-a", "noted", "-m", "with a note")
    copy.git("push", "origin", "HEAD:refs/heads/topic/one", "light", "noted")
    found = _recorded(world, repo.id)
    assert {found["refs/heads/topic/one"], found["refs/tags/light"], found["refs/tags/noted"]} == {first}
    listed = copy.git("ls-remote", "origin", "refs/tags/noted*")
    assert f"{first}\trefs/tags/noted^{{}}" in listed

    second = copy.commit(a="2")
    copy.git("tag", "-f", "-a", "noted", "-m", "moved")
    copy.git("push", "--force", "origin", "noted", "HEAD:topic/one")
    assert _recorded(world, repo.id)["refs/tags/noted"] == second
    copy.git("push", "origin", ":light", ":noted", ":topic/one")
    assert list(_recorded(world, repo.id)) == ["refs/heads/main"]
    assert accept.reconcile(world.hub, repo.id) == 0


def test_a_branch_takes_the_place_of_a_folder_of_branches(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    copy.git("push", "origin", "HEAD:refs/heads/a/b")
    refused = copy.try_git("push", "origin", "HEAD:refs/heads/a")
    assert not refused.ok
    assert "refs/heads/a/b is in the way" in refused.output
    copy.git("push", "origin", ":a/b", "HEAD:refs/heads/a")
    assert sorted(_recorded(world, repo.id)) == ["refs/heads/a", "refs/heads/main"]
    copy.git("push", "origin", ":a", "HEAD:refs/heads/a/b")
    assert sorted(_recorded(world, repo.id)) == ["refs/heads/a/b", "refs/heads/main"]


def test_force_overwrites_and_without_it_nothing_is_lost(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy, other = here.clone(world.remote(repo), "copy"), here.clone(world.remote(repo), "other")
    first = copy.commit(a="mine")
    copy.git("push")
    other.commit(a="theirs")
    refused = other.try_git("push")
    assert not refused.ok
    assert "fetch first" in refused.output
    assert _recorded(world, repo.id)["refs/heads/main"] == first
    other.git("push", "--force")
    assert _recorded(world, repo.id)["refs/heads/main"] == other.git("rev-parse", "HEAD")


def test_all_or_nothing_when_atomic(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    before = _recorded(world, repo.id)
    copy.commit(a="1")
    refs_ = ("HEAD:refs/heads/good", "HEAD:refs/notes/bad")
    refused = copy.try_git("push", "--atomic", "origin", *refs_)
    assert not refused.ok
    assert "another ref of this atomic push was refused" in refused.output
    assert _recorded(world, repo.id) == before
    partly = copy.try_git("push", "origin", *refs_)
    assert not partly.ok
    assert "only refs/heads/*, refs/tags/* and refs/pr/N can be pushed to" in partly.output
    assert "refs/heads/good" in _recorded(world, repo.id)
    copy.git("push", "--atomic", "origin", "HEAD:main", "HEAD:refs/heads/also")


def test_a_large_push_in_chunks_arrives_whole(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    copy.git("config", "core.compression", "0")
    content = {f"part-{number}.hex": os.urandom(450_000).hex() for number in range(33)}
    pushed = copy.commit_files(dict(content))
    copy.git("-c", "http.postBuffer=65536", "push")
    again = here.clone(world.remote(repo), "again")
    assert again.git("rev-parse", "HEAD") == pushed
    assert all((again.folder / name).read_text() == text for name, text in content.items())


def test_thousands_of_objects(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    copy.commit_files({f"{number % 7}/{number}.txt": f"{number}\n" for number in range(6_000)})
    said = copy.try_git("push", "--progress")
    assert said.ok, said.output
    assert re.search(r"remote: Checking 6\d\d\d objects", said.output)
    quiet = copy.commit(one_more="x")
    assert "remote:" not in copy.git("push", "--quiet")
    assert _recorded(world, repo.id)["refs/heads/main"] == quiet
    assert len(here.clone(world.remote(repo), "again").git("ls-files").splitlines()) >= 6_000


def test_a_long_history_with_merges(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    stream = "".join(
        f"commit refs/heads/main\ncommitter Ada <a@example.org> {number + 1_700_000_000} +0000\ndata 1\nx"
        + ("\nfrom refs/heads/main^0" if number == 0 else "")
        + f"\nM 100644 inline f{number % 50}\ndata {len(str(number))}\n{number}\n"
        for number in range(1_500)
    )
    copy.git("fast-import", "--quiet", "--force", stdin=stream)
    copy.git("reset", "--quiet", "--hard", "main")
    copy.git("checkout", "--quiet", "-b", "side", "main~700")
    copy.commit(side="1")
    copy.git("checkout", "--quiet", "main")
    copy.git("merge", "--quiet", "-m", "merged", "side")
    copy.git("push", "--quiet", "origin", "main", "side")
    assert _recorded(world, repo.id)["refs/heads/main"] == copy.git("rev-parse", "main")


def test_shallow_and_partial_clones_fetch_later_and_push(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    for number in range(4):
        copy.commit(a=str(number), **{f"f{number}": str(number)})
    copy.git("push")

    shallow = here.clone(world.remote(repo), "shallow", "--depth", "1")
    assert shallow.git("rev-list", "--count", "HEAD") == "1"
    pushed = shallow.commit(b="from a shallow clone")
    shallow.git("push")
    assert _recorded(world, repo.id)["refs/heads/main"] == pushed
    shallow.git("fetch", "--quiet", "--unshallow")
    assert shallow.git("rev-list", "--count", "HEAD") == "6"

    partial = here.clone(world.remote(repo), "partial", "--filter=blob:none", "--no-checkout")
    missing = partial.git("rev-list", "--objects", "--missing=print", "HEAD").splitlines()
    assert any(line.startswith("?") for line in missing)
    assert partial.git("show", "HEAD~3:f1") == "1"
    copy.git("pull", "--quiet")
    assert copy.git("rev-parse", "HEAD") == pushed


def test_protocol_version_2_is_spoken(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    said = here.try_git("ls-remote", world.remote(repo), GIT_TRACE_PACKET="1")
    assert "< version 2" in said.output
    older = here.try_git("-c", "protocol.version=0", "ls-remote", world.remote(repo), GIT_TRACE_PACKET="1")
    assert older.ok
    assert "# service=git-upload-pack" in older.output
    assert "version 2" not in older.output
    here.git("-c", "protocol.version=0", "clone", "--quiet", world.remote(repo), "old-way")


def test_a_renamed_repo_is_found_under_its_old_name(world: World, here: WorkingCopy) -> None:
    repo = world.repo(private=True)
    copy = here.clone(world.remote(repo), "copy")
    alice = actor(world.hub, "alice")
    repos.move(world.hub, alice, RepoKind.MODEL, repo.repo_id, RepoId("alice", f"{repo.name}-new"))
    pushed = copy.commit(a="after the rename")
    said = copy.git("push")
    assert f"{repo.name}-new" in said, "git tells of the redirect"
    assert _recorded(world, repo.id)["refs/heads/main"] == pushed
    copy.git("pull", "--quiet")
    address = f"{world.served.url}/{repo.full_name}/info/refs?service=git-upload-pack"
    assert httpx.get(address).status_code == 401, "only those who may read it learn its new name"


def test_pull_requests_are_fetched_by_name_and_pushed_by_their_author(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    bob = actor(world.hub, "bob")
    opened = push.commit(world.hub, bob, repo, "main", [AddInline("idea", b"1")], "an idea", propose=True)
    plain = here.clone(world.remote(repo), "plain")
    assert "pr" not in plain.git("for-each-ref", "--format=%(refname)").replace("origin", "")
    plain.git("fetch", "--quiet", "origin", "refs/pr/1:refs/heads/pr-1")
    assert plain.git("rev-parse", "pr-1") == opened.commit

    copy = here.clone(world.remote(repo, world.bob), "bobs")
    copy.git("fetch", "--quiet", "origin", "refs/pr/1")
    copy.git("checkout", "--quiet", "FETCH_HEAD")
    pushed = copy.commit(idea="2")
    copy.git("push", "origin", "HEAD:refs/pr/1")
    assert _recorded(world, repo.id)["refs/pr/1"] == pushed

    refused = copy.try_git("push", "origin", "HEAD:main")
    assert "You may not write to" in refused.output
    assert "there is no pull request" in copy.try_git("push", "origin", "HEAD:refs/pr/7").output.lower()
    assert "cannot be deleted" in copy.try_git("push", "origin", ":refs/pr/1").output
    plain.git("push", "origin", "HEAD:refs/pr/1", "--force")


def test_somebody_elses_pull_request_is_left_alone(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    push.open_pull(world.hub, actor(world.hub, "alice"), repo, "mine")
    copy = here.clone(world.remote(repo, world.bob), "bobs")
    copy.commit(a="1")
    refused = copy.try_git("push", "origin", "HEAD:refs/pr/1")
    assert not refused.ok
    assert "Only alice and those who may write" in refused.output


def test_of_two_pushes_at_once_one_wins_and_the_other_is_told(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copies = [here.clone(world.remote(repo), f"copy-{number}") for number in range(4)]
    for number, copy in enumerate(copies):
        copy.commit_files({f"by-{number}-{index}": str(index) for index in range(50)})
    with ThreadPoolExecutor(len(copies)) as pool:
        results = list(pool.map(lambda copy: copy.try_git("push", "origin", "HEAD:main"), copies))
    winners = [copy for copy, result in zip(copies, results, strict=True) if result.ok]
    assert len(winners) == 1
    assert _recorded(world, repo.id)["refs/heads/main"] == winners[0].git("rev-parse", "HEAD")
    for result in results:
        assert result.ok or "fetch first" in result.output
    late = next(copy for copy in copies if copy is not winners[0])
    late.git("pull", "--quiet", "--no-rebase", "--no-edit")
    late.git("push", "origin", "HEAD:main")
    assert not _left_behind(world)


def test_a_gzipped_fetch_request_is_understood(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    head = here.git("ls-remote", world.remote(repo), "HEAD").split()[0]
    body = b"0011command=fetch0001000fno-progress0032want " + head.encode() + b"\n0009done\n0000"
    address = f"{world.served.url}/{repo.full_name}.git/git-upload-pack"
    headers = {"content-type": "application/x-git-upload-pack-request", "git-protocol": "version=2"}
    plain = httpx.post(address, content=body, headers=headers)
    packed = httpx.post(address, content=gzip.compress(body), headers={**headers, "content-encoding": "gzip"})
    assert plain.status_code == packed.status_code == 200
    # git may cut the same pack into other side-band packets, so the answers need not be equal byte for byte.
    for answer in (plain, packed):
        assert b"packfile" in answer.content
        assert b"PACK" in answer.content


def _left_behind(world: World) -> list[Path]:
    return list(world.hub.storage.repositories.quarantines.root.iterdir())
