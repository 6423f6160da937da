"""Garbage collection and pushes that name what it is about to take: one of them gives way, nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob, CopyFile
from openshelf.errors import BlobNotFound
from openshelf.services import accept, gc, refs, repos
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs
from openshelf.storage.catalogue import refs as catalogue_refs
from openshelf.storage.catalogue.schema import blobs as blob_table
from openshelf.storage.catalogue.schema import events as event_table
from tests.services.bytes_in_hub import commit, start, store

LONG_AGO = timedelta(days=40)


def age(hub: Hub, repo: Repo, *stored: Blob) -> None:
    """Let everything that concerns these blobs have happened long ago."""
    moment = now() - LONG_AGO
    with hub.storage.catalogue.write() as tx:
        tx.execute(sa.update(blob_table).values(used_at=moment, created_at=moment))
        tx.execute(sa.update(event_table).values(at=moment))
        blobs.link(tx, repo.id, [blob.sha256 for blob in stored], moment)


def lost_branch(hub: Hub) -> tuple[Actor, Repo, Blob, str]:
    """A commit that no branch reaches any more, and the blob that it names."""
    actor, repo = start(hub)
    blob = store(hub, repo, b"weights" * 100)
    base = hub.storage.repositories.open(repo.id).resolve("main").commit
    lost = commit(hub, actor, repo, ("a.bin", blob))
    refs.create_branch(hub, actor, repo, "kept", base)
    git = hub.storage.repositories.open(repo.id)
    accept.move_refs(hub, actor, repo, git, [accept.RefUpdate("refs/heads/main", lost, base)])
    return actor, repo, blob, lost


def test_what_a_ref_reached_lately_stays(hub: Hub) -> None:
    _, repo, blob, _ = lost_branch(hub)
    with hub.storage.catalogue.write() as tx:
        tx.execute(sa.update(blob_table).values(used_at=now() - LONG_AGO))
        blobs.link(tx, repo.id, [blob.sha256], now() - LONG_AGO)
    assert gc.collect(hub, dry_run=False) == gc.Collected()
    age(hub, repo, blob)
    assert gc.collect(hub, dry_run=False).blobs == 1


def test_the_grace_period_of_a_deleted_repo_begins_with_its_end(hub: Hub) -> None:
    actor, repo = start(hub)
    blob = store(hub, repo, b"weights" * 100)
    commit(hub, actor, repo, ("a.bin", blob))
    age(hub, repo, blob)
    repos.delete(hub, actor, repo.kind, repo.repo_id)
    assert gc.collect(hub, dry_run=False).blobs == 0
    assert hub.storage.blobs.is_intact(blob.sha256)


def test_a_push_holds_what_it_names_until_it_ends(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    actor, repo = start(hub)
    blob = store(hub, repo, b"staged" * 100)
    age(hub, repo, blob)
    write_commit = type(hub.storage.repositories.open(repo.id)).write_commit

    def collect_first(*arguments: object, **options: object) -> str:
        assert gc.collect(hub, dry_run=False) == gc.Collected()
        return write_commit(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("openshelf.storage.repositories.repository.GitRepository.write_commit", collect_first)
    commit(hub, actor, repo, ("a.bin", blob))
    assert hub.storage.blobs.is_intact(blob.sha256)


def test_a_push_after_the_collection_is_told_to_send_the_blob_again(hub: Hub) -> None:
    actor, repo = start(hub)
    blob = store(hub, repo, b"staged" * 100)
    age(hub, repo, blob)
    assert gc.collect(hub, dry_run=False).blobs == 1
    head = hub.storage.repositories.open(repo.id).resolve("main").commit
    with pytest.raises(BlobNotFound):
        commit(hub, actor, repo, ("a.bin", blob))
    assert hub.storage.repositories.open(repo.id).resolve("main").commit == head
    assert store(hub, repo, b"staged" * 100) == blob
    commit(hub, actor, repo, ("a.bin", blob))


def test_a_branch_cannot_be_made_where_blobs_are_gone(hub: Hub) -> None:
    actor, repo, blob, lost = lost_branch(hub)
    age(hub, repo, blob)
    assert gc.collect(hub, dry_run=False).blobs == 1
    with pytest.raises(BlobNotFound):
        refs.create_branch(hub, actor, repo, "found", lost)
    with pytest.raises(BlobNotFound):
        commit(hub, actor, repo, CopyFile("b.bin", "a.bin", lost))


def test_a_branch_at_a_lost_commit_keeps_its_blobs_again(hub: Hub) -> None:
    actor, repo, blob, lost = lost_branch(hub)
    age(hub, repo, blob)
    refs.create_branch(hub, actor, repo, "found", lost)
    assert gc.collect(hub, dry_run=False) == gc.Collected()
    assert hub.storage.blobs.is_intact(blob.sha256)


def test_the_reconciler_links_what_a_crash_left_unlinked(hub: Hub) -> None:
    actor, repo = start(hub)
    other = repos.create(hub, actor, repo.kind, "other")
    blob = store(hub, other, b"weights" * 20_000)
    before = hub.storage.repositories.open(repo.id).resolve("main").commit
    commit(hub, actor, repo, ("a.bin", blob))
    with hub.storage.catalogue.write() as tx:
        blobs.unlink(tx, repo.id, blob.sha256)
        catalogue_refs.record(tx, repo.id, "refs/heads/main", before, now())
    assert accept.reconcile(hub, repo.id) == 1
    with hub.storage.catalogue.read() as tx:
        assert blob.sha256 in blobs.linked(tx, repo.id, [blob.sha256])
    assert accept.reconcile(hub, repo.id) == 0
