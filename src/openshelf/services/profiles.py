"""What the hub shows of users and organisations."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.access import Access, access
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Account, AccountKind, Actor, Role
from openshelf.domain.repos import Visibility
from openshelf.errors import AccountNotFound, Forbidden, NotSignedIn
from openshelf.services import accounts as account_service
from openshelf.services import repos
from openshelf.services.hub import Hub
from openshelf.services.repos import Page
from openshelf.storage.catalogue import accounts, blobs


@dataclass(frozen=True, slots=True)
class Counts:
    """How many repos of an owner somebody may read."""

    models: int
    datasets: int
    spaces: int


def user(hub: Hub, name: str) -> Account:
    """Raises AccountNotFound."""
    return _of_kind(hub, name, AccountKind.USER)


def organisation(hub: Hub, name: str) -> Account:
    """Raises AccountNotFound."""
    return _of_kind(hub, name, AccountKind.ORGANISATION)


def organisations(hub: Hub, user: Account) -> list[tuple[Account, Role]]:
    """The organisations that ``user`` is a member of, in order of name, with the role held there."""
    with hub.storage.catalogue.read() as tx:
        held = [(accounts.by_id(tx, m.organisation_id), m.role) for m in accounts.memberships_of(tx, user.id)]
    return [(account, role) for account, role in held if account]


def members(hub: Hub, organisation: Account) -> list[Account]:
    """The users in an organisation, in order of name."""
    with hub.storage.catalogue.read() as tx:
        found = [accounts.by_id(tx, m.user_id) for m in accounts.members_of(tx, organisation.id)]
    return [account for account in found if account]


def counts(hub: Hub, actor: Actor, owner: Account) -> Counts:
    def count(kind: RepoKind) -> int:
        return repos.search_repos(hub, actor, kind=kind, owner=owner.name, limit=0).total

    return Counts(count(RepoKind.MODEL), count(RepoKind.DATASET), count(RepoKind.SPACE))


def storage(hub: Hub, actor: Actor, owner: str | None, *, limit: int, offset: int) -> tuple[int, Page]:
    """Bytes that an owner (None: the actor) uses in all, and a page of the owner's repos.

    Raises NotSignedIn, AccountNotFound, and Forbidden for those who do not belong to the owner.
    """
    if actor.account is None:
        raise NotSignedIn
    account = account_service.find(hub, owner) if owner else actor.account
    if access(actor, account.id, None, Visibility.PRIVATE) < Access.READ:
        raise Forbidden(f"Only members of {account.name} can see what it stores.")
    page = repos.search_repos(hub, actor, owner=account.name, limit=limit, offset=offset)
    with hub.storage.catalogue.read() as tx:
        return blobs.owner_bytes(tx, account.id), page


def _of_kind(hub: Hub, name: str, kind: AccountKind) -> Account:
    account = account_service.find(hub, name)
    if account.kind is not kind:
        raise AccountNotFound(name)
    return account
