"""What the hub remembers between requests: folders, downloads; and long listings."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddInline, AddStored, Entry
from openshelf.errors import EntryNotFound, Invalid, InvalidChange
from openshelf.services import downloads, fetch, push, repos, trees
from openshelf.services.download_counter import DownloadCounter
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import repos as repo_table
from openshelf.storage.repositories import GitRepository
from openshelf.storage.repositories.folder_cache import FolderCache
from tests import hubs


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = hubs.make_hub(tmp_path)
    hubs.add_user(hub, "ada")
    yield hub
    hub.storage.close()


def make_repo(hub: Hub, name: str = "models") -> Repo:
    return repos.create(hub, hubs.actor(hub, "ada"), RepoKind.MODEL, name)


def entries(count: int) -> list[Entry]:
    return [Entry(str(number), "0" * 40, 1) for number in range(count)]


def test_the_folders_used_last_are_kept_up_to_a_bound() -> None:
    cache, reads = FolderCache(most=10), list[str]()

    def get(name: str, count: int) -> int:
        def read() -> list[Entry]:
            reads.append(name)
            return entries(count)

        return len(cache.get(("repo", name, ""), read))

    assert [get("a", 3), get("b", 3), get("a", 3)] == [3, 3, 3]
    assert reads == ["a", "b"]
    get("c", 3)  # a, b and c would hold twelve: b was used longest ago
    get("a", 3)
    assert reads == ["a", "b", "c"]
    get("b", 3)
    assert reads == ["a", "b", "c", "b"]
    assert [get("too large", 11), get("too large", 11)] == [11, 11]
    assert reads.count("too large") == 2


def test_a_folder_of_ten_thousand_files_is_read_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(hub)
    changes = [AddInline(f"d/{number:05}", b"%d" % number) for number in range(10_000)]
    commit = push.commit(hub, hubs.actor(hub, "ada"), repo, "main", changes, "many").commit
    git, _ = fetch.revision(hub, repo, "main")
    # It was read when the commit was described.
    monkeypatch.setattr(GitRepository, "folder", lambda *_: pytest.fail("the folder is read again"))
    started, seen, after = time.process_time(), list[str](), None
    while True:
        found, more = trees.page(git, commit, "d", after=after, limit=1000)
        seen += [entry.path for entry in found]
        if not more:
            break
        after = found[-1].path
    assert seen == [change.path for change in changes]
    assert time.process_time() - started < 1.0
    monkeypatch.undo()
    started = time.process_time()
    files = [push.PlannedFile(change.path, 1, b"x") for change in changes]
    assert sum(mode.etag is not None for mode in push.plan_upload(hub, repo, "main", files)) == 10_000
    assert time.process_time() - started < 3.0


def test_pages_of_what_is_no_folder(hub: Hub) -> None:
    repo = make_repo(hub)
    git, revision = fetch.revision(hub, repo, "main")
    with pytest.raises(EntryNotFound):
        trees.page(git, revision.commit, ".gitattributes")
    for after in ("missing", ".gitattributes/x", ""):
        with pytest.raises(Invalid):
            trees.page(git, revision.commit, after=after, recursive=True)


def test_a_file_that_was_stored_before_its_commit(hub: Hub) -> None:
    repo = make_repo(hub)
    store = push.inline_store(hub, repo)
    small, large = store("small", b"x" * 1024), store("large", b"x" * 1025)
    assert isinstance(small, AddInline)
    assert isinstance(large, AddStored)
    push.commit(hub, hubs.actor(hub, "ada"), repo, "main", [small, large], "both")
    git, revision = fetch.revision(hub, repo, "main")
    assert [entry.size for entry in trees.some(git, revision.commit, ["large", "small"])] == [1025, 1024]
    with pytest.raises(InvalidChange, match="LFS or Xet"):
        store("huge", b"x" * (hub.settings.max_inline_bytes + 1))


def test_one_client_counts_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    counter, moment = DownloadCounter(), 1000.0
    monkeypatch.setattr("openshelf.services.download_counter.time.monotonic", lambda: moment)
    for repo, client in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")):
        counter.note(repo, client)
    assert counter.take() == {"a": 2, "b": 1}
    counter.note("a", "x")
    assert counter.take() == {}
    moment += 3601
    counter.note("a", "x")
    assert counter.take() == {"a": 1}


def test_counts_that_cannot_be_written_wait(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = make_repo(hub)
    hub.downloads.note(repo.id, "x")

    def fail(*_arguments: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(repo_table, "add_downloads", fail)
        with pytest.raises(OSError, match="disk full"):
            downloads.flush(hub)
    assert downloads.flush(hub) == 1
    assert downloads.flush(hub) == 0
    assert downloads.all_time(hub, repo) == 1


def test_counts_are_written_while_the_hub_runs_and_at_its_end(hub: Hub) -> None:
    repo = make_repo(hub)
    with downloads.counting(hub, every=0.01):
        hub.downloads.note(repo.id, "x")
        deadline = time.monotonic() + 30
        while downloads.all_time(hub, repo) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert downloads.all_time(hub, repo) == 1
    with downloads.counting(hub, every=3600):
        hub.downloads.note(repo.id, "y")
    assert downloads.all_time(hub, repo) == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "downloads"]


def test_a_repo_deleted_meanwhile_is_passed_over(hub: Hub) -> None:
    repo, other = make_repo(hub), make_repo(hub, "other")
    hub.downloads.note(repo.id, "x")
    hub.downloads.note(other.id, "x")
    repos.delete(hub, hubs.actor(hub, "ada"), RepoKind.MODEL, repo.repo_id)
    assert downloads.flush(hub) == 2
    assert downloads.all_time(hub, other) == 1
