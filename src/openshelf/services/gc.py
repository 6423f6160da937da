"""Garbage collection: bytes that nothing refers to are removed after a grace period, never before.

The order keeps concurrent pushes safe. A repo's links go where its history does not name the blob, nor did within the
grace period, and where they are old: a push renews the links of all that it names before it moves a ref.
A blob's row goes, in the writer's turn, only while no repo is linked to it; its bytes go in a later turn, if it has no
row again by then. So a crash leaves at most a file that nothing knows, which the next collection takes. Whoever
records a blob checks in the writer's turn that its bytes are there (``services.stored``), so an upload of the same
bytes in the same moment either keeps them or is told to send them again. Clients remember for three weeks which xorbs
they have sent: the grace period is longer, and each removal of xorbs begins a new generation of addresses, under which
clients remember nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from openshelf.errors import StorageFault
from openshelf.services.fsck_bytes import check_orphans
from openshelf.services.hub import Hub, now
from openshelf.services.stored import REMOVAL_LOCK, remove_whole, remove_xorb
from openshelf.services.xet_access import generation
from openshelf.storage.catalogue import Transaction, blobs, events, garbage, repos
from openshelf.storage.repositories.reachable import reachable_blobs
from openshelf.xet.hashes import to_hex

_ORPHAN_SECONDS = 86_400
_TEMPORARY_SECONDS = 86_400
_UPLOAD_SECONDS = 7 * 86_400

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, or in a dry run would be. ``freed_bytes`` counts stored bytes of blobs and xorbs."""

    links: int = 0
    blobs: int = 0
    files: int = 0
    xorbs: int = 0
    repositories: int = 0
    temporary: int = 0
    freed_bytes: int = 0


class _Undo(Exception):
    """Ends a dry run's transaction."""


def collect(hub: Hub, *, dry_run: bool = True, progress: Progress = lambda *_: None) -> Collected:
    """Remove what nothing refers to since ``gc_grace_days``. A dry run changes nothing and counts the same.

    Raises StorageFault, having removed nothing, where a repository cannot be read: what it names is unknown then.
    """
    before = now() - timedelta(days=hub.settings.gc_grace_days)
    with hub.storage.locks.hold(REMOVAL_LOCK, timeout=1):
        if dry_run:
            return _rehearse(hub, before, progress)
        hub.check_writable()
        links = _unlink(hub, before, progress)
        gone, blob_bytes = _sweep_blobs(hub, before)
        with hub.storage.catalogue.write() as tx:
            files = garbage.remove_xet_files(tx, before)
        xorbs, xorb_bytes = _sweep_xorbs(hub, before)
        check_orphans(hub, repair=True)
        repositories = _orphan_repositories(hub, remove=True)
        temporary = hub.storage.discard_stale(_TEMPORARY_SECONDS, _UPLOAD_SECONDS)
        hub.storage.discard_lone_sums(_TEMPORARY_SECONDS)
    return Collected(links, gone, files, xorbs, repositories, temporary, blob_bytes + xorb_bytes)


def _rehearse(hub: Hub, before: datetime, progress: Progress) -> Collected:
    """Do all that concerns the catalogue in one transaction, and undo it."""
    reachable = _reachable(hub, before, progress)
    found = Collected()
    try:
        with hub.storage.catalogue.write() as tx:
            links = sum(_drop_links(tx, repo_id, named, before) for repo_id, named in reachable.items())
            gone = garbage.remove_blobs(tx, before, limit=1_000_000)
            files = garbage.remove_xet_files(tx, before)
            xorbs = garbage.remove_xorbs(tx, before, limit=1_000_000)
            freed = sum(row.size for row in gone if row.is_whole) + sum(size for _, size in xorbs)
            orphans = _orphan_repositories(hub, remove=False)
            found = Collected(links, len(gone), files, len(xorbs), orphans, 0, freed)
            raise _Undo
    except _Undo:
        return found


def _reachable(hub: Hub, before: datetime, progress: Progress) -> dict[str, set[str]]:
    with hub.storage.catalogue.read() as tx:
        ids = repos.all_ids(tx)
    found = {}
    for number, repo_id in enumerate(ids):
        progress("reading repositories", number, len(ids))
        found[repo_id] = _named(hub, repo_id, before)
    return found


def _unlink(hub: Hub, before: datetime, progress: Progress) -> int:
    # All repositories must be readable before anything goes.
    reachable, gone = _reachable(hub, before, progress), 0
    for number, (repo_id, named) in enumerate(reachable.items()):
        progress("comparing links", number, len(reachable))
        with hub.storage.catalogue.write() as tx:
            gone += _drop_links(tx, repo_id, named, before)
    return gone


def _drop_links(tx: Transaction, repo_id: str, named: set[str], before: datetime) -> int:
    dropped = garbage.unlink_stale(tx, repo_id, named, before)
    if dropped:
        repos.update(tx, repo_id, stored_bytes=blobs.repo_bytes(tx, repo_id))
    return dropped


def _named(hub: Hub, repo_id: str, before: datetime) -> set[str]:
    """Blobs that the repo's refs reach, or reached within the grace period."""
    try:
        git = hub.storage.repositories.open(repo_id)
    except StorageFault:
        with hub.storage.catalogue.read() as tx:
            if repos.by_id(tx, repo_id) is None:
                return set()
        raise
    with hub.storage.catalogue.read() as tx:
        former = events.former_commits(tx, repo_id, before)
    return {blob.sha256 for blob in reachable_blobs(git, former)}


def _sweep_blobs(hub: Hub, before: datetime) -> tuple[int, int]:
    count = freed = 0
    while True:
        with hub.storage.catalogue.write() as tx:
            gone = garbage.remove_blobs(tx, before)
        for row in gone:
            if row.is_whole and remove_whole(hub, row.sha256):
                freed += row.size
        count += len(gone)
        if not gone:
            return count, freed


def _sweep_xorbs(hub: Hub, before: datetime) -> tuple[int, int]:
    count = freed = 0
    while True:
        with hub.storage.catalogue.write() as tx:
            gone = garbage.remove_xorbs(tx, before)
            if gone:
                events.set_meta(tx, events.GENERATION_KEY, str(generation(tx) + 1))
        for xorb_hash, size in gone:
            if remove_xorb(hub, to_hex(xorb_hash)):
                freed += size
        count += len(gone)
        if not gone:
            return count, freed


def _orphan_repositories(hub: Hub, *, remove: bool) -> int:
    """Repositories that the catalogue does not know, left by a crash while one was made or deleted."""
    with hub.storage.catalogue.read() as tx:
        known = set(repos.all_ids(tx))
    count = 0
    for repo_id in hub.storage.repositories.ids():
        modified = hub.storage.repositories.path(repo_id).stat().st_mtime
        if repo_id not in known and modified < time.time() - _ORPHAN_SECONDS:
            count += 1
            if remove:
                hub.storage.repositories.delete(repo_id)
    return count
