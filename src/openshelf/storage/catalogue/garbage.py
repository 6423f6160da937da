"""What nothing refers to any more, found and removed row by row. The bytes are the caller's business.

Each removal re-checks, in the writer's turn, that nothing has come to refer to the row meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import blobs, repo_blobs, xet_file_xorbs, xet_files, xorbs


def unlink_stale(tx: Transaction, repo_id: str, reachable: Iterable[str], before: datetime) -> int:
    """Drop the repo's links, last renewed ``before``, to blobs that are not ``reachable``; returns how many."""
    keep = set(reachable)
    old = sa.select(repo_blobs.c.sha256).where(repo_blobs.c.repo_id == repo_id, repo_blobs.c.linked_at < before)
    stale = [sha256 for sha256 in tx.scalars(old) if sha256 not in keep]
    for sha256 in stale:
        tx.execute(repo_blobs.delete().where(repo_blobs.c.repo_id == repo_id, repo_blobs.c.sha256 == sha256))
    return len(stale)


def remove_blobs(tx: Transaction, before: datetime, limit: int = 1000) -> list[BlobRow]:
    """Remove blobs that no repo is linked to and that were last sent or held ``before``; returns them."""
    unlinked = ~sa.exists().where(repo_blobs.c.sha256 == blobs.c.sha256)
    rows = tx.execute(sa.select(blobs).where(unlinked, blobs.c.used_at < before).limit(limit)).all()
    tx.execute(blobs.delete().where(blobs.c.sha256.in_([row.sha256 for row in rows])))
    return [BlobRow(row.sha256, row.size, row.is_whole, row.xet_hash, row.created_at) for row in rows]


def remove_xet_files(tx: Transaction, before: datetime) -> int:
    """Remove files made of chunks that are no blob's form and were made ``before``; returns how many."""
    unused = ~sa.exists().where(blobs.c.xet_hash == xet_files.c.hash)
    return tx.execute(xet_files.delete().where(unused, xet_files.c.created_at < before)).rowcount


def remove_xorbs(tx: Transaction, before: datetime, limit: int = 1000) -> list[tuple[bytes, int]]:
    """Remove xorbs that no file is made of, made and last told of ``before``; returns hashes and stored sizes."""
    unused = ~sa.exists().where(xet_file_xorbs.c.xorb_hash == xorbs.c.hash)
    old = sa.and_(xorbs.c.created_at < before, xorbs.c.used_at < before)
    rows = tx.execute(sa.select(xorbs.c.hash, xorbs.c.stored_bytes).where(unused, old).limit(limit)).all()
    tx.execute(xorbs.delete().where(xorbs.c.hash.in_([row.hash for row in rows])))
    return [(row.hash, row.stored_bytes) for row in rows]
