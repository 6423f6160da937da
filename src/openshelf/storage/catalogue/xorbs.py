"""Which xorbs are stored, the files made of them, and the chunks that clients deduplicate against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.access import ReadScope
from openshelf.storage.catalogue import damages
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.links import batches, link_rows
from openshelf.storage.catalogue.repos import readable
from openshelf.storage.catalogue.schema import (
    blobs,
    dedup_chunks,
    repo_blobs,
    repo_xorbs,
    repos,
    xet_file_xorbs,
    xet_files,
    xorbs,
)


@dataclass(frozen=True, slots=True)
class XorbRow:
    """A stored xorb. ``chunk_index`` is the packed ``xet.xorbs.XorbIndex``; sizes are in bytes."""

    hash: bytes
    stored_bytes: int
    raw_bytes: int
    chunk_index: bytes
    created_at: datetime
    used_at: datetime
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class XetFileRow:
    """A file as runs of chunks. ``segments`` are packed ``xet.files.FileSegment`` values."""

    hash: bytes
    size: int
    segments: bytes


def file(tx: Transaction, file_hash: bytes) -> XetFileRow | None:
    row = tx.execute(sa.select(xet_files).where(xet_files.c.hash == file_hash)).one_or_none()
    return XetFileRow(row.hash, row.size, row.segments) if row else None


def save_file(tx: Transaction, file: XetFileRow, xorb_hashes: Iterable[bytes], at: datetime) -> bool:
    """Record how a file is made of xorbs; False where it was known."""
    return save_files(tx, {file: xorb_hashes}, at) == 1


def save_files(tx: Transaction, files: Mapping[XetFileRow, Iterable[bytes]], at: datetime) -> int:
    """Record files and the xorbs that each is made of; returns how many were not known.

    A known file keeps its xorbs, unless one of them is damaged: it is then made of those that are given.
    """
    wanted, saved = {file.hash: (file, set(used)) for file, used in files.items()}, 0
    for batch in batches(wanted):
        _forget_damaged_files(tx, batch)
        known = set(tx.scalars(sa.select(xet_files.c.hash).where(xet_files.c.hash.in_(batch))))
        fresh = [wanted[name] for name in batch if name not in known]
        if fresh:
            rows = [{"hash": f.hash, "size": f.size, "segments": f.segments, "created_at": at} for f, _ in fresh]
            tx.execute(xet_files.insert(), rows)
        links = [{"file_hash": f.hash, "xorb_hash": xorb_hash} for f, used in fresh for xorb_hash in sorted(used)]
        if links:
            tx.execute(xet_file_xorbs.insert(), links)
        saved += len(fresh)
    return saved


def _forget_damaged_files(tx: Transaction, hashes: Iterable[bytes]) -> None:
    damaged = sa.select(xorbs.c.hash).where(xorbs.c.damaged_at.is_not(None))
    if tx.scalar(damaged.limit(1)) is None:
        return
    made_of = sa.select(xet_file_xorbs.c.file_hash).where(xet_file_xorbs.c.xorb_hash.in_(damaged))
    tx.execute(xet_files.delete().where(xet_files.c.hash.in_(list(hashes)), xet_files.c.hash.in_(made_of)))


def get(tx: Transaction, xorb_hash: bytes) -> XorbRow | None:
    row = tx.execute(sa.select(xorbs).where(xorbs.c.hash == xorb_hash)).one_or_none()
    return _xorb(row) if row else None


def get_many(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, XorbRow]:
    found: dict[bytes, XorbRow] = {}
    for batch in batches(hashes):
        query = sa.select(xorbs).where(xorbs.c.hash.in_(batch))
        found.update((row.hash, _xorb(row)) for row in tx.execute(query))
    return found


def save(tx: Transaction, row: XorbRow) -> bool:
    """Record a stored xorb; False where it was known: its chunks are the same, its body and sizes may be others.

    Damage that was known of it is so no longer.
    """
    body = {"stored_bytes": row.stored_bytes, "raw_bytes": row.raw_bytes, "chunk_index": row.chunk_index}
    if tx.execute(xorbs.update().where(xorbs.c.hash == row.hash).values(used_at=row.used_at, **body)).rowcount:
        damages.clear_xorb(tx, row.hash)
        return False
    tx.execute(xorbs.insert().values(hash=row.hash, created_at=row.created_at, used_at=row.used_at, **body))
    return True


def touch(tx: Transaction, hashes: Iterable[bytes], at: datetime) -> int:
    """Note that clients were told of these xorbs, so that garbage collection leaves them be; returns how many."""
    return sum(
        tx.execute(xorbs.update().where(xorbs.c.hash.in_(batch)).values(used_at=at)).rowcount
        for batch in batches(hashes)
    )


def link(tx: Transaction, repo_id: str, hashes: Iterable[bytes], at: datetime) -> None:
    link_rows(tx, repo_xorbs, "hash", repo_id, hashes, at)


def visible(tx: Transaction, scope: ReadScope | None, repo_id: str, hashes: Iterable[bytes]) -> dict[bytes, XorbRow]:
    """Those xorbs that this repo, or (with a scope) any other that the actor may read, may use; no damaged ones."""
    found: dict[bytes, XorbRow] = {}
    for condition in _usable(scope, repo_id, hashes):
        found.update((row.hash, _xorb(row)) for row in tx.execute(sa.select(xorbs).where(condition)))
    return found


def visible_hashes(tx: Transaction, scope: ReadScope | None, repo_id: str, hashes: Iterable[bytes]) -> set[bytes]:
    """Like ``visible``, without the rows."""
    found: set[bytes] = set()
    for condition in _usable(scope, repo_id, hashes):
        found.update(tx.scalars(sa.select(xorbs.c.hash).where(condition)))
    return found


def _usable(scope: ReadScope | None, repo_id: str, hashes: Iterable[bytes]) -> Iterator[sa.ColumnElement[bool]]:
    allowed = repo_xorbs.c.repo_id == repo_id
    if scope is not None:
        allowed = sa.or_(allowed, readable(scope))
    link = sa.select(1).join_from(repo_xorbs, repos, repos.c.id == repo_xorbs.c.repo_id)
    linked = sa.exists(link.where(repo_xorbs.c.hash == xorbs.c.hash, allowed).correlate(xorbs))
    for batch in batches(hashes):
        yield sa.and_(xorbs.c.hash.in_(batch), linked, xorbs.c.damaged_at.is_(None))


def stored_bytes(tx: Transaction, hashes: Iterable[bytes]) -> int:
    """Stored bytes of these xorbs together."""
    total = sa.func.sum(xorbs.c.stored_bytes)
    return sum(tx.scalar(sa.select(total).where(xorbs.c.hash.in_(batch))) or 0 for batch in batches(hashes))


def unclaimed_bytes(tx: Transaction, repo_id: str) -> int:
    """Stored bytes of the repo's xorbs that no file is made of, or not yet."""
    claimed = sa.exists(sa.select(1).where(xet_file_xorbs.c.xorb_hash == xorbs.c.hash).correlate(xorbs))
    query = (
        sa.select(sa.func.sum(xorbs.c.stored_bytes))
        .join(repo_xorbs, repo_xorbs.c.hash == xorbs.c.hash)
        .where(repo_xorbs.c.repo_id == repo_id, ~claimed)
    )
    return tx.scalar(query) or 0


