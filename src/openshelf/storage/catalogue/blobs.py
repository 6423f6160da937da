"""Which blobs are stored, in which form, and which repos may use them.

A blob's bytes are kept whole (``is_whole``), as a Xet file (``xet_hash``), or both. The link to a repo is
what makes a blob visible: nobody learns of one that only repos they may not read hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.access import ReadScope
from openshelf.domain.tree import Blob
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.links import BATCH, link_rows
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.repos import readable
from openshelf.storage.catalogue.schema import (
    blobs,
    repo_blobs,
    repos,
)


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A stored blob: where its bytes are, and what is wrong with them, if anything is."""

    sha256: str
    size: int
    is_whole: bool
    xet_hash: bytes | None
    created_at: datetime
    damage: str | None = None

    @property
    def blob(self) -> Blob:
        return Blob(self.sha256, self.size)


def get(tx: Transaction, sha256: str) -> BlobRow | None:
    row = tx.execute(sa.select(blobs).where(blobs.c.sha256 == sha256)).one_or_none()
    return _blob(row) if row else None


def get_many(tx: Transaction, digests: Iterable[str]) -> dict[str, BlobRow]:
    wanted = sorted(set(digests))
    found: dict[str, BlobRow] = {}
    for start in range(0, len(wanted), BATCH):
        query = sa.select(blobs).where(blobs.c.sha256.in_(wanted[start : start + BATCH]))
        found.update((row.sha256, _blob(row)) for row in tx.execute(query))
    return found


def by_xet_hash(tx: Transaction, xet_hash: bytes) -> list[BlobRow]:
    return [_blob(row) for row in tx.execute(sa.select(blobs).where(blobs.c.xet_hash == xet_hash))]


def save(tx: Transaction, blob: Blob, at: datetime, *, is_whole: bool = False, xet_hash: bytes | None = None) -> None:
    """Record verified bytes; what is known already is added to, never taken away, unless it is damaged."""
    existing = get(tx, blob.sha256)
    if existing is None:
        tx.execute(
            blobs.insert().values(
                sha256=blob.sha256,
                size=blob.size,
                is_whole=is_whole,
                xet_hash=xet_hash,
                created_at=at,
                used_at=at,
            )
        )
        return
    changes: dict[str, Any] = {"used_at": at}
    if existing.damage is not None:
        # What is there is no good, in whichever form: what has come takes its place.
        changes |= {"is_whole": is_whole, "xet_hash": xet_hash, "damage": None, "damaged_at": None}
    if is_whole and not existing.is_whole:
        changes["is_whole"] = True
    if xet_hash and existing.xet_hash is None:
        changes["xet_hash"] = xet_hash
    tx.execute(blobs.update().where(blobs.c.sha256 == blob.sha256).values(**changes))


def touch_linked(tx: Transaction, repo_id: str, at: datetime) -> None:
    """Note that a repo has had its blobs until now, before its links go: the grace period begins."""
    mine = sa.select(repo_blobs.c.sha256).where(repo_blobs.c.repo_id == repo_id)
    tx.execute(blobs.update().where(blobs.c.sha256.in_(mine)).values(used_at=at))


def save_xet(tx: Transaction, files: Mapping[Blob, bytes], at: datetime) -> None:
    """Record verified blobs that are Xet files, given with their Xet hashes; like ``save`` of each."""
    known = get_many(tx, [blob.sha256 for blob in files])
    rows = [
        {"sha256": blob.sha256, "size": blob.size, "is_whole": False, "xet_hash": xet_hash, "created_at": at}
        for blob, xet_hash in files.items()
        if blob.sha256 not in known
    ]
    if rows:
        tx.execute(blobs.insert(), rows)
    for blob, xet_hash in files.items():
        if blob.sha256 in known:
            save(tx, blob, at, xet_hash=xet_hash)


def forget_whole(tx: Transaction, sha256: str) -> None:
    """Note that the blob is kept as a Xet file only."""
    tx.execute(blobs.update().where(blobs.c.sha256 == sha256, blobs.c.xet_hash.is_not(None)).values(is_whole=False))


def forget_chunks(tx: Transaction, sha256: str) -> None:
    """Note that the blob is kept whole only."""
    tx.execute(blobs.update().where(blobs.c.sha256 == sha256, blobs.c.is_whole).values(xet_hash=None))


def delete(tx: Transaction, sha256: str) -> None:
    tx.execute(blobs.delete().where(blobs.c.sha256 == sha256))


def every(tx: Transaction, after: str = "", limit: int = 1000) -> list[BlobRow]:
    """Blobs in order of sha256, beginning after one."""
    query = sa.select(blobs).where(blobs.c.sha256 > after).order_by(blobs.c.sha256).limit(limit)
    return [_blob(row) for row in tx.execute(query)]


def in_two_forms(tx: Transaction, limit: int = 1000) -> list[str]:
    """sha256 of blobs that are kept whole and as chunks."""
    query = sa.select(blobs.c.sha256).where(blobs.c.is_whole, blobs.c.xet_hash.is_not(None)).limit(limit)
    return list(tx.scalars(query))


