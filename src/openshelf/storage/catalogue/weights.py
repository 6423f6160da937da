"""What the headers of stored weights say: numbers of elements by dtype, read once a blob."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.links import batches
from openshelf.storage.catalogue.schema import weight_headers


def counted(tx: Transaction, digests: Iterable[str]) -> dict[str, Mapping[str, int]]:
    """sha256 to numbers of elements by dtype, for the blobs whose header was read; empty where it could not be."""
    found = {}
    for batch in batches(digests):
        for row in tx.execute(sa.select(weight_headers).where(weight_headers.c.sha256.in_(batch))):
            found[row.sha256] = row.parameters
    return found


def save(tx: Transaction, sha256: str, parameters: Mapping[str, int]) -> None:
    tx.execute(weight_headers.delete().where(weight_headers.c.sha256 == sha256))
    tx.execute(weight_headers.insert().values(sha256=sha256, parameters=dict(parameters)))
