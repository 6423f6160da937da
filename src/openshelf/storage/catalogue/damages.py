"""Which stored bytes are known to be damaged, and what that means for the blobs that are made of them.

A blob is damaged when no form of it can be read. While another form is whole, the damaged one is simply forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from openshelf.storage.catalogue import events
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import blobs, repos, xet_file_xorbs, xet_files, xorbs
from openshelf.xet.hashes import to_hex

CHECK_JOB = "check-bytes"


class Kind(StrEnum):
    """What is damaged. The subject is a sha256, the hash of a xorb as its file is named, or the id of a repo."""

    BLOB = "blob"
    XORB = "xorb"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Damage:
    """Damaged bytes: what they are, what is wrong with them, since when that is known."""

    kind: Kind
    subject: str
    message: str
    found_at: datetime


def record_blob(tx: Transaction, sha256: str, message: str, at: datetime) -> bool:
    """Note that a blob's whole form is damaged; False where that was known, or nobody has such a blob."""
    mine = sa.and_(blobs.c.sha256 == sha256, blobs.c.is_whole, blobs.c.damaged_at.is_(None))
    row = tx.execute(sa.select(blobs.c.xet_hash).where(mine)).one_or_none()
    if row is None:
        return False
    if row.xet_hash is not None and not _has_damaged_xorb(tx, row.xet_hash):
        changes: dict[str, object] = {"is_whole": False}
    else:
        changes = {"damage": message, "damaged_at": at}
    tx.execute(blobs.update().where(mine).values(**changes))
    _ask_for_check(tx, Kind.BLOB, sha256, at)
    return True


def record_xorb(tx: Transaction, xorb_hash: bytes, message: str, at: datetime) -> bool:
    """Note that a xorb is damaged, and with it the blobs made of it; False where that was known, or it is gone.

    Whether all of these blobs are concerned is found out by the check that is asked for. Clients are made to forget
    what they have sent: they would refer to the xorb for weeks.
    """
    unknown = sa.and_(xorbs.c.hash == xorb_hash, xorbs.c.damaged_at.is_(None))
    if not tx.execute(xorbs.update().where(unknown).values(damage=message, damaged_at=at)).rowcount:
        return False
    made_of = blobs.c.xet_hash.in_(_files_of(xorb_hash))
    whole = sa.and_(made_of, blobs.c.is_whole, blobs.c.damaged_at.is_(None))
    for sha256 in tx.scalars(sa.select(blobs.c.sha256).where(whole)).all():
        events.enqueue(tx, "chunk-blob", sha256, {"sha256": sha256}, at)
    tx.execute(blobs.update().where(whole).values(xet_hash=None))
    sound = blobs.c.damaged_at.is_(None)
    tx.execute(
        blobs.update().where(made_of, sound).values(damage=f"xorb {to_hex(xorb_hash)}: {message}", damaged_at=at)
    )
    events.set_meta(tx, events.GENERATION_KEY, str(int(events.get_meta(tx, events.GENERATION_KEY) or 1) + 1))
    _ask_for_check(tx, Kind.XORB, to_hex(xorb_hash), at)
    return True


def record_repository(tx: Transaction, repo_id: str, message: str, at: datetime) -> None:
    sound = sa.and_(repos.c.id == repo_id, repos.c.damaged_at.is_(None))
    tx.execute(repos.update().where(sound).values(damage=message, damaged_at=at))


def record_chunked(tx: Transaction, sha256: str, message: str, at: datetime) -> None:
    """Note that a blob cannot be put together from the chunks that it is recorded to have."""
    sound = sa.and_(blobs.c.sha256 == sha256, ~blobs.c.is_whole, blobs.c.damaged_at.is_(None))
    tx.execute(blobs.update().where(sound).values(damage=message, damaged_at=at))


def of_repository(tx: Transaction, repo_id: str) -> str | None:
    """What is wrong with a repository."""
    found: str | None = tx.scalar(sa.select(repos.c.damage).where(repos.c.id == repo_id))
    return found


def clear_blob(tx: Transaction, sha256: str, *, but_for: bytes | None = None) -> bool:
    """Note that a blob can be read; False where nothing else was known.

    With ``but_for`` it is made of that damaged xorb without needing what is damaged there; others may still concern it.
    """
    if but_for is not None:
        xet_hash = tx.scalar(sa.select(blobs.c.xet_hash).where(blobs.c.sha256 == sha256))
        if xet_hash is None or _has_damaged_xorb(tx, xet_hash, but_for):
            return False
    damaged = sa.and_(blobs.c.sha256 == sha256, blobs.c.damaged_at.is_not(None))
    return tx.execute(blobs.update().where(damaged).values(damage=None, damaged_at=None)).rowcount > 0


