"""Which xorbs are stored, the files made of them, and the chunks that clients deduplicate against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.access import ReadScope
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.links import BATCH, link_rows
from openshelf.storage.catalogue.repos import readable
from openshelf.storage.catalogue.schema import (
    dedup_chunks,
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
    if tx.scalar(sa.select(xet_files.c.size).where(xet_files.c.hash == file.hash)) is not None:
        return False
    tx.execute(xet_files.insert().values(hash=file.hash, size=file.size, segments=file.segments, created_at=at))
    rows = [{"file_hash": file.hash, "xorb_hash": xorb_hash} for xorb_hash in sorted(set(xorb_hashes))]
    if rows:
        tx.execute(xet_file_xorbs.insert(), rows)
    return True


def get(tx: Transaction, xorb_hash: bytes) -> XorbRow | None:
    row = tx.execute(sa.select(xorbs).where(xorbs.c.hash == xorb_hash)).one_or_none()
    return _xorb(row) if row else None


def get_many(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, XorbRow]:
    wanted = sorted(set(hashes))
    found: dict[bytes, XorbRow] = {}
    for start in range(0, len(wanted), BATCH):
        query = sa.select(xorbs).where(xorbs.c.hash.in_(wanted[start : start + BATCH]))
        found.update((row.hash, _xorb(row)) for row in tx.execute(query))
    return found


def save(tx: Transaction, row: XorbRow) -> bool:
    """Record a stored xorb; False where it was known."""
    if get(tx, row.hash):
        return False
    tx.execute(
        xorbs.insert().values(
            hash=row.hash,
            stored_bytes=row.stored_bytes,
            raw_bytes=row.raw_bytes,
            chunk_index=row.chunk_index,
            created_at=row.created_at,
            used_at=row.used_at,
        )
    )
    return True


def touch(tx: Transaction, hashes: Iterable[bytes], at: datetime) -> None:
    """Note that clients were told of these xorbs, so that garbage collection leaves them be."""
    tx.execute(xorbs.update().where(xorbs.c.hash.in_(sorted(set(hashes)))).values(used_at=at))


def link(tx: Transaction, repo_id: str, hashes: Iterable[bytes], at: datetime) -> None:
    link_rows(tx, repo_xorbs, "hash", repo_id, hashes, at)


def visible(tx: Transaction, scope: ReadScope | None, repo_id: str, hashes: Iterable[bytes]) -> dict[bytes, XorbRow]:
    """Those xorbs that this repo, or (with a scope) any other that the actor may read, may use."""
    wanted = sorted(set(hashes))
    allowed = repo_xorbs.c.repo_id == repo_id
    if scope is not None:
        allowed = sa.or_(allowed, readable(scope))
    found: dict[bytes, XorbRow] = {}
    for start in range(0, len(wanted), BATCH):
        query = (
            sa.select(xorbs)
            .join(repo_xorbs, repo_xorbs.c.hash == xorbs.c.hash)
            .join(repos, repos.c.id == repo_xorbs.c.repo_id)
            .where(xorbs.c.hash.in_(wanted[start : start + BATCH]), allowed)
            .distinct()
        )
        found.update((row.hash, _xorb(row)) for row in tx.execute(query))
    return found


def save_dedup_chunks(tx: Transaction, xorb_hash: bytes, chunk_hashes: Iterable[bytes]) -> None:
    """Remember which xorb holds the chunks that clients ask about."""
    known = set(tx.scalars(sa.select(dedup_chunks.c.chunk_hash).where(dedup_chunks.c.xorb_hash == xorb_hash)))
    rows = [{"chunk_hash": chunk, "xorb_hash": xorb_hash} for chunk in sorted(set(chunk_hashes) - known)]
    if rows:
        tx.execute(dedup_chunks.insert(), rows)


def with_chunk(tx: Transaction, chunk_hash: bytes) -> Sequence[bytes]:
    return list(tx.scalars(sa.select(dedup_chunks.c.xorb_hash).where(dedup_chunks.c.chunk_hash == chunk_hash)))


def every(tx: Transaction, after: bytes = b"", limit: int = 1000) -> list[XorbRow]:
    """Xorbs in order of hash, beginning after one."""
    query = sa.select(xorbs).where(xorbs.c.hash > after).order_by(xorbs.c.hash).limit(limit)
    return [_xorb(row) for row in tx.execute(query)]


def _xorb(row: sa.Row[Any]) -> XorbRow:
    return XorbRow(row.hash, row.stored_bytes, row.raw_bytes, row.chunk_index, row.created_at, row.used_at)
