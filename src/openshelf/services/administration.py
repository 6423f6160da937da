"""What administrators do with the accounts of a hub."""

from __future__ import annotations

from openshelf.domain.access import may_administer_hub
from openshelf.domain.people import Account, AccountKind, Actor, Invite
from openshelf.errors import Conflict, Forbidden, Invalid
from openshelf.services import accounts
from openshelf.services.hub import Hub, now
from openshelf.services.read_only import ReadOnly
from openshelf.storage.catalogue import accounts as catalogue
from openshelf.storage.catalogue import credentials

_MOST_REASON = 300


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


def set_read_only(hub: Hub, actor: Actor, reason: str = "") -> None:
    """Refuse every change from now on, in all processes of the hub within a second. Raises Forbidden, Invalid."""
    check(actor)
    if len(reason) > _MOST_REASON:
        raise Invalid(f"Say it in at most {_MOST_REASON} characters.")
    by = actor.account.name if actor.account else ""
    hub.read_only_switch.set(hub.storage, ReadOnly(now().timestamp(), by, reason.strip()))


def end_read_only(hub: Hub, actor: Actor) -> None:
    """Take changes again. Raises Forbidden, and Conflict where the setting says otherwise."""
    check(actor)
    if hub.settings.read_only:
        raise Conflict("The setting read_only holds until the hub is started again without it.")
    hub.read_only_switch.set(hub.storage, None)
