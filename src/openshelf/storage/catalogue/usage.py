"""How much a hub holds: sums over the whole catalogue, for its administrators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from openshelf.domain.names import RepoKind
from openshelf.domain.people import AccountKind
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import accounts, blobs, repo_blobs, repos, xorbs


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of things, and bytes outside git.

    ``named_bytes``: every file of every repo for itself. ``distinct_bytes``: each blob once. ``whole_bytes`` and
    ``xorb_bytes``: what lies on disk, as whole files and as xorbs of chunks.
    """

    users: int
    organisations: int
    repos: Mapping[RepoKind, int]
    blobs: int
    named_bytes: int
    distinct_bytes: int
    whole_bytes: int
    xorb_bytes: int


@dataclass(frozen=True, slots=True)
class OwnerTotals:
    """What belongs to one account. ``named_bytes`` counts a blob once for every repo that has it."""

    name: str
    kind: AccountKind
    repos: int
    named_bytes: int
    quota_bytes: int | None


def totals(tx: Transaction) -> Totals:
    people = _by_kind(tx, accounts)
    kinds = _by_kind(tx, repos)
    named = sa.select(sa.func.sum(blobs.c.size)).join(repo_blobs, repo_blobs.c.sha256 == blobs.c.sha256)
    whole = sa.func.sum(sa.case((blobs.c.is_whole, blobs.c.size), else_=0))
    count, distinct, kept_whole = tx.execute(sa.select(sa.func.count(), sa.func.sum(blobs.c.size), whole)).one()
    return Totals(
        users=people.get(AccountKind.USER.value, 0),
        organisations=people.get(AccountKind.ORGANISATION.value, 0),
        repos={kind: kinds.get(kind.value, 0) for kind in RepoKind},
        blobs=count,
        named_bytes=tx.scalar(named) or 0,
        distinct_bytes=distinct or 0,
        whole_bytes=kept_whole or 0,
        xorb_bytes=tx.scalar(sa.select(sa.func.sum(xorbs.c.stored_bytes))) or 0,
    )


def stored_bytes(tx: Transaction) -> tuple[int, int]:
    """What lies on disk outside git: bytes of whole blobs, and of xorbs."""
    whole = tx.scalar(sa.select(sa.func.sum(blobs.c.size)).where(blobs.c.is_whole))
    return whole or 0, tx.scalar(sa.select(sa.func.sum(xorbs.c.stored_bytes))) or 0


def owners(
    tx: Transaction, kind: AccountKind | None = None, search: str = "", limit: int = 50, offset: int = 0
) -> list[OwnerTotals]:
    """Accounts, those that store most first."""
    total = sa.func.coalesce(sa.func.sum(repos.c.stored_bytes), 0)
    query = (
        sa.select(accounts.c.name, accounts.c.kind, sa.func.count(repos.c.seq), total, accounts.c.quota_bytes)
        .outerjoin(repos, repos.c.owner_id == accounts.c.id)
        .group_by(accounts.c.id)
        .order_by(total.desc(), accounts.c.name_key)
        .limit(limit)
        .offset(offset)
    )
    if kind:
        query = query.where(accounts.c.kind == kind.value)
    if search:
        query = query.where(accounts.c.name_key.contains(search.lower(), autoescape=True))
    return [
        OwnerTotals(name, AccountKind(of), count, size, quota) for name, of, count, size, quota in tx.execute(query)
    ]


def distinct_bytes(tx: Transaction, names: Iterable[str]) -> dict[str, int]:
    """Account name to bytes of the distinct blobs that its repos may use, for those that have any."""
    mine = (
        sa.select(accounts.c.name.label("owner"), repo_blobs.c.sha256)
        .join(repos, repos.c.owner_id == accounts.c.id)
        .join(repo_blobs, repo_blobs.c.repo_id == repos.c.id)
        .where(accounts.c.name.in_(list(names)))
        .distinct()
        .subquery()
    )
    query = sa.select(mine.c.owner, sa.func.sum(blobs.c.size)).join(blobs, blobs.c.sha256 == mine.c.sha256)
    return {owner: int(size) for owner, size in tx.execute(query.group_by(mine.c.owner))}


def _by_kind(tx: Transaction, table: sa.Table) -> dict[str, int]:
    query = sa.select(table.c.kind, sa.func.count()).select_from(table).group_by(table.c.kind)
    return {str(kind): int(number) for kind, number in tx.execute(query)}
