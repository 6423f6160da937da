"""Pushes and fetches that are refused, and what people are told."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import httpx
import pytest

from openshelf.domain.people import Grant, Role, TokenRole
from openshelf.domain.tree import Blob
from openshelf.services import accounts, tokens
from tests.interfaces.conftest import World
from tests.interfaces.git.working_copy import WorkingCopy

LIMIT = 1_000_000


def _head(world: World, repo_id: str) -> str:
    return world.hub.storage.repositories.open(repo_id).resolve("main").commit


def _left_behind(world: World) -> list[Path]:
    return list(world.hub.storage.repositories.quarantines.root.iterdir())


def _raw_commit(copy: WorkingCopy, entries: list[tuple[str, str, str]]) -> str:
    """A commit of a tree that git itself would not make: (mode, object id, name)."""
    body = b"".join(
        f"{mode} {name}\0".encode("utf-8", "surrogateescape") + bytes.fromhex(oid) for mode, oid, name in entries
    )
    made = subprocess.run(
        ["git", "hash-object", "-w", "-t", "tree", "--stdin", "--literally"],
        cwd=copy.folder,
        env=copy.environment(),
        input=body,
        capture_output=True,
        check=True,
    )
    return copy.git("commit-tree", made.stdout.decode().strip(), "-p", "HEAD", "-m", "raw")


# Who may


@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_without_credentials_a_private_repo_is_asked_for_like_a_missing_one(world: World, service: str) -> None:
    private = world.repo(private=True)
    answers = []
    for name in (private.full_name, "alice/no-such-repo"):
        response = httpx.get(f"{world.served.url}/{name}/info/refs?service={service}")
        headers = {k: v for k, v in response.headers.items() if k not in ("x-request-id", "date")}
        answers.append((response.status_code, headers, response.text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert answers[0][1]["www-authenticate"].startswith("Basic realm=")
    with_token = [
        httpx.get(f"{world.served.url}/{name}/info/refs?service={service}", auth=("x", world.bob))
        for name in (private.full_name, "alice/no-such-repo")
    ]
    assert {response.status_code for response in with_token} == {404}
    assert with_token[0].text == with_token[1].text


def test_git_says_what_the_hub_says(world: World, here: WorkingCopy) -> None:
    private = world.repo(private=True)
    for name in (private.full_name, "alice/no-such-repo"):
        said = here.try_git("clone", world.served.remote(world.bob, name), "copy")
        assert not said.ok
        assert "remote: Repository not found. If it is private, sign in" in said.output
    wrong = here.try_git("clone", world.served.remote("osh_wrong_token_wrong", private.full_name), "copy")
    assert "Authentication failed" in wrong.output
    here.clone(world.remote(private), "mine")


def test_the_token_may_come_as_bearer_or_as_any_users_password(world: World, here: WorkingCopy) -> None:
    private = world.repo(private=True)
    address = f"{world.served.url}/{private.full_name}"
    here.git("-c", f"http.extraHeader=Authorization: Bearer {world.alice}", "ls-remote", address)
    for user in ("alice", "hf_user", "x-access-token"):
        here.git("ls-remote", world.served.remote(world.alice, private.full_name, user))


def test_a_reading_token_cannot_push_and_is_told_so(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo, world.alice_reads), "copy")
    copy.commit(a="1")
    said = copy.try_git("push")
    assert not said.ok
    assert "remote: Your token may read" in said.output
    assert "403" in said.output


def test_pushing_anonymously_asks_for_credentials(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(f"{world.served.url}/{repo.full_name}", "copy")
    copy.commit(a="1")
    said = copy.try_git("push")
    assert "could not read Username" in said.output
    body = b"0000"
    headers = {"content-type": "application/x-git-receive-pack-request"}
    posted = httpx.post(f"{world.served.url}/{repo.full_name}/git-receive-pack", content=body, headers=headers)
    assert posted.status_code == 401


def test_a_token_for_one_repo_pushes_to_that_one(world: World, here: WorkingCopy) -> None:
    repo, other = world.repo(), world.repo()
    account = accounts.find(world.hub, "alice")
    secret = tokens.create(
        world.hub, account, f"fine {repo.id}", TokenRole.FINE_GRAINED, grants=[Grant(repo.id, Role.WRITE)]
    )[1]
    copy = here.clone(world.remote(repo, secret), "copy")
    copy.commit(a="1")
    copy.git("push")
    refused = copy.try_git("push", "--force", world.remote(other, secret), "HEAD:main")
    assert not refused.ok
    assert "403" in refused.output


def test_no_dumb_protocol(world: World) -> None:
    repo = world.repo()
    response = httpx.get(f"{world.served.url}/{repo.full_name}.git/info/refs")
    assert response.status_code == 400
    assert "smart protocol" in response.text


# What may be pushed


def test_the_default_branch_stays(world: World, here: WorkingCopy) -> None:
    copy = here.clone(world.remote(world.repo()), "copy")
    said = copy.try_git("push", "origin", ":main")
    assert "the default branch cannot be deleted" in said.output


def test_a_large_file_is_refused_with_what_to_do(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    before = _head(world, repo.id)
    copy = here.clone(world.remote(repo), "copy")
    copy.commit_files({"deep/big.dat": b"x" * (LIMIT + 1), "small": b"x" * LIMIT})
    copy.commit_files({"deep/big.dat": b"gone again"}, "the file shrinks, but its past is pushed too")
    said = copy.try_git("push")
    assert not said.ok
    assert "deep/big.dat (1.00 MB, in commit" in said.output
    assert "git lfs migrate import --include=deep/big.dat" in said.output
    assert "1 file is above 1.00 MB and not in LFS" in said.output
    assert _head(world, repo.id) == before
    assert not _left_behind(world)
    packs = world.hub.storage.repositories.path(repo.id) / "objects" / "pack"
    assert not list(packs.glob("*.pack")), "nothing of a refused push stays"


def test_many_large_files_are_counted(world: World, here: WorkingCopy) -> None:
    copy = here.clone(world.remote(world.repo()), "copy")
    copy.commit_files({f"big-{number}": bytes([number]) * (LIMIT + 10) for number in range(14)})
    said = copy.try_git("push")
    assert "and 4 more" in said.output
    assert "14 files are above" in said.output
    assert "git lfs migrate import --above=1000kb" in said.output


def test_a_pointer_to_what_is_not_stored_is_refused(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    pointers: dict[str, str | bytes] = {
        f"model-{number}.bin": Blob(hashlib.sha256(bytes([number])).hexdigest(), 5).pointer() for number in range(3)
    }
    copy.commit_files(pointers)
    said = copy.try_git("push")
    assert not said.ok
    assert "3 LFS objects are missing, for example that of model-" in said.output
    assert "git lfs push --all origin" in said.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git", "belongs to git"),
        ("..", "may be empty, '.' or '..'"),
        ("a\\b", "use '/' between folders"),
        ("new\nline", "control character"),
        ("nicht-utf8-\udcff", "not UTF-8"),
        (".GIT", "belongs to git"),
        (".git\u200c", "belongs to git"),
        ("x" * 256, "longer than 255 bytes"),
    ],
)
def test_paths_that_harm_are_refused_by_name(world: World, here: WorkingCopy, name: str, reason: str) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    blob = copy.git("hash-object", "-w", "--stdin", stdin="x")
    for mode, oid in (("100644", blob), ("40000", copy.git("rev-parse", "HEAD^{tree}"))):
        commit = _raw_commit(copy, [(mode, oid, name)])
        said = copy.try_git("push", "origin", f"{commit}:refs/heads/bad")
        assert not said.ok
        assert reason in said.output
        assert "cannot be the path of a file" in said.output


def test_submodules_are_refused_and_symlinks_kept(world: World, here: WorkingCopy) -> None:
    repo = world.repo()
    copy = here.clone(world.remote(repo), "copy")
    (copy.folder / "link").symlink_to("target")
    copy.commit(target="x")
    copy.git("push")
    again = here.clone(world.remote(repo), "again")
    assert (again.folder / "link").is_symlink()
    copy.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendored")
    copy.git("commit", "-qm", "submodule")
    said = copy.try_git("push")
    assert not said.ok
    assert "vendored is a submodule" in said.output


def test_only_commits_and_tags_of_commits_have_names(world: World, here: WorkingCopy) -> None:
    copy = here.clone(world.remote(world.repo()), "copy")
    blob = copy.git("hash-object", "-w", "--stdin", stdin="x")
    for name, oid in (("refs/tags/blob", blob), ("refs/tags/tree", copy.git("rev-parse", "HEAD^{tree}"))):
        said = copy.try_git("push", "origin", f"{oid}:{name}")
        assert not said.ok
        assert "is not a commit" in said.output


@pytest.mark.parametrize("name", ["refs/heads/" + "1" * 40, "refs/heads/a.lock/b", "refs/notes/x", "refs/heads/-x"])
def test_names_that_confuse_are_refused(world: World, here: WorkingCopy, name: str) -> None:
    copy = here.clone(world.remote(world.repo()), "copy")
    copy.commit(a="1")
    assert not copy.try_git("push", "origin", f"HEAD:{name}").ok
