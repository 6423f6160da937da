"""Access tokens: made, shown once, recognised, revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from openshelf.domain.access import may_administer_hub
from openshelf.domain.events import Event, EventKind
from openshelf.domain.people import Account, AccountKind, Actor, Grant, Membership, Token, TokenRole
from openshelf.errors import AlreadyExists, BadCredentials, Forbidden, Invalid, NotFound
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import accounts, credentials, events
from openshelf.storage.catalogue.ids import new_id

PREFIX = "osh_"
_VALUE = re.compile(r"[\x21-\x7e]{16,256}\Z")
_TOUCH_AFTER = timedelta(minutes=1)


def create(
    hub: Hub,
    account: Account,
    name: str,
    role: TokenRole,
    *,
    grants: Iterable[Grant] = (),
    expires_at: datetime | None = None,
    value: str | None = None,
) -> tuple[Token, str]:
    """A new token of a user, and its secret, which is not kept. ``value`` takes over an existing secret."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise Invalid("Give the token a name of 1 to 100 characters.")
    if account.kind is not AccountKind.USER:
        raise Invalid(f"{account.name} is an organisation; tokens belong to users.")
    if value is not None and not _VALUE.match(value):
        raise Invalid("A token to take over must have 16 to 256 visible ASCII characters and no spaces.")
    grants = tuple(grants)
    if (role is TokenRole.FINE_GRAINED) != bool(grants):
        raise Invalid("A fine-grained token needs at least one owner or repository, and only that kind has them.")
    secret = value or PREFIX + secrets.token_urlsafe(30)
    token = Token(
        id=new_id(),
        account_id=account.id,
        name=name,
        role=role,
        hint=f"{secret[:7]}…{secret[-4:]}",
        created_at=now(),
        expires_at=expires_at,
        grants=grants,
    )
    with hub.storage.catalogue.write() as tx:
        if credentials.token_by_name(tx, account.id, name):
            raise AlreadyExists(f"{account.name} has a token called {name!r} already; choose another name.")
        if credentials.token_by_hash(tx, hash_secret(secret)):
            raise AlreadyExists("This token value is in use already.")
        credentials.insert_token(tx, token, hash_secret(secret))
        events.append(tx, Event(EventKind.TOKEN_CREATED, token.created_at, account.id, data={"name": name}))
    return token, secret


def recognise(hub: Hub, secret: str) -> tuple[Account, Token, Sequence[Membership]]:
    """The account and token that ``secret`` stands for, and the organisations it is in. Raises BadCredentials."""
    digest = hash_secret(secret)
    with hub.storage.catalogue.read() as tx:
        token = credentials.token_by_hash(tx, digest)
        account = accounts.by_id(tx, token.account_id) if token else None
        held = accounts.memberships_of(tx, account.id) if account else ()
    moment = now()
    if token is None or account is None or account.is_disabled:
        raise BadCredentials("Invalid credentials in Authorization header")
    if token.expires_at and token.expires_at < moment:
        raise BadCredentials("Invalid credentials in Authorization header: this token has expired.")
    if token.last_used_at is None or moment - token.last_used_at > _TOUCH_AFTER:
        _touch(hub, token, moment)
    return account, token, held


def of(hub: Hub, account: Account) -> list[Token]:
    with hub.storage.catalogue.read() as tx:
        return credentials.tokens_of(tx, account.id)


def revoke(hub: Hub, actor: Actor, token_id: str) -> None:
    """Delete one of the actor's own tokens, or as administrator anybody's."""
    if actor.account is None:
        raise Forbidden("Sign in to revoke a token.")
    with hub.storage.catalogue.write() as tx:
        token = credentials.token_by_id(tx, token_id)
        if token is None or (token.account_id != actor.account.id and not may_administer_hub(actor)):
            raise NotFound("There is no such token.")
        credentials.delete_token(tx, token.account_id, token.id)
        events.append(tx, Event(EventKind.TOKEN_REVOKED, now(), actor.account.id, data={"name": token.name}))


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret with at least 128 random bits: such need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def _touch(hub: Hub, token: Token, moment: datetime) -> None:
    if hub.is_read_only:
        return
    with hub.storage.catalogue.write() as tx:
        credentials.touch_token(tx, token.id, moment)
