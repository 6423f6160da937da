"""What the catalogue knows of refs, and the pulls that stand behind ``refs/pr/N``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.pulls import Pull, PullStatus
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.schema import accounts, pulls, refs


def recorded(tx: Transaction, repo_id: str) -> dict[str, str]:
    """Ref name to commit id, as of the last transaction that told of them."""
    query = sa.select(refs.c.name, refs.c.commit_id).where(refs.c.repo_id == repo_id)
    return {row.name: row.commit_id for row in tx.execute(query)}


def record(tx: Transaction, repo_id: str, name: str, commit: str | None, at: datetime) -> None:
    """Note that ref ``name`` now stands at ``commit``; None: that it is gone."""
    here = sa.and_(refs.c.repo_id == repo_id, refs.c.name == name)
    if commit is None:
        tx.execute(refs.delete().where(here))
    elif not tx.execute(refs.update().where(here).values(commit_id=commit, updated_at=at)).rowcount:
        tx.execute(refs.insert().values(repo_id=repo_id, name=name, commit_id=commit, updated_at=at))


def next_pull_number(tx: Transaction, repo_id: str) -> int:
    return (tx.scalar(sa.select(sa.func.max(pulls.c.number)).where(pulls.c.repo_id == repo_id)) or 0) + 1


def insert_pull(tx: Transaction, pull: Pull) -> None:
    tx.execute(
        pulls.insert().values(
            repo_id=pull.repo_id,
            number=pull.number,
            title=pull.title,
            description=pull.description,
            author_id=pull.author_id,
            status=pull.status.value,
            base=pull.base,
            created_at=pull.created_at,
        )
    )


def pull(tx: Transaction, repo_id: str, number: int) -> Pull | None:
    row = tx.execute(_PULLS.where(pulls.c.repo_id == repo_id, pulls.c.number == number)).one_or_none()
    return _pull(row) if row else None


def pulls_of(
    tx: Transaction,
    repo_id: str,
    *,
    open_only: bool | None = None,
    author: str = "",
    limit: int,
    offset: int = 0,
) -> list[Pull]:
    """Pulls of a repo, newest first; ``open_only`` False gives the closed and merged ones."""
    query = _PULLS.where(_wanted(repo_id, open_only, author)).order_by(pulls.c.number.desc())
    return [_pull(row) for row in tx.execute(query.limit(limit).offset(offset))]


def count_pulls(tx: Transaction, repo_id: str, *, open_only: bool | None = None, author: str = "") -> int:
    query = sa.select(sa.func.count()).select_from(pulls.join(accounts, accounts.c.id == pulls.c.author_id))
    return tx.scalar(query.where(_wanted(repo_id, open_only, author))) or 0


def update_pull(tx: Transaction, repo_id: str, number: int, **values: Any) -> None:
    tx.execute(pulls.update().where(pulls.c.repo_id == repo_id, pulls.c.number == number).values(**values))


_PULLS = sa.select(pulls, accounts.c.name.label("author")).join(accounts, accounts.c.id == pulls.c.author_id)


def _wanted(repo_id: str, open_only: bool | None, author: str) -> sa.ColumnElement[bool]:
    conditions = [pulls.c.repo_id == repo_id]
    if open_only is not None:
        is_open = pulls.c.status.in_((PullStatus.OPEN.value, PullStatus.DRAFT.value))
        conditions.append(is_open if open_only else sa.not_(is_open))
    if author:
        conditions.append(accounts.c.name_key == author.lower())
    return sa.and_(*conditions)


def _pull(row: sa.Row[Any]) -> Pull:
    return Pull(
        repo_id=row.repo_id,
        number=row.number,
        title=row.title,
        description=row.description,
        author_id=row.author_id,
        author=row.author,
        status=PullStatus(row.status),
        base=row.base,
        created_at=row.created_at,
    )
