"""What a hub holds and what it saves, for its administrators."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from openshelf.domain.people import AccountKind, Actor
from openshelf.errors import Invalid
from openshelf.services import accounts, administration, quotas
from openshelf.services.hub import Hub
from openshelf.services.quotas import Usage
from openshelf.services.sizes import parse_size
from openshelf.storage.catalogue import usage as catalogue
from openshelf.storage.catalogue.usage import OwnerTotals, Totals


@dataclass(frozen=True, slots=True)
class HubUsage:
    """Sizes in bytes. ``saved_by_identity``: files that are there more than once; ``saved_by_chunks``: the rest."""

    totals: Totals
    kept_bytes: int
    free_bytes: int
    disk_bytes: int

    @property
    def saved_by_identity(self) -> int:
        return max(0, self.totals.named_bytes - self.totals.distinct_bytes)

    @property
    def saved_by_chunks(self) -> int:
        """Negative while blobs are kept both whole and as chunks, so at least 0 is told."""
        return max(0, self.totals.distinct_bytes - self.kept_bytes)

    @property
    def saved_share(self) -> float:
        """Of what people see, the share that lies on no disk: 0 to 1."""
        named = self.totals.named_bytes
        return max(0.0, 1 - self.kept_bytes / named) if named else 0.0


@dataclass(frozen=True, slots=True)
class OwnerUsage:
    totals: OwnerTotals
    usage: Usage


def of_hub(hub: Hub, actor: Actor) -> HubUsage:
    """Raises Forbidden."""
    administration.check(actor)
    with hub.storage.catalogue.read() as tx:
        totals = catalogue.totals(tx)
    disk = shutil.disk_usage(hub.storage.root)
    return HubUsage(totals, totals.whole_bytes + totals.xorb_bytes, disk.free, disk.total)


def stored_bytes(hub: Hub) -> dict[str, int]:
    """Bytes outside git by the form in which they are kept: ``whole`` and ``chunks``."""
    with hub.storage.catalogue.read() as tx:
        whole, chunks = catalogue.stored_bytes(tx)
    return {"whole": whole, "chunks": chunks}


def of_owners(
    hub: Hub, actor: Actor, *, kind: AccountKind | None = None, search: str = "", limit: int = 50, offset: int = 0
) -> list[OwnerUsage]:
    """Accounts with what they use and may use, the largest first. Raises Forbidden."""
    administration.check(actor)
    with hub.storage.catalogue.read() as tx:
        found = catalogue.owners(tx, kind, search, limit, offset)
        used = catalogue.distinct_bytes(tx, [owner.name for owner in found])
    return [OwnerUsage(owner, _usage(hub, owner, used.get(owner.name, 0))) for owner in found]


def _usage(hub: Hub, owner: OwnerTotals, used: int) -> Usage:
    own = owner.quota_bytes
    return Usage(owner.name, used, hub.settings.quota_bytes if own is None else own, own is not None)


def of_account(hub: Hub, actor: Actor, name: str) -> Usage:
    """Raises Forbidden, AccountNotFound."""
    administration.check(actor)
    return quotas.usage(hub, accounts.find(hub, name))


def set_quota(hub: Hub, actor: Actor, name: str, size: str) -> Usage:
    """Let an account store ``size``: such as ``500 GB``, ``none`` for no limit, ``default`` for the hub's.

    Raises Forbidden, Invalid, AccountNotFound.
    """
    administration.check(actor)
    hub.check_writable()
    account = accounts.find(hub, name)
    match size.strip().lower():
        case "" | "default":
            amount = None
        case "none":
            amount = 0
        case text:
            amount = parse_size(text)
            if amount == 0:
                raise Invalid("A quota of 0 bytes cannot be set; to take away all limits, write none.")
    return quotas.usage(hub, accounts.update(hub, account, quota_bytes=amount))
