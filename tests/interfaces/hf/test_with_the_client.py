"""The stock client against a running hub: the way from nothing to a file in somebody's cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from openshelf.domain.names import RepoKind
from tests.interfaces.conftest import World


@pytest.fixture
def alice(world: World) -> Any:
    return HfApi(endpoint=world.served.url, token=world.alice)


@pytest.fixture
def bob(world: World) -> Any:
    return HfApi(endpoint=world.served.url, token=world.bob)


@pytest.fixture
def anonymous(world: World) -> Any:
    return HfApi(endpoint=world.served.url, token=False)


@pytest.mark.parametrize("kind", [kind.value for kind in RepoKind])
def test_from_nothing_to_a_file_in_the_cache(alice: Any, anonymous: Any, tmp_path: Path, kind: str) -> None:
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    url = alice.create_repo(f"alice/first-{kind}", repo_type=kind, **sdk)
    assert (url.repo_id, url.repo_type) == (f"alice/first-{kind}", kind)
    assert alice.create_repo(url.repo_id, repo_type=kind, exist_ok=True, **sdk) == url
    done = alice.upload_file(path_or_fileobj=b"hello", path_in_repo="a/b.txt", repo_id=url.repo_id, repo_type=kind)
    assert done.oid == anonymous.repo_info(url.repo_id, repo_type=kind).sha
    path = anonymous.hf_hub_download(url.repo_id, "a/b.txt", repo_type=kind, cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"hello"
    folder = anonymous.snapshot_download(url.repo_id, repo_type=kind, local_dir=tmp_path / "copy")
    assert (Path(folder) / "a/b.txt").read_bytes() == b"hello"
    alice.delete_repo(url.repo_id, repo_type=kind)
    assert not anonymous.repo_exists(url.repo_id, repo_type=kind)


def test_errors_become_the_exceptions_that_people_catch(world: World, alice: Any, bob: Any, anonymous: Any) -> None:
    repo, hidden = world.repo().full_name, world.repo(private=True).full_name
    for who in (anonymous, bob):
        with pytest.raises(RepositoryNotFoundError):
            who.model_info(hidden)
        with pytest.raises(RepositoryNotFoundError):
            who.hf_hub_download(hidden, "README.md")
    with pytest.raises(RevisionNotFoundError):
        alice.model_info(repo, revision="gone")
    with pytest.raises(RemoteEntryNotFoundError):
        alice.hf_hub_download(repo, "gone.txt")
    with pytest.raises(RemoteEntryNotFoundError, match="A file with this name doesn't exist"):
        alice.delete_file("gone.txt", repo)
    with pytest.raises(HfHubHTTPError, match="You already created this model repo"):
        alice.create_repo(repo)
    with pytest.raises(BadRequestError, match="expected one of"):
        alice.model_info(repo, expand=["everything"])
    with pytest.raises(ValueError, match="Invalid metadata in README"):
        alice.upload_file(path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md", repo_id=repo)
    before = alice.list_repo_commits(repo)[-1].commit_id
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo)
    with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page"):
        alice.create_commit(repo, [CommitOperationAdd("a", b"2")], commit_message="late", parent_commit=before)


def test_many_files_in_one_commit(world: World, alice: Any) -> None:
    repo = world.repo().full_name
    alice.create_commit(repo, [CommitOperationAdd(f"d/{n}.txt", b"%d" % n) for n in range(600)], commit_message="many")
    assert len(list(alice.list_repo_tree(repo, recursive=True))) == 602
    assert len(alice.get_paths_info(repo, [f"d/{n}.txt" for n in range(500)])) == 500
    alice.delete_folder("d", repo)
    assert alice.list_repo_files(repo) == [".gitattributes"]


def test_a_proposal_from_a_reader(world: World, alice: Any, bob: Any) -> None:
    repo = world.repo().full_name
    alice.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)
    done = bob.upload_file(path_or_fileobj=b"two\n", path_in_repo="a.txt", repo_id=repo, create_pr=True)
    assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
    bob.upload_file(path_or_fileobj=b"more\n", path_in_repo="b.txt", repo_id=repo, revision="refs/pr/1")
    details = alice.get_discussion_details(repo, 1)
    assert (details.status, details.author, details.conflicting_files) == ("open", "bob", [])
    assert "-one\n+two\n" in str(details.diff)
    assert [d.num for d in alice.get_repo_discussions(repo)] == [1]
    assert bob.create_pull_request(repo, title="a draft").status == "draft"


def test_branches_tags_and_a_new_name(world: World, alice: Any, tmp_path: Path) -> None:
    repo = world.repo(private=True).full_name
    alice.create_branch(repo, branch="dev/x")
    alice.create_branch(repo, branch="dev/x", exist_ok=True)
    alice.upload_file(path_or_fileobj=b"dev", path_in_repo="a.txt", repo_id=repo, revision="dev/x")
    alice.create_tag(repo, tag="v1", revision="dev/x", tag_message="first")
    alice.create_tag(repo, tag="v1", exist_ok=True)
    refs = alice.list_repo_refs(repo)
    assert ([b.name for b in refs.branches], [t.name for t in refs.tags]) == (["dev/x", "main"], ["v1"])
    alice.move_repo(repo, f"{repo}-renamed")
    for revision in ("dev/x", "v1", refs.tags[0].target_commit):
        path = alice.hf_hub_download(repo, "a.txt", revision=revision, cache_dir=tmp_path)
        assert Path(path).read_bytes() == b"dev"
    alice.upload_file(path_or_fileobj=b"still", path_in_repo="b.txt", repo_id=repo)
    assert alice.model_info(repo).id == f"{repo}-renamed"


def test_a_file_system(world: World, alice: Any) -> None:
    repo = world.repo(kind=RepoKind.DATASET)
    alice.create_commit(
        repo.full_name,
        [CommitOperationAdd("data/a.csv", b"x,y\n1,2\n"), CommitOperationAdd("b.csv", b"x\n")],
        commit_message="data",
        repo_type="dataset",
    )
    files = HfFileSystem(endpoint=world.served.url, token=world.alice, skip_instance_cache=True)
    assert files.ls(f"datasets/{repo.full_name}/data", detail=False) == [f"datasets/{repo.full_name}/data/a.csv"]
    with files.open(f"datasets/{repo.full_name}/data/a.csv", block_size=3) as file:
        file.seek(4)
        assert file.read() == b"1,2\n"
    assert files.glob(f"datasets/{repo.full_name}/**/*.csv") == [
        f"datasets/{repo.full_name}/b.csv",
        f"datasets/{repo.full_name}/data/a.csv",
    ]


def test_copies_and_deletions_in_one_commit(world: World, alice: Any) -> None:
    repo = world.repo().full_name
    alice.create_commit(
        repo, [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("w.bin", b"\0" * 5000)], commit_message="1"
    )
    alice.create_commit(
        repo,
        [
            CommitOperationCopy("a.txt", "sub/a.txt"),
            CommitOperationCopy("w.bin", "sub/w.bin"),
            CommitOperationDelete("a.txt"),
        ],
        commit_message="2",
    )
    found = {entry.path: entry for entry in alice.list_repo_tree(repo, recursive=True)}
    assert set(found) == {".gitattributes", "sub", "sub/a.txt", "sub/w.bin", "w.bin"}
    assert found["sub/w.bin"].lfs.sha256 == found["w.bin"].lfs.sha256
