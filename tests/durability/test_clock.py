"""The clock of the hub jumps: nothing that was acknowledged is lost, and what was signed ends sooner or later."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from openshelf.domain.names import RepoId, RepoKind
from openshelf.errors import BadCredentials, BlobNotFound
from openshelf.services import gc, repos, signing
from openshelf.services.hub import Hub
from tests.durability import state
from tests.hubs import actor, add_user, client_of
from tests.services.bytes_in_hub import commit, start, store

DAY, YEAR = timedelta(days=1), timedelta(days=365)
SetClock = Callable[[timedelta], None]


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Set the clock so far ahead of the right time, or behind it."""
    right = time.time

    def set_clock(by: timedelta) -> None:
        def now() -> datetime:
            return datetime.fromtimestamp(right(), UTC) + by

        monkeypatch.setattr(time, "time", lambda: right() + by.total_seconds())
        for name, module in list(sys.modules.items()):
            if name.startswith("openshelf.") and hasattr(module, "now"):
                monkeypatch.setattr(module, "now", now)

    return set_clock


@pytest.mark.parametrize("by", [-DAY, YEAR])
def test_whatever_a_ref_names_stays(hub: Hub, jump: SetClock, by: timedelta) -> None:
    ada, repo = start(hub)
    commit(hub, ada, repo, ("a.bin", store(hub, repo, b"a" * 1000)), ("README.md", b"# A\n"))
    before = state.look(hub)
    jump(by)
    gc.collect(hub, dry_run=False)
    assert state.look(hub) == before
    assert state.damage(hub) == []


@pytest.mark.parametrize("by", [-DAY, YEAR])
def test_commits_go_on(hub: Hub, jump: SetClock, by: timedelta) -> None:
    ada, repo = start(hub)
    first = commit(hub, ada, repo, ("a.txt", b"a\n"))
    jump(by)
    second = commit(hub, ada, repo, ("b.txt", b"b\n"))
    git = hub.storage.repositories.open(repo.id)
    assert git.resolve("main").commit == second != first
    assert {entry.path for entry in git.entries(second)} == {".gitattributes", "a.txt", "b.txt"}
    found = repos.find(hub, ada, RepoKind.MODEL, RepoId("ada", repo.name))
    assert found.head == second
    assert state.damage(hub) == []


def test_what_no_ref_names_yet_must_be_sent_again_after_a_jump_ahead(hub: Hub, jump: SetClock) -> None:
    ada, repo = start(hub)
    blob = store(hub, repo, b"staged" * 100)
    jump(YEAR)
    assert gc.collect(hub, dry_run=False).blobs == 1
    with pytest.raises(BlobNotFound):
        commit(hub, ada, repo, ("a.bin", blob))
    assert store(hub, repo, b"staged" * 100) == blob
    commit(hub, ada, repo, ("a.bin", blob))
    assert state.damage(hub) == []


def test_signed_addresses_end_by_the_clock(hub: Hub, jump: SetClock) -> None:
    signed = signing.sign(hub, "test", {"a": 1}, 60)
    jump(-DAY)
    assert signing.verify(hub, "test", signed)["a"] == 1
    jump(YEAR)
    with pytest.raises(BadCredentials, match="expired"):
        signing.verify(hub, "test", signed)


def test_access_tokens_outlast_a_jump(hub: Hub, jump: SetClock) -> None:
    _, token = add_user(hub, "ada")
    for by in (-DAY, YEAR):
        jump(by)
        assert client_of(hub, token).get("/api/whoami-v2").status_code == 200
    assert actor(hub, "ada").name == "ada"
