"""What owners store, and what they may store."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.people import Account
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import blobs


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that an owner uses and may use; ``quota`` 0 is without limit. ``is_own``: not the hub's default."""

    name: str
    used: int
    quota: int
    is_own: bool


def usage(hub: Hub, account: Account) -> Usage:
    """What ``account`` uses: its distinct blobs, each counted once, whatever deduplication saves on disk."""
    with hub.storage.catalogue.read() as tx:
        used = blobs.owner_bytes(tx, account.id)
    own = account.quota_bytes
    return Usage(account.name, used, hub.settings.quota_bytes if own is None else own, own is not None)
