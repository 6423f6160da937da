"""What the hub shows of users and organisations."""

from __future__ import annotations

from openshelf.domain.people import Account, Role
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import accounts


def organisations(hub: Hub, user: Account) -> list[tuple[Account, Role]]:
    """The organisations that ``user`` is a member of, in order of name, with the role held there."""
    with hub.storage.catalogue.read() as tx:
        held = [(accounts.by_id(tx, m.organisation_id), m.role) for m in accounts.memberships_of(tx, user.id)]
    return [(account, role) for account, role in held if account]