def kept_for(tx: Transaction, repo_id: str) -> int:
    """Stored bytes of the xorbs that the files of a repo are made of, each counted once."""
    used = (
        sa.select(xet_file_xorbs.c.xorb_hash)
        .join(blobs, blobs.c.xet_hash == xet_file_xorbs.c.file_hash)
        .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
        .where(repo_blobs.c.repo_id == repo_id)
    )
    return tx.scalar(sa.select(sa.func.sum(xorbs.c.stored_bytes)).where(xorbs.c.hash.in_(used))) or 0


def save_dedup_chunks(tx: Transaction, chunks: Iterable[tuple[bytes, bytes]]) -> None:
    """Remember which xorbs hold the chunks that clients ask about, given as (chunk hash, xorb hash)."""
    chunk, xorb = dedup_chunks.c.chunk_hash, dedup_chunks.c.xorb_hash
    for batch in batches(chunks):
        names, places = {pair[0] for pair in batch}, {pair[1] for pair in batch}
        known = {
            (row[0], row[1]) for row in tx.execute(sa.select(chunk, xorb).where(chunk.in_(names), xorb.in_(places)))
        }
        rows = [{"chunk_hash": pair[0], "xorb_hash": pair[1]} for pair in batch if pair not in known]
        if rows:
            tx.execute(dedup_chunks.insert(), rows)


def with_chunk(tx: Transaction, chunk_hash: bytes, limit: int = 64) -> Sequence[bytes]:
    """Xorbs that hold a chunk which clients ask about, newest first."""
    query = (
        sa.select(dedup_chunks.c.xorb_hash)
        .join(xorbs, xorbs.c.hash == dedup_chunks.c.xorb_hash)
        .where(dedup_chunks.c.chunk_hash == chunk_hash)
        .order_by(xorbs.c.created_at.desc(), xorbs.c.hash)
        .limit(limit)
    )
    return list(tx.scalars(query))


def newest_file_with(tx: Transaction, xorb_hash: bytes) -> XetFileRow | None:
    """The file made of this xorb that was recorded last."""
    query = (
        sa.select(xet_files)
        .join(xet_file_xorbs, xet_file_xorbs.c.file_hash == xet_files.c.hash)
        .where(xet_file_xorbs.c.xorb_hash == xorb_hash)
        .order_by(xet_files.c.created_at.desc(), xet_files.c.hash)
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return XetFileRow(row.hash, row.size, row.segments) if row else None


def every(tx: Transaction, after: bytes = b"", limit: int = 1000) -> list[XorbRow]:
    """Xorbs in order of hash, beginning after one."""
    query = sa.select(xorbs).where(xorbs.c.hash > after).order_by(xorbs.c.hash).limit(limit)
    return [_xorb(row) for row in tx.execute(query)]


def _xorb(row: sa.Row[Any]) -> XorbRow:
    return XorbRow(row.hash, row.stored_bytes, row.raw_bytes, row.chunk_index, row.created_at, row.used_at, row.damage)
