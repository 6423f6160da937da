"""The one permission rule. Everything that asks "may they?" asks here.

``storage.catalogue.repos.readable`` is the same rule as SQL for READ; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from openshelf.domain.people import Actor, Role, TokenRole
from openshelf.domain.repos import Repo, Visibility


class Access(IntEnum):
    """What an actor may do with a repo or in an owner's name; each level includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


_LEVEL = {Role.READ: Access.READ, Role.WRITE: Access.WRITE, Role.ADMIN: Access.ADMIN}


def access_to(actor: Actor, repo: Repo) -> Access:
    """What ``actor`` may do with ``repo``."""
    return access(actor, repo.owner_id, repo.id, repo.visibility)


def access(actor: Actor, owner_id: str, repo_id: str | None, visibility: Visibility) -> Access:
    """The rule itself; ``repo_id`` None asks about the owner's name space (creating a repo there)."""
    floor = Access.READ if visibility is Visibility.PUBLIC else Access.NONE
    if actor.account is None or actor.account.is_disabled:
        return floor
    held = Access.ADMIN if actor.account.is_admin else _held(actor, owner_id)
    return max(floor, min(held, _token_limit(actor, owner_id, repo_id)))


def may_propose(actor: Actor, repo: Repo) -> bool:
    """Whether ``actor`` may open a pull request: any signed-in reader whose token may write."""
    if actor.account is None or access_to(actor, repo) < Access.READ:
        return False
    limit = _token_limit(actor, repo.owner_id, repo.id)
    return limit >= Access.WRITE


def may_administer_hub(actor: Actor) -> bool:
    """Whether ``actor`` may use the administrator's pages: an administrator without a narrower token."""
    if actor.account is None or not actor.account.is_admin or actor.account.is_disabled:
        return False
    return actor.token is None or actor.token.role is TokenRole.WRITE


def _held(actor: Actor, owner_id: str) -> Access:
    role = actor.roles.get(owner_id)
    return _LEVEL[role] if role else Access.NONE


def _token_limit(actor: Actor, owner_id: str, repo_id: str | None) -> Access:
    token = actor.token
    if token is None or token.role is TokenRole.WRITE:
        return Access.ADMIN
    if token.role is TokenRole.READ:
        return Access.READ
    levels = [_LEVEL[grant.role] for grant in token.grants if grant.resource in (owner_id, repo_id)]
    return max(levels, default=Access.NONE)


@dataclass(frozen=True, slots=True)
class ReadScope:
    """The private repos an actor may read, as sets that a query can use; public ones are always readable.

    ``everything``: all of them. Otherwise a repo is readable when its owner is in ``owners``, or when its
    id is in ``repos`` and its owner in ``repo_owners`` (None: whoever owns it).
    """

    everything: bool = False
    owners: frozenset[str] = frozenset()
    repos: frozenset[str] = frozenset()
    repo_owners: frozenset[str] | None = frozenset()


def read_scope(actor: Actor) -> ReadScope:
    """``access(...) >= READ`` turned inside out, for queries over many repos."""
    account = actor.account
    if account is None or account.is_disabled:
        return ReadScope()
    held = frozenset(actor.roles)
    if actor.token is None or actor.token.role is not TokenRole.FINE_GRAINED:
        return ReadScope(everything=account.is_admin, owners=held)
    granted = frozenset(grant.resource for grant in actor.token.grants)
    if account.is_admin:
        return ReadScope(owners=granted, repos=granted, repo_owners=None)
    return ReadScope(owners=held & granted, repos=granted, repo_owners=held)
