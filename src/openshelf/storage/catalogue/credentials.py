"""Tokens, sessions and invitations. Only hashes of their secrets are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from openshelf.domain.people import Grant, Invite, Role, Session, Token, TokenRole
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.schema import invites, sessions, tokens


def insert_token(tx: Transaction, token: Token, secret_hash: bytes) -> None:
    tx.execute(
        tokens.insert().values(
            id=token.id,
            account_id=token.account_id,
            name=token.name,
            role=token.role.value,
            secret_hash=secret_hash,
            hint=token.hint,
            grants=[{"resource": grant.resource, "role": grant.role.value} for grant in token.grants],
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )


# Asked with every request.
_TOKEN_BY_HASH = Prepared(sa.select(tokens).where(tokens.c.secret_hash == sa.bindparam("hash")))
_SESSION_BY_HASH = Prepared(sa.select(sessions).where(sessions.c.secret_hash == sa.bindparam("hash")))


def token_by_hash(tx: Transaction, secret_hash: bytes) -> Token | None:
    row = _TOKEN_BY_HASH.one_or_none(tx, hash=secret_hash)
    return _token(row) if row else None


def token_by_id(tx: Transaction, token_id: str) -> Token | None:
    row = tx.execute(sa.select(tokens).where(tokens.c.id == token_id)).one_or_none()
    return _token(row) if row else None


def token_by_name(tx: Transaction, account_id: str, name: str) -> Token | None:
    query = sa.select(tokens).where(tokens.c.account_id == account_id, tokens.c.name == name)
    row = tx.execute(query).one_or_none()
    return _token(row) if row else None


def tokens_of(tx: Transaction, account_id: str) -> list[Token]:
    query = sa.select(tokens).where(tokens.c.account_id == account_id).order_by(tokens.c.created_at)
    return [_token(row) for row in tx.execute(query)]


def touch_token(tx: Transaction, token_id: str, at: datetime) -> None:
    tx.execute(tokens.update().where(tokens.c.id == token_id).values(last_used_at=at))


def delete_token(tx: Transaction, account_id: str, token_id: str) -> bool:
    done = tx.execute(tokens.delete().where(tokens.c.account_id == account_id, tokens.c.id == token_id))
    return done.rowcount > 0


def insert_session(tx: Transaction, session: Session, secret_hash: bytes) -> None:
    tx.execute(
        sessions.insert().values(
            id=session.id,
            secret_hash=secret_hash,
            account_id=session.account_id,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            user_agent=session.user_agent,
        )
    )


def session_by_hash(tx: Transaction, secret_hash: bytes) -> Session | None:
    row = _SESSION_BY_HASH.one_or_none(tx, hash=secret_hash)
    return _session(row) if row else None


def sessions_of(tx: Transaction, account_id: str) -> list[Session]:
    query = sa.select(sessions).where(sessions.c.account_id == account_id).order_by(sessions.c.created_at.desc())
    return [_session(row) for row in tx.execute(query)]


def touch_session(tx: Transaction, session_id: str, at: datetime) -> None:
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(last_used_at=at))


def delete_session(tx: Transaction, account_id: str, session_id: str) -> bool:
    done = tx.execute(sessions.delete().where(sessions.c.account_id == account_id, sessions.c.id == session_id))
    return done.rowcount > 0


def delete_sessions_of(tx: Transaction, account_id: str) -> None:
    tx.execute(sessions.delete().where(sessions.c.account_id == account_id))


def delete_expired(tx: Transaction, now: datetime) -> int:
    """Forget sessions and invitations that are past their time; returns how many."""
    gone = tx.execute(sessions.delete().where(sessions.c.expires_at < now)).rowcount
    return gone + tx.execute(invites.delete().where(invites.c.expires_at < now)).rowcount


def insert_invite(tx: Transaction, invite: Invite, secret_hash: bytes) -> None:
    tx.execute(
        invites.insert().values(
            id=invite.id,
            secret_hash=secret_hash,
            created_by=invite.created_by,
            created_at=invite.created_at,
            expires_at=invite.expires_at,
        )
    )


def invite_by_hash(tx: Transaction, secret_hash: bytes) -> Invite | None:
    row = tx.execute(sa.select(invites).where(invites.c.secret_hash == secret_hash)).one_or_none()
    if row is None:
        return None
    return Invite(row.id, row.created_by, row.created_at, row.expires_at, row.used_by)


def use_invite(tx: Transaction, invite_id: str, account_id: str) -> None:
    tx.execute(invites.update().where(invites.c.id == invite_id).values(used_by=account_id))


def _token(row: Any) -> Token:
    return Token(
        id=row.id,
        account_id=row.account_id,
        name=row.name,
        role=TokenRole(row.role),
        hint=row.hint,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        grants=tuple(Grant(grant["resource"], Role(grant["role"])) for grant in row.grants),
    )


def _session(row: Any) -> Session:
    return Session(row.id, row.account_id, row.created_at, row.last_used_at, row.expires_at, row.user_agent)
