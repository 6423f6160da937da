"""The end of every push, by whatever protocol: refs move first, then one transaction tells of it.

Git is the source of truth. Where a crash comes between the two, ``reconcile`` writes the transaction later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from openshelf.domain.access import read_scope
from openshelf.domain.events import Event, EventKind
from openshelf.domain.people import ANONYMOUS, Actor
from openshelf.domain.repos import DEFAULT_BRANCH, Repo
from openshelf.domain.tree import Blob
from openshelf.errors import BlobNotFound, InvalidUpload, OpenshelfError, QuotaExceeded, RepoNotFound
from openshelf.services import arrivals
from openshelf.services.describe import VERSION as DESCRIPTION_VERSION
from openshelf.services.describe import describe, with_parameters
from openshelf.services.hub import Hub, now
from openshelf.services.sizes import readable_size
from openshelf.storage import search
from openshelf.storage.catalogue import Transaction, accounts, blobs, events, refs, repos, weights
from openshelf.storage.repositories import GitRepository
from openshelf.storage.repositories.reachable import new_blobs
from openshelf.storage.repositories.repository import Author

MAIN = f"refs/heads/{DEFAULT_BRANCH}"
CHUNK_ABOVE_BYTES = arrivals.MIN_CHUNKED_BYTES
REPACK_LOOSE_OBJECTS = 4000
REPACK_PACKS = 50
# The grace period of garbage collection is at least 22 days, and no push takes that long.
_PIN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A ref's move from ``old`` to ``new``; None stands for its absence. Both may be annotated tags."""

    name: str
    old: str | None
    new: str | None


def author_of(actor: Actor) -> Author:
    """How commits of ``actor`` are signed; the address is not a real one."""
    return Author(actor.name, f"{actor.name}@users.noreply.openshelf")


def check_blobs(hub: Hub, actor: Actor, repo: Repo, wanted: Iterable[Blob]) -> dict[str, blobs.BlobRow]:
    """The stored blobs that a push names, all present and within the owner's quota; they stay for the push to end.

    Raises BlobNotFound where one is not stored, damaged or not visible to ``actor``, alike; InvalidUpload where its
    size is another; QuotaExceeded.
    """
    by_sha256 = {blob.sha256: blob for blob in wanted}
    if not by_sha256:
        return {}
    with hub.storage.catalogue.read() as tx:
        found = blobs.visible(tx, read_scope(actor), repo.id, by_sha256)
        linked = blobs.link_times(tx, repo.id, by_sha256)
    for blob in by_sha256.values():
        row = found.get(blob.sha256)
        if row is None or row.damage is not None:
            raise BlobNotFound(blob.sha256)
        if row.size != blob.size:
            raise InvalidUpload(f"Blob {blob.sha256} has {row.size} bytes, not {blob.size} as the commit says.")
    check_quota(hub, repo, sum(row.size for sha256, row in found.items() if sha256 not in linked))
    limit = now() - _PIN_AFTER
    _pin(hub, actor, repo, [sha256 for sha256 in found if sha256 not in linked or linked[sha256] < limit])
    return found


def _pin(hub: Hub, actor: Actor, repo: Repo, digests: Sequence[str]) -> None:
    """Link blobs before the refs move, in the writer's turn: garbage collection leaves what was linked lately."""
    if not digests:
        return
    with hub.storage.catalogue.write() as tx:
        found = blobs.visible(tx, read_scope(actor), repo.id, digests)
        for sha256 in digests:
            if sha256 not in found:
                raise BlobNotFound(sha256)
        known = arrivals.note(hub, tx, repo.id, digests)
        blobs.link(tx, repo.id, digests, now())
        arrivals.record(tx, repo.id, known)


def check_quota(hub: Hub, repo: Repo, added_bytes: int) -> None:
    """Raises QuotaExceeded where ``added_bytes`` more would be over what the repo's owner may store."""
    if added_bytes <= 0:
        return
    with hub.storage.catalogue.read() as tx:
        owner = accounts.by_id(tx, repo.owner_id)
        quota = owner.quota_bytes if owner and owner.quota_bytes is not None else hub.settings.quota_bytes
        if not quota:
            return
        used = blobs.owner_bytes(tx, repo.owner_id)
    if used + added_bytes > quota:
        raise QuotaExceeded(
            f"{repo.owner} has used {readable_size(used)} of {readable_size(quota)}; {readable_size(added_bytes)} more "
            "does not fit. Delete what is not needed, or ask the administrator of this hub for more."
        )


