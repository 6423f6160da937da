"""Links from repos to what they may use, written in batches that every database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from openshelf.storage.catalogue.engine import Transaction

BATCH = 500

_Key = TypeVar("_Key", str, bytes, tuple[bytes, bytes])


def batches(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    """Each key once, in order, so many at a time as one statement takes."""
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), BATCH):
        yield wanted[start : start + BATCH]


def link_rows(tx: Transaction, table: sa.Table, column: str, repo_id: str, keys: Iterable[Any], at: datetime) -> None:
    """Insert the links that are missing and renew the time of the others."""
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        here = sa.and_(table.c.repo_id == repo_id, table.c[column].in_(batch))
        there = set(tx.scalars(sa.select(table.c[column]).where(here)))
        if there:
            tx.execute(table.update().where(here).values(linked_at=at))
        missing = [{"repo_id": repo_id, column: key, "linked_at": at} for key in batch if key not in there]
        if missing:
            tx.execute(table.insert(), missing)
