"""What administrators do with the accounts of a hub."""

from __future__ import annotations

from openshelf.domain.access import may_administer_hub
from openshelf.domain.people import Account, AccountKind, Actor, Invite
from openshelf.errors import Conflict, Forbidden
from openshelf.services import accounts
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import accounts as catalogue
from openshelf.storage.catalogue import credentials


def check(actor: Actor) -> None:
    """Raises Forbidden unless ``actor`` may administer the hub."""
    if not may_administer_hub(actor):
        raise Forbidden("Only administrators of this hub can do this.")


def users(hub: Hub, actor: Actor, *, search: str = "", limit: int = 100, offset: int = 0) -> list[Account]:
    """Users in order of name."""
    check(actor)
    with hub.storage.catalogue.read() as tx:
        return catalogue.find(tx, AccountKind.USER, search, limit, offset)


def create_user(
    hub: Hub, actor: Actor, name: str, password: str, *, full_name: str = "", is_admin: bool = False
) -> Account:
    check(actor)
    hub.check_writable()
    return accounts.create_user(hub, name, password, full_name=full_name, is_admin=is_admin)


def invite(hub: Hub, actor: Actor) -> tuple[Invite, str]:
    """An invitation and its secret."""
    check(actor)
    hub.check_writable()
    return accounts.invite(hub, actor)


def set_disabled(hub: Hub, actor: Actor, user: Account, is_disabled: bool) -> None:
    """Shut a user out, or let them in again. Their sessions end; what they own stays."""
    check(actor)
    hub.check_writable()
    if actor.account and actor.account.id == user.id:
        raise Conflict("You cannot disable your own account; ask another administrator.")
    accounts.update(hub, user, is_disabled=is_disabled)
    if is_disabled:
        with hub.storage.catalogue.write() as tx:
            credentials.delete_sessions_of(tx, user.id)


def set_administrator(hub: Hub, actor: Actor, user: Account, is_admin: bool) -> None:
    """Make a user administrator of the hub, or no longer."""
    check(actor)
    hub.check_writable()
    if actor.account and actor.account.id == user.id:
        raise Conflict("You cannot take your own rights away; ask another administrator.")
    accounts.update(hub, user, is_admin=is_admin)