def move_refs(
    hub: Hub,
    actor: Actor,
    repo: Repo,
    git: GitRepository,
    updates: Sequence[RefUpdate],
    named: Iterable[str] = (),
    also: Callable[[Transaction], None] | None = None,
) -> None:
    """Move refs and tell the catalogue. The caller holds the repo's lock and has checked access and blobs.

    ``named``: sha256 of the blobs that the new commits name. ``also`` writes more in the same transaction. Raises
    StaleParent where a ref has moved meanwhile.
    """
    moves = [(update.name, update.new, update.old) for update in updates]
    try:
        git.set_refs(moves)
        # The catalogue knows commits only, not the tag objects of annotated tags.
        updates = [replace(update, new=update.new and git.commit_of(update.new)) for update in updates]
        with hub.storage.catalogue.write() as tx:
            current = repos.by_id(tx, repo.id)
            if current is None:
                raise RepoNotFound(repo.full_name)
            if also:
                also(tx)
            record_updates(tx, actor, current, git, updates, named)
    except Exception:
        # Nobody is told of the moves, so nobody shall see them; where even this fails, the reconciler completes them.
        with suppress(OpenshelfError, OSError):
            git.set_refs([(name, old, new) for name, new, old in moves])
        raise


def record_updates(
    tx: Transaction,
    actor: Actor,
    repo: Repo,
    git: GitRepository,
    updates: Sequence[RefUpdate],
    named: Iterable[str] = (),
) -> None:
    """Everything that the catalogue keeps of moved refs, in the caller's transaction."""
    moment = now()
    blobs.link(tx, repo.id, named, moment)
    for update in updates:
        refs.record(tx, repo.id, update.name, update.new, moment)
        data = {"ref": update.name, "old": update.old, "new": update.new}
        actor_id = actor.account.id if actor.account else None
        events.append(tx, Event(EventKind.REF_UPDATED, moment, actor_id, repo.id, data))
    repos.update(tx, repo.id, updated_at=moment, stored_bytes=blobs.repo_bytes(tx, repo.id))
    for row in blobs.get_many(tx, named).values():
        if row.xet_hash is None and row.size > CHUNK_ABOVE_BYTES:
            events.enqueue(tx, "chunk-blob", row.sha256, {"sha256": row.sha256}, moment)
    if git.loose_objects() > REPACK_LOOSE_OBJECTS or git.packs() > REPACK_PACKS:
        events.enqueue(tx, "repack", repo.id, {"repo_id": repo.id}, moment)
    for update in updates:
        if update.name == MAIN:
            record_head(tx, repo, git, update.new)


def record_head(tx: Transaction, repo: Repo, git: GitRepository, commit: str | None) -> None:
    """Where the default branch stands, and what is known of the repo by that."""
    repos.update(tx, repo.id, head=commit)
    if commit is None:
        return
    found = describe(repo.kind, git, commit)
    known = weights.counted(tx, [blob.sha256 for blob in found.weights])
    if len(known) < len(found.weights):
        events.enqueue(tx, "read-weights", repo.id, {"repo_id": repo.id}, now())
    facts, answers, parameters = with_parameters(found, known)
    repos.set_facts(
        tx,
        repo,
        facts,
        found.tags,
        answers,
        size_bytes=found.size_bytes,
        parameters=parameters,
        described=DESCRIPTION_VERSION,
    )
    described = repos.by_id(tx, repo.id)
    if described:
        search.index(tx, described, found.text)


def reconcile(hub: Hub, repo_id: str) -> int:
    """Bring the catalogue's refs of one repo to what git says; returns how many differed."""
    if not _differing(hub, repo_id):
        return 0
    with hub.storage.locks.hold(f"repo-{repo_id}"):
        git = hub.storage.repositories.open(repo_id)
        updates = _differing(hub, repo_id)
        named = new_blobs(git, [update.new for update in updates if update.new], git.existing(u.old for u in updates))
        with hub.storage.catalogue.write() as tx:
            repo = repos.by_id(tx, repo_id)
            if repo and updates:
                stored = blobs.get_many(tx, (blob.sha256 for blob in named))
                record_updates(tx, ANONYMOUS, repo, git, updates, sorted(stored))
    return len(updates)


def _differing(hub: Hub, repo_id: str) -> list[RefUpdate]:
    """The moves that would take the catalogue's refs to those of git."""
    with hub.storage.catalogue.read() as tx:
        known = refs.recorded(tx, repo_id)
    there = {ref.name: ref.commit for ref in hub.storage.repositories.open(repo_id).refs()}
    return [
        RefUpdate(name, known.get(name), there.get(name))
        for name in sorted(known.keys() | there.keys())
        if known.get(name) != there.get(name)
    ]
