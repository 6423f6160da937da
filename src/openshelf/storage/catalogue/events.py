"""Events, the outbox that feeds jobs, and the hub's own small facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.events import Event, EventKind
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import events, meta, outbox

GENERATION_KEY = "xet-generation"
"""Names the number in the addresses of the Xet store; clients that see a new one forget what they have sent."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Work that a committed transaction asks for. Rows with one ``key`` ask for the same work."""

    seq: int
    job: str
    key: str
    payload: Mapping[str, Any]
    created_at: datetime


def append(tx: Transaction, event: Event) -> None:
    tx.execute(
        events.insert().values(
            at=event.at,
            kind=event.kind.value,
            actor_id=event.actor_id,
            repo_id=event.repo_id,
            data=dict(event.data),
        )
    )


def recent(tx: Transaction, repo_id: str | None = None, limit: int = 100) -> list[Event]:
    """Events, newest first."""
    query = sa.select(events).order_by(events.c.seq.desc()).limit(limit)
    if repo_id:
        query = query.where(events.c.repo_id == repo_id)
    return [Event(EventKind(row.kind), row.at, row.actor_id, row.repo_id, row.data) for row in tx.execute(query)]


def former_commits(tx: Transaction, repo_id: str, since: datetime) -> set[str]:
    """Where refs of the repo stood before they were moved or deleted ``since`` then."""
    here = sa.and_(events.c.repo_id == repo_id, events.c.kind == EventKind.REF_UPDATED.value, events.c.at >= since)
    return {data["old"] for data in tx.scalars(sa.select(events.c.data).where(here)) if data.get("old")}


def enqueue(tx: Transaction, job: str, key: str, payload: Mapping[str, Any], at: datetime) -> None:
    """Ask for a job in the transaction that makes it necessary."""
    tx.execute(outbox.insert().values(job=job, key=key, payload=dict(payload), created_at=at))


def waiting(tx: Transaction, limit: int = 100) -> list[OutboxRow]:
    """The oldest rows of the outbox."""
    query = sa.select(outbox).order_by(outbox.c.seq).limit(limit)
    return [OutboxRow(row.seq, row.job, row.key, row.payload, row.created_at) for row in tx.execute(query)]


def count_waiting(tx: Transaction) -> int:
    return tx.scalar(sa.select(sa.func.count()).select_from(outbox)) or 0


def remove(tx: Transaction, seq: int) -> None:
    tx.execute(outbox.delete().where(outbox.c.seq == seq))


def get_meta(tx: Transaction, key: str) -> str | None:
    return tx.scalar(sa.select(meta.c.value).where(meta.c.key == key))


def set_meta(tx: Transaction, key: str, value: str) -> None:
    if not tx.execute(meta.update().where(meta.c.key == key).values(value=value)).rowcount:
        tx.execute(meta.insert().values(key=key, value=value))
