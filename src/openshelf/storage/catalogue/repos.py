"""Repos, their redirects and tags, and which of them an actor may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from openshelf.domain.access import ReadScope
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.storage.catalogue import facets
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.schema import accounts, downloads, redirects, repos

SELECT = sa.select(repos, accounts.c.name.label("owner")).join(accounts, accounts.c.id == repos.c.owner_id)

# Asked with every request: made once, for building a statement costs more than running it. Facts can be long, and most
# requests do without them.
_NAMED = sa.and_(
    repos.c.kind == sa.bindparam("kind"),
    repos.c.name_key == sa.bindparam("name"),
    accounts.c.name_key == sa.bindparam("owner"),
)
_BY_NAME = Prepared(SELECT.where(_NAMED))
_BY_NAME_ALONE = Prepared(
    SELECT.with_only_columns(
        *(column for column in repos.c if column.name not in ("facts", "tags", "facets")),
        accounts.c.name.label("owner"),
    ).where(_NAMED)
)
_BY_ID = Prepared(SELECT.where(repos.c.id == sa.bindparam("id")))


def readable(scope: ReadScope) -> sa.ColumnElement[bool]:
    """``access_to(actor, repo) >= READ`` as SQL over the table ``repos``."""
    if scope.everything:
        return sa.true()
    ways: list[sa.ColumnElement[bool]] = [repos.c.visibility == Visibility.PUBLIC.value]
    if scope.owners:
        ways.append(repos.c.owner_id.in_(sorted(scope.owners)))
    if scope.repos:
        granted: sa.ColumnElement[bool] = repos.c.id.in_(sorted(scope.repos))
        if scope.repo_owners is not None:
            granted = sa.and_(granted, repos.c.owner_id.in_(sorted(scope.repo_owners)))
        ways.append(granted)
    return sa.or_(*ways)


def insert(
    tx: Transaction,
    *,
    repo_id: str,
    kind: RepoKind,
    owner_id: str,
    name: str,
    visibility: Visibility,
    at: datetime,
) -> None:
    with facets.settling(tx, repo_id):
        tx.execute(
            repos.insert().values(
                id=repo_id,
                kind=kind.value,
                owner_id=owner_id,
                name=name,
                name_key=name.lower(),
                visibility=visibility.value,
                created_at=at,
                updated_at=at,
                facts={},
                tags=[],
                facets={},
            )
        )


def by_name(tx: Transaction, kind: RepoKind, repo_id: RepoId, *, with_facts: bool = True) -> Repo | None:
    """The repo that has this name now, without regard to case; ``facts`` and ``tags`` stay empty where not wanted."""
    keys = {"kind": kind.value, "name": repo_id.name.lower(), "owner": repo_id.owner.lower()}
    row = (_BY_NAME if with_facts else _BY_NAME_ALONE).one_or_none(tx, **keys)
    return from_row(row, with_facts=with_facts) if row else None


def by_former_name(tx: Transaction, kind: RepoKind, repo_id: RepoId) -> Repo | None:
    """The repo that had this name before it was renamed."""
    target = sa.select(redirects.c.repo_id).where(redirects.c.kind == kind.value, redirects.c.full_key == repo_id.key)
    return _one(tx, repos.c.id == target.scalar_subquery())


def by_id(tx: Transaction, repo_id: str) -> Repo | None:
    row = _BY_ID.one_or_none(tx, id=repo_id)
    return from_row(row) if row else None


def exists(tx: Transaction, seq: int) -> bool:
    return tx.scalar(sa.select(repos.c.seq).where(repos.c.seq == seq)) is not None


def update(tx: Transaction, repo_id: str, **values: Any) -> None:
    """Set columns of one repo by name."""
    with facets.settling(tx, repo_id) if values.keys() & _SETTLED else nullcontext():
        tx.execute(repos.update().where(repos.c.id == repo_id).values(**values))


# Columns that say which sets a repo is in.
_SETTLED = frozenset(("visibility", "owner_id", "tags", "facets"))


def move(tx: Transaction, repo: Repo, owner_id: str, name: str) -> None:
    """Give ``repo`` another name and leave a redirect; a redirect in the way is taken over."""
    update(tx, repo.id, owner_id=owner_id, name=name, name_key=name.lower())
    drop_redirect(tx, repo.kind, repo.repo_id)
    tx.execute(redirects.insert().values(kind=repo.kind.value, full_key=repo.repo_id.key, repo_id=repo.id))


def drop_redirect(tx: Transaction, kind: RepoKind, repo_id: RepoId) -> None:
    tx.execute(redirects.delete().where(redirects.c.kind == kind.value, redirects.c.full_key == repo_id.key))


def delete(tx: Transaction, repo_id: str) -> None:
    with facets.settling(tx, repo_id):
        tx.execute(repos.delete().where(repos.c.id == repo_id))


def set_facts(
    tx: Transaction,
    repo: Repo,
    facts: Mapping[str, Any],
    tags: Iterable[str],
    answers: Mapping[str, Sequence[str]] | None = None,
    **columns: Any,
) -> None:
    """Replace what is known of the default branch; ``tags`` and ``answers`` to facets are what lists filter by."""
    known = {facet: list(values) for facet, values in (answers or {}).items()}
    update(tx, repo.id, facts=dict(facts), tags=list(dict.fromkeys(tags)), facets=known, **columns)


def described_before(tx: Transaction, version: int, limit: int) -> list[str]:
    """Ids of repos that an earlier release described."""
    query = sa.select(repos.c.id).where(repos.c.described < version).order_by(repos.c.described, repos.c.seq)
    return list(tx.scalars(query.limit(limit)))


def all_ids(tx: Transaction) -> list[str]:
    return list(tx.scalars(sa.select(repos.c.id).order_by(repos.c.seq)))


def add_downloads(tx: Transaction, counts: Mapping[str, int], day: date) -> None:
    """Add to the day's counts, and refresh the 30-day figure that lists sort by."""
    for repo_id, number in counts.items():
        here = sa.and_(downloads.c.repo_id == repo_id, downloads.c.day == day)
        if not tx.execute(downloads.update().where(here).values(count=downloads.c.count + number)).rowcount:
            exists = tx.scalar(sa.select(repos.c.seq).where(repos.c.id == repo_id))
            if exists is None:
                continue
            tx.execute(downloads.insert().values(repo_id=repo_id, day=day, count=number))
        tx.execute(repos.update().where(repos.c.id == repo_id).values(downloads=downloads_since(tx, repo_id, day)))


