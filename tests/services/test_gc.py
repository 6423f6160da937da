"""Garbage collection: what nothing refers to goes after the grace period; everything else stays."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest

from openshelf.domain.tree import Blob, DeleteFile
from openshelf.errors import StorageFault, Unavailable
from openshelf.services import gc, repos, xet_access
from openshelf.services.hub import Hub, now
from openshelf.services.stored import REMOVAL_LOCK, record_whole
from openshelf.storage.catalogue import blobs, xorbs
from openshelf.storage.catalogue.xorbs import XetFileRow, XorbRow
from openshelf.xet.hashes import to_hex
from tests.services.bytes_in_hub import commit, start, store

CHUNKED = Blob("ab" * 32, 32)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage collection believes that 31 days have passed."""
    monkeypatch.setattr(gc, "now", lambda: now() + timedelta(days=31))


def test_what_was_just_uploaded_stays(hub: Hub) -> None:
    _, repo = start(hub)
    blob = store(hub, repo, b"staged" * 100)
    assert gc.collect(hub, dry_run=False) == gc.Collected()
    assert hub.storage.blobs.is_intact(blob.sha256)


@pytest.mark.usefixtures("later")
def test_what_no_commit_names_goes_after_the_grace_period(hub: Hub) -> None:
    actor, repo = start(hub)
    named, staged = store(hub, repo, b"named" * 100), store(hub, repo, b"staged" * 100)
    commit(hub, actor, repo, ("a.bin", named))
    expected = gc.Collected(links=1, blobs=1, freed_bytes=600)
    assert gc.collect(hub, dry_run=True) == expected
    assert hub.storage.blobs.size(staged.sha256) == 600
    assert gc.collect(hub, dry_run=False) == expected
    assert hub.storage.blobs.size(staged.sha256) is None
    assert hub.storage.blobs.is_intact(named.sha256)
    assert gc.collect(hub, dry_run=False) == gc.Collected()


@pytest.mark.usefixtures("later")
def test_what_only_the_past_names_stays(hub: Hub) -> None:
    actor, repo = start(hub)
    blob = store(hub, repo, b"old" * 100)
    commit(hub, actor, repo, ("a.bin", blob))
    commit(hub, actor, repo, DeleteFile("a.bin"))
    assert gc.collect(hub, dry_run=False) == gc.Collected()


@pytest.mark.usefixtures("later")
def test_the_bytes_of_a_deleted_repo_go_unless_another_uses_them(hub: Hub) -> None:
    actor, repo = start(hub)
    other = repos.create(hub, actor, repo.kind, "other")
    mine, shared = store(hub, repo, b"mine" * 100), store(hub, repo, b"shared" * 100)
    commit(hub, actor, repo, ("a.bin", mine), ("b.bin", shared))
    commit(hub, actor, other, ("b.bin", shared))
    repos.delete(hub, actor, repo.kind, repo.repo_id)
    assert gc.collect(hub, dry_run=False) == gc.Collected(blobs=1, freed_bytes=400)
    assert hub.storage.blobs.is_intact(shared.sha256)


@pytest.mark.usefixtures("later")
def test_unused_xorbs_go_and_begin_a_new_generation(hub: Hub) -> None:
    used, unused, asked = (bytes([n]) * 32 for n in (1, 2, 3))
    moment = now()
    for key in (used, unused, asked):
        staged = hub.storage.xorbs.stage()
        staged.write(key)
        staged.keep(to_hex(key))
    with hub.storage.catalogue.write() as tx:
        for key in (used, unused):
            xorbs.save(tx, XorbRow(key, 32, 32, b"", moment, moment))
        xorbs.save(tx, XorbRow(asked, 32, 32, b"", moment, moment + timedelta(days=20)))
        xorbs.save_file(tx, XetFileRow(b"f" * 32, 32, b""), [used], moment)
        xorbs.save_file(tx, XetFileRow(b"g" * 32, 32, b""), [unused], moment)
        blobs.save(tx, CHUNKED, moment, xet_hash=b"f" * 32)
    _, repo = start(hub)
    with hub.storage.catalogue.write() as tx:
        blobs.link(tx, repo.id, [CHUNKED.sha256], moment + timedelta(days=20))
        before = xet_access.generation(tx)
    expected = gc.Collected(files=1, xorbs=1, freed_bytes=32)
    assert gc.collect(hub, dry_run=True) == expected
    assert gc.collect(hub, dry_run=False) == expected
    assert [info.key for info in hub.storage.xorbs.list()] == sorted([to_hex(used), to_hex(asked)])
    with hub.storage.catalogue.read() as tx:
        assert xet_access.generation(tx) == before + 1


@pytest.mark.usefixtures("later")
def test_nothing_goes_while_a_repository_cannot_be_read(hub: Hub) -> None:
    actor, repo = start(hub)
    store(hub, repo, b"staged" * 100)
    broken = repos.create(hub, actor, repo.kind, "broken")
    (hub.storage.repositories.path(broken.id) / "objects").rename(hub.storage.root / "elsewhere")
    with pytest.raises(StorageFault):
        gc.collect(hub, dry_run=False)
    assert len(list(hub.storage.blobs.objects.list())) == 1


def test_orphan_repositories_go_after_a_day(hub: Hub) -> None:
    old, new = hub.storage.repositories.create("aa11"), hub.storage.repositories.create("bb22")
    os.utime(old.path, (time.time() - 100_000,) * 2)
    assert gc.collect(hub, dry_run=True).repositories == 1
    assert old.path.exists()
    assert gc.collect(hub, dry_run=False).repositories == 1
    assert not old.path.exists()
    assert new.path.exists()


def test_a_backup_keeps_it_waiting(hub: Hub) -> None:
    with hub.storage.locks.hold(REMOVAL_LOCK), pytest.raises(Unavailable):
        gc.collect(hub)


def test_a_blob_whose_bytes_went_meanwhile_is_not_recorded(hub: Hub) -> None:
    _, repo = start(hub)
    writer = hub.storage.blobs.writer()
    writer.write(b"unlucky")
    blob = writer.keep()
    hub.storage.blobs.delete(blob.sha256)
    with pytest.raises(Unavailable, match="send it once more"):
        record_whole(hub, repo, blob)
