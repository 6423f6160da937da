"""Organisations as their members run them: who belongs, and in which role."""

from __future__ import annotations

from openshelf.domain.access import Access, access
from openshelf.domain.people import Account, AccountKind, Actor, Role
from openshelf.domain.repos import Visibility
from openshelf.errors import AccountNotFound, Forbidden, NotSignedIn
from openshelf.services import accounts
from openshelf.services.hub import Hub


def create(
    hub: Hub, actor: Actor, name: str, *, full_name: str = "", default_visibility: Visibility | None = None
) -> Account:
    """A new organisation whose first admin is ``actor``. Raises NotSignedIn, Forbidden, AlreadyExists, InvalidName."""
    hub.check_writable()
    if actor.account is None:
        raise NotSignedIn
    if access(actor, actor.account.id, None, Visibility.PRIVATE) < Access.ADMIN:
        raise Forbidden("This token may not create organisations; sign in, or use a token that may write.")
    return accounts.create_organisation(
        hub, name, actor.account, full_name=full_name, default_visibility=default_visibility
    )


def find(hub: Hub, name: str) -> Account:
    """Raises AccountNotFound, for the name of a user too."""
    found = accounts.find(hub, name)
    if found.kind is not AccountKind.ORGANISATION:
        raise AccountNotFound(name)
    return found


def may_administer(actor: Actor, organisation: Account) -> bool:
    return access(actor, organisation.id, None, Visibility.PRIVATE) >= Access.ADMIN


def describe(hub: Hub, actor: Actor, organisation: Account, *, full_name: str, bio: str, website: str) -> Account:
    """Change what an organisation says about itself. Raises Forbidden, Invalid."""
    hub.check_writable()
    if not may_administer(actor, organisation):
        raise Forbidden(f"Only admins of {organisation.name} can change its profile.")
    return accounts.update(hub, organisation, full_name=full_name or organisation.name, bio=bio, website=website)


def set_role(hub: Hub, actor: Actor, organisation: Account, user: Account, role: Role | None) -> None:
    """Give ``user`` a role, or with None take it away; anybody may leave by themselves.

    Raises Forbidden, and Conflict where the last admin would go.
    """
    hub.check_writable()
    leaves = role is None and actor.account is not None and actor.account.id == user.id
    if not may_administer(actor, organisation) and not leaves:
        raise Forbidden(f"Only admins of {organisation.name} can change who belongs to it.")
    accounts.set_member(hub, organisation, user, role)
