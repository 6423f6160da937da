"""What the database says of itself."""

from __future__ import annotations

import sqlalchemy as sa

from openshelf.storage.catalogue.engine import Transaction


def faults(tx: Transaction) -> list[str]:
    """Damage that the database finds in itself: broken pages and rows that refer to missing ones. SQLite only."""
    if tx.dialect.name != "sqlite":
        return []
    found = [row[0] for row in tx.execute(sa.text("PRAGMA integrity_check(10)")) if row[0] != "ok"]
    broken = tx.execute(sa.text("PRAGMA foreign_key_check")).fetchmany(10)
    return found + [f"row {row[1]} of table {row[0]} refers to a missing row of {row[2]}" for row in broken]
