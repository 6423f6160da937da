"""How much of a blob was stored already when it came to a repo. What came before this was kept has no row.

Only what everybody knows counts: bytes in public repos, and those that the repo itself had. Anything else would tell
the readers of one repo what a private one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from openshelf.domain.access import ReadScope
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.links import batches
from openshelf.storage.catalogue.repos import readable
from openshelf.storage.catalogue.schema import (
    arrivals,
    blobs,
    repo_blobs,
    repo_xorbs,
    repos,
    xet_file_xorbs,
    xorbs,
)


def of_repo(tx: Transaction, repo_id: str, digests: Iterable[str]) -> dict[str, int]:
    """sha256 to the bytes that were stored already, for those blobs of the repo of which it is known."""
    found: dict[str, int] = {}
    for batch in batches(digests):
        here = sa.and_(arrivals.c.repo_id == repo_id, arrivals.c.sha256.in_(batch))
        found.update((row.sha256, row.known_bytes) for row in tx.execute(sa.select(arrivals).where(here)))
    return found


def record(tx: Transaction, repo_id: str, known: Mapping[str, int]) -> None:
    """Note for blobs that the repo may use how many bytes of each were stored already; what is noted stays."""
    there = of_repo(tx, repo_id, known)
    rows = [
        {"repo_id": repo_id, "sha256": sha256, "known_bytes": size}
        for sha256, size in known.items()
        if sha256 not in there
    ]
    if rows:
        tx.execute(arrivals.insert(), rows)


def totals(tx: Transaction, repo_id: str) -> tuple[int, int]:
    """Bytes of the repo's blobs of which it is known, and how many of them were stored already."""
    query = (
        sa.select(sa.func.sum(blobs.c.size), sa.func.sum(arrivals.c.known_bytes))
        .join(blobs, blobs.c.sha256 == arrivals.c.sha256)
        .where(arrivals.c.repo_id == repo_id)
    )
    size, known = tx.execute(query).one()
    return size or 0, known or 0


def public_elsewhere(tx: Transaction, repo_id: str, digests: Iterable[str]) -> set[str]:
    """Those blobs that a public repo other than this one may use."""
    found: set[str] = set()
    for batch in batches(digests):
        query = (
            sa.select(repo_blobs.c.sha256)
            .join(repos, repos.c.id == repo_blobs.c.repo_id)
            .where(repo_blobs.c.sha256.in_(batch), repos.c.id != repo_id, readable(ReadScope()))
        )
        found.update(tx.scalars(query))
    return found


def known_xorbs(tx: Transaction, repo_id: str, hashes: Iterable[bytes], *, public: bool) -> set[bytes]:
    """Those xorbs that files of the repo are made of or, where ``public``, that another, public repo may use."""
    used = sa.exists(
        sa.select(1)
        .select_from(xet_file_xorbs)
        .join(blobs, blobs.c.xet_hash == xet_file_xorbs.c.file_hash)
        .join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
        .where(xet_file_xorbs.c.xorb_hash == xorbs.c.hash, repo_blobs.c.repo_id == repo_id)
        .correlate(xorbs)
    )
    shared = sa.exists(
        sa.select(1)
        .select_from(repo_xorbs)
        .join(repos, repos.c.id == repo_xorbs.c.repo_id)
        .where(repo_xorbs.c.hash == xorbs.c.hash, repos.c.id != repo_id, readable(ReadScope()))
        .correlate(xorbs)
    )
    found: set[bytes] = set()
    for batch in batches(hashes):
        condition = sa.or_(used, shared) if public else used
        found.update(tx.scalars(sa.select(xorbs.c.hash).where(xorbs.c.hash.in_(batch), condition)))
    return found
