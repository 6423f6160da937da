"""Accounts and memberships."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from openshelf.domain.people import Account, AccountKind, Membership, Role
from openshelf.domain.repos import Visibility
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.schema import accounts, memberships


def insert(tx: Transaction, account: Account, password_hash: str | None = None) -> None:
    tx.execute(
        accounts.insert().values(
            id=account.id,
            kind=account.kind.value,
            name=account.name,
            name_key=account.name.lower(),
            full_name=account.full_name,
            email=account.email,
            password_hash=password_hash,
            is_admin=account.is_admin,
            is_disabled=account.is_disabled,
            quota_bytes=account.quota_bytes,
            default_visibility=account.default_visibility.value,
            created_at=account.created_at,
        )
    )


def by_name(tx: Transaction, name: str) -> Account | None:
    row = _BY_NAME.one_or_none(tx, key=name.lower())
    return _account(row) if row else None


def by_names(tx: Transaction, names: Iterable[str]) -> dict[str, Account]:
    """Those of ``names``, at most a few hundred, that somebody has, in lower case, with whom has them."""
    keys = sorted({name.lower() for name in names})
    query = sa.select(accounts).where(accounts.c.name_key.in_(keys))
    return {row.name_key: _account(row) for row in tx.execute(query)} if keys else {}


def by_id(tx: Transaction, account_id: str) -> Account | None:
    row = _BY_ID.one_or_none(tx, id=account_id)
    return _account(row) if row else None


def password_hash(tx: Transaction, account_id: str) -> str | None:
    return tx.scalar(sa.select(accounts.c.password_hash).where(accounts.c.id == account_id))


def update(tx: Transaction, account_id: str, **values: Any) -> None:
    """Set columns of one account by name."""
    tx.execute(accounts.update().where(accounts.c.id == account_id).values(**values))


def count_users(tx: Transaction) -> int:
    query = sa.select(sa.func.count()).where(accounts.c.kind == AccountKind.USER.value)
    return tx.scalar(query) or 0


def find(
    tx: Transaction, kind: AccountKind | None = None, search: str = "", limit: int = 100, offset: int = 0
) -> list[Account]:
    """Accounts in order of name."""
    query = sa.select(accounts).order_by(accounts.c.name_key).limit(limit).offset(offset)
    if kind:
        query = query.where(accounts.c.kind == kind.value)
    if search:
        query = query.where(accounts.c.name_key.contains(search.lower(), autoescape=True))
    return [_account(row) for row in tx.execute(query)]


def delete(tx: Transaction, account_id: str) -> None:
    tx.execute(accounts.delete().where(accounts.c.id == account_id))


def set_membership(tx: Transaction, organisation_id: str, user_id: str, role: Role) -> None:
    remove_membership(tx, organisation_id, user_id)
    tx.execute(memberships.insert().values(organisation_id=organisation_id, user_id=user_id, role=role.value))


def remove_membership(tx: Transaction, organisation_id: str, user_id: str) -> None:
    tx.execute(
        memberships.delete().where(memberships.c.organisation_id == organisation_id, memberships.c.user_id == user_id)
    )


def memberships_of(tx: Transaction, user_id: str) -> Sequence[Membership]:
    return _memberships(tx, _OF_USER, user_id)


def members_of(tx: Transaction, organisation_id: str) -> Sequence[Membership]:
    return _memberships(tx, _IN_ORGANISATION, organisation_id)


_organisation, _user = accounts.alias("organisation"), accounts.alias("member")
_MEMBERSHIPS = (
    sa.select(
        memberships.c.organisation_id,
        _organisation.c.name.label("organisation"),
        memberships.c.user_id,
        _user.c.name.label("user"),
        memberships.c.role,
    )
    .join(_organisation, _organisation.c.id == memberships.c.organisation_id)
    .join(_user, _user.c.id == memberships.c.user_id)
    .order_by(_organisation.c.name_key, _user.c.name_key)
)
# Asked with every request: made once, for building a statement costs more than running it.
_BY_ID = Prepared(sa.select(accounts).where(accounts.c.id == sa.bindparam("id")))
_BY_NAME = Prepared(sa.select(accounts).where(accounts.c.name_key == sa.bindparam("key")))
_OF_USER = Prepared(_MEMBERSHIPS.where(memberships.c.user_id == sa.bindparam("id")))
_IN_ORGANISATION = Prepared(_MEMBERSHIPS.where(memberships.c.organisation_id == sa.bindparam("id")))


def _memberships(tx: Transaction, query: Prepared, account_id: str) -> list[Membership]:
    return [
        Membership(row.organisation_id, row.organisation, row.user_id, row.user, Role(row.role))
        for row in query.all(tx, id=account_id)
    ]


def _account(row: Any) -> Account:
    return Account(
        id=row.id,
        kind=AccountKind(row.kind),
        name=row.name,
        full_name=row.full_name,
        created_at=row.created_at,
        email=row.email,
        is_admin=row.is_admin,
        is_disabled=row.is_disabled,
        quota_bytes=row.quota_bytes,
        default_visibility=Visibility(row.default_visibility),
        bio=row.bio,
        website=row.website,
    )
