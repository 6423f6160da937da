"""Who may use the Xet store: short-lived tokens for one repo, checked again at every request.

A token says who asked for what. Whether that still holds is read from the catalogue each time, so that a token ends
with the account, the access token or the right that it was made from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from openshelf.domain.access import Access, ReadScope, access_to, may_propose, read_scope
from openshelf.domain.people import ANONYMOUS, Actor
from openshelf.domain.repos import Repo
from openshelf.errors import BadCredentials, Forbidden, NotSignedIn
from openshelf.services import accounts, push, repos, signing
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import Transaction, credentials, events
from openshelf.storage.catalogue import accounts as account_rows
from openshelf.storage.catalogue import repos as repo_rows

PURPOSE = "xet"
READ_ONLY = "This hub is read-only at the moment, for maintenance. Try again later."


class Scope(StrEnum):
    """What a token is for. Writing includes reading; proposing is writing for a pull request."""

    READ = "read"
    WRITE = "write"
    PROPOSE = "propose"


@dataclass(frozen=True, slots=True)
class XetToken:
    """A token's text, when it ends (seconds since 1970), and the generation of the store to use it with."""

    text: str
    expires_at: int
    generation: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a valid token: who it is, and the repo that they read from or write to."""

    actor: Actor
    repo: Repo
    scope: Scope


def issue_read(hub: Hub, actor: Actor, repo: Repo) -> XetToken:
    """A token to read with. Raises RepoNotFound."""
    repos.check(actor, repo, Access.READ, repo.full_name)
    return _issue(hub, actor, repo, Scope.READ)


def issue_write(hub: Hub, actor: Actor, repo: Repo, revision: str, *, propose: bool) -> XetToken:
    """A token to upload with, for a commit on ``revision`` or a new pull. Raises as ``push.check_may_commit`` does."""
    # Clients repeat a request that finds the hub unavailable for minutes, and say nothing.
    if hub.is_read_only:
        raise Forbidden(READ_ONLY)
    push.check_may_commit(hub, actor, repo, revision, propose=propose)
    scope = Scope.WRITE if access_to(actor, repo) >= Access.WRITE else Scope.PROPOSE
    return _issue(hub, actor, repo, scope)


def admit(hub: Hub, text: str | None, *, write: bool = False) -> Caller:
    """Who shows this token. Raises NotSignedIn without one, BadCredentials, Forbidden where it is for reading."""
    if not text:
        raise NotSignedIn("This request needs a Xet token; get one from the repository's xet-read-token address.")
    data = signing.verify(hub, PURPOSE, text)
    scope = Scope(data["scope"])
    if write and scope is Scope.READ:
        raise Forbidden("This Xet token is for reading; get one from the repository's xet-write-token address.")
    with hub.storage.catalogue.read() as tx:
        repo = repo_rows.by_id(tx, data["repo"])
    actor = _actor(hub, data["account"], data["token"])
    if repo is None or actor is None or not _still_holds(actor, repo, scope):
        raise BadCredentials("The access that this Xet token was given for has ended; ask for a new token.")
    if write and hub.is_read_only:
        raise Forbidden(READ_ONLY)
    return Caller(actor, repo, scope)


def dedup_scope(hub: Hub, actor: Actor) -> ReadScope | None:
    """The other repos whose xorbs an upload may use; None for its own repo alone."""
    return read_scope(actor) if hub.settings.dedup_scope == "readable" else None


def generation(tx: Transaction) -> int:
    """The number in the store's address. Clients that see a new one forget which xorbs they uploaded."""
    return int(events.get_meta(tx, events.GENERATION_KEY) or 1)


def _issue(hub: Hub, actor: Actor, repo: Repo, scope: Scope) -> XetToken:
    seconds = hub.settings.xet_token_seconds
    expires_at = int(time.time()) + seconds
    data = {
        "repo": repo.id,
        "account": actor.account.id if actor.account else None,
        "token": actor.token.id if actor.token else None,
        "scope": scope.value,
    }
    with hub.storage.catalogue.read() as tx:
        number = generation(tx)
    return XetToken(signing.sign(hub, PURPOSE, data, seconds), expires_at, number)


def _actor(hub: Hub, account_id: str | None, token_id: str | None) -> Actor | None:
    if account_id is None:
        return ANONYMOUS
    with hub.storage.catalogue.read() as tx:
        account = account_rows.by_id(tx, account_id)
        token = credentials.token_by_id(tx, token_id) if token_id else None
    if account is None or account.is_disabled:
        return None
    if token_id and (token is None or (token.expires_at and token.expires_at < now())):
        return None
    return accounts.actor_of(hub, account, token)


def _still_holds(actor: Actor, repo: Repo, scope: Scope) -> bool:
    match scope:
        case Scope.READ:
            return access_to(actor, repo) >= Access.READ
        case Scope.WRITE:
            return access_to(actor, repo) >= Access.WRITE
        case Scope.PROPOSE:
            return may_propose(actor, repo)