def link(tx: Transaction, repo_id: str, digests: Iterable[str], at: datetime) -> None:
    """Let ``repo_id`` use these blobs, and renew the time of links that are there."""
    link_rows(tx, repo_blobs, "sha256", repo_id, digests, at)


def unlink(tx: Transaction, repo_id: str, sha256: str) -> None:
    tx.execute(repo_blobs.delete().where(repo_blobs.c.repo_id == repo_id, repo_blobs.c.sha256 == sha256))


def links(tx: Transaction, repo_id: str) -> dict[str, datetime]:
    """sha256 of each blob that the repo may use, and when it was last linked."""
    query = sa.select(repo_blobs.c.sha256, repo_blobs.c.linked_at).where(repo_blobs.c.repo_id == repo_id)
    return {row.sha256: row.linked_at for row in tx.execute(query)}


def holders(tx: Transaction, sha256: str) -> list[str]:
    """Ids of the repos that may use the blob."""
    return list(tx.scalars(sa.select(repo_blobs.c.repo_id).where(repo_blobs.c.sha256 == sha256)))


def linked(tx: Transaction, repo_id: str, digests: Iterable[str]) -> dict[str, BlobRow]:
    """Those of ``digests`` that this repo may use."""
    return _visible(tx, digests, repo_blobs.c.repo_id == repo_id)


# Asked with every download: made once, for building a statement costs more than running it.
_LINKED = Prepared(
    sa.select(blobs)
    .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
    .where(repo_blobs.c.repo_id == sa.bindparam("repo"), repo_blobs.c.sha256 == sa.bindparam("sha256"))
)


def linked_one(tx: Transaction, repo_id: str, sha256: str) -> BlobRow | None:
    """The blob, where this repo may use it."""
    row = _LINKED.one_or_none(tx, repo=repo_id, sha256=sha256)
    return _blob(row) if row else None


def link_times(tx: Transaction, repo_id: str, digests: Iterable[str]) -> dict[str, datetime]:
    """Those of ``digests`` that this repo may use, and when each was last linked."""
    wanted, found = sorted(set(digests)), dict[str, datetime]()
    for start in range(0, len(wanted), BATCH):
        here = sa.and_(repo_blobs.c.repo_id == repo_id, repo_blobs.c.sha256.in_(wanted[start : start + BATCH]))
        query = sa.select(repo_blobs.c.sha256, repo_blobs.c.linked_at).where(here)
        found.update((row.sha256, row.linked_at) for row in tx.execute(query))
    return found


def visible(tx: Transaction, scope: ReadScope, repo_id: str, digests: Iterable[str]) -> dict[str, BlobRow]:
    """Those of ``digests`` that this repo, or any other that the actor may read, may use."""
    return _visible(tx, digests, sa.or_(repo_blobs.c.repo_id == repo_id, readable(scope)))


def visible_by_xet_hash(tx: Transaction, scope: ReadScope, repo_id: str, xet_hash: bytes) -> BlobRow | None:
    query = (
        sa.select(blobs)
        .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
        .join(repos, repos.c.id == repo_blobs.c.repo_id)
        .where(blobs.c.xet_hash == xet_hash, sa.or_(repos.c.id == repo_id, readable(scope)))
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return _blob(row) if row else None


def owner_bytes(tx: Transaction, owner_id: str) -> int:
    """Bytes of the distinct blobs that the owner's repos may use."""
    mine = (
        sa.select(repo_blobs.c.sha256)
        .join(repos, repos.c.id == repo_blobs.c.repo_id)
        .where(repos.c.owner_id == owner_id)
    )
    return tx.scalar(sa.select(sa.func.sum(blobs.c.size)).where(blobs.c.sha256.in_(mine))) or 0


def repo_bytes(tx: Transaction, repo_id: str) -> int:
    query = (
        sa.select(sa.func.sum(blobs.c.size))
        .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
        .where(repo_blobs.c.repo_id == repo_id)
    )
    return tx.scalar(query) or 0


def repo_totals(tx: Transaction, repo_id: str) -> tuple[int, int, int]:
    """How many blobs the repo may use, their bytes, and the bytes of those that are kept as Xet files."""
    chunked = sa.case((blobs.c.xet_hash.is_not(None), blobs.c.size), else_=0)
    query = (
        sa.select(sa.func.count(), sa.func.sum(blobs.c.size), sa.func.sum(chunked))
        .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
        .where(repo_blobs.c.repo_id == repo_id)
    )
    count, size, in_chunks = tx.execute(query).one()
    return count, size or 0, in_chunks or 0


def _visible(tx: Transaction, digests: Iterable[str], allowed: sa.ColumnElement[bool]) -> dict[str, BlobRow]:
    wanted = sorted(set(digests))
    found: dict[str, BlobRow] = {}
    for start in range(0, len(wanted), BATCH):
        query = (
            sa.select(blobs)
            .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
            .join(repos, repos.c.id == repo_blobs.c.repo_id)
            .where(blobs.c.sha256.in_(wanted[start : start + BATCH]), allowed)
            .distinct()
        )
        found.update((row.sha256, _blob(row)) for row in tx.execute(query))
    return found


def _blob(row: Any) -> BlobRow:
    return BlobRow(row.sha256, row.size, row.is_whole, row.xet_hash, row.created_at, row.damage)