def clear_xorb(tx: Transaction, xorb_hash: bytes) -> bool:
    """Note that a xorb is whole, and with it the blobs that no other damaged xorb is part of."""
    damaged = sa.and_(xorbs.c.hash == xorb_hash, xorbs.c.damaged_at.is_not(None))
    if not tx.execute(xorbs.update().where(damaged).values(damage=None, damaged_at=None)).rowcount:
        return False
    others = sa.select(xet_file_xorbs.c.file_hash).join(xorbs, xorbs.c.hash == xet_file_xorbs.c.xorb_hash)
    mine = sa.and_(
        blobs.c.xet_hash.in_(_files_of(xorb_hash)),
        blobs.c.xet_hash.not_in(others.where(xorbs.c.damaged_at.is_not(None))),
    )
    tx.execute(blobs.update().where(mine).values(damage=None, damaged_at=None))
    return True


def clear_repository(tx: Transaction, repo_id: str) -> None:
    tx.execute(repos.update().where(repos.c.id == repo_id).values(damage=None, damaged_at=None))


def blobs_of(tx: Transaction, xorb_hash: bytes) -> list[tuple[str, bytes]]:
    """Blobs that are kept as chunks, some of them in this xorb: sha256 and packed segments."""
    query = sa.select(blobs.c.sha256, xet_files.c.segments).join(xet_files, xet_files.c.hash == blobs.c.xet_hash)
    return [(row.sha256, row.segments) for row in tx.execute(query.where(xet_files.c.hash.in_(_files_of(xorb_hash))))]


def count(tx: Transaction) -> dict[Kind, int]:
    """How many of each kind are damaged."""
    tables = {Kind.BLOB: blobs, Kind.XORB: xorbs, Kind.REPOSITORY: repos}
    return {
        kind: tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.damaged_at.is_not(None))) or 0
        for kind, table in tables.items()
    }


def known(tx: Transaction, limit: int = 100) -> list[Damage]:
    """What is damaged, the newest first of each kind."""
    found = []
    for kind, table, name in (
        (Kind.BLOB, blobs, blobs.c.sha256),
        (Kind.XORB, xorbs, xorbs.c.hash),
        (Kind.REPOSITORY, repos, repos.c.id),
    ):
        query = sa.select(name.label("name"), table.c.damage, table.c.damaged_at)
        query = query.where(table.c.damaged_at.is_not(None)).order_by(table.c.damaged_at.desc()).limit(limit)
        for row in tx.execute(query):
            subject = to_hex(row.name) if isinstance(row.name, bytes) else row.name
            found.append(Damage(kind, subject, row.damage or "", row.damaged_at))
    return found


def bytes_to_read(tx: Transaction) -> int:
    """Bytes on disk of all whole blobs and xorbs."""
    whole = tx.scalar(sa.select(sa.func.sum(blobs.c.size)).where(blobs.c.is_whole)) or 0
    return int(whole + (tx.scalar(sa.select(sa.func.sum(xorbs.c.stored_bytes))) or 0))


def _files_of(xorb_hash: bytes) -> sa.Select[tuple[bytes]]:
    return sa.select(xet_file_xorbs.c.file_hash).where(xet_file_xorbs.c.xorb_hash == xorb_hash)


def _has_damaged_xorb(tx: Transaction, xet_hash: bytes, but_for: bytes = b"") -> bool:
    query = (
        sa.select(sa.func.count()).select_from(xet_file_xorbs).join(xorbs, xorbs.c.hash == xet_file_xorbs.c.xorb_hash)
    )
    damaged = sa.and_(xorbs.c.damaged_at.is_not(None), xorbs.c.hash != but_for)
    return bool(tx.scalar(query.where(xet_file_xorbs.c.file_hash == xet_hash, damaged)))


def _ask_for_check(tx: Transaction, kind: Kind, subject: str, at: datetime) -> None:
    events.enqueue(tx, CHECK_JOB, f"{kind.value}-{subject}", {"kind": kind.value, "subject": subject}, at)