def downloads_since(tx: Transaction, repo_id: str, day: date, days: int | None = 30) -> int:
    """Downloads in the ``days`` up to ``day``; all of them where ``days`` is None."""
    query = sa.select(sa.func.sum(downloads.c.count)).where(downloads.c.repo_id == repo_id)
    if days is not None:
        query = query.where(downloads.c.day > day - timedelta(days=days))
    return tx.scalar(query) or 0


def downloads_by_day(tx: Transaction, repo_id: str, since: date) -> dict[date, int]:
    """Downloads of each day from ``since`` on that had any."""
    query = sa.select(downloads.c.day, downloads.c.count).where(
        downloads.c.repo_id == repo_id, downloads.c.day >= since
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def _one(tx: Transaction, condition: sa.ColumnElement[bool]) -> Repo | None:
    row = tx.execute(SELECT.where(condition)).one_or_none()
    return from_row(row) if row else None


def from_row(row: Any, *, with_facts: bool = True) -> Repo:
    """The repo in a row of ``SELECT``; ``with_facts`` False where its facts and tags were not asked for."""
    return Repo(
        id=row.id,
        seq=row.seq,
        kind=RepoKind(row.kind),
        owner_id=row.owner_id,
        owner=row.owner,
        name=row.name,
        visibility=Visibility(row.visibility),
        created_at=row.created_at,
        updated_at=row.updated_at,
        head=row.head,
        downloads=row.downloads,
        likes=row.likes,
        stored_bytes=row.stored_bytes,
        facts=row.facts if with_facts else {},
        tags=tuple(row.tags) if with_facts else (),
        size_bytes=row.size_bytes,
        parameters=row.parameters,
    )
