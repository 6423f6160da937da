"""What owners store, and what they may store."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.people import Account
from openshelf.domain.repos import Repo
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import blobs, xorbs


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


@dataclass(frozen=True, slots=True)
class RepoStorage:
    """What one repo stores outside git, in bytes, each blob counted once.

    ``chunked_bytes`` is the size of those files that are kept in chunks, ``kept_bytes`` that of the xorbs which hold
    their chunks, compressed and with whatever else is in them.
    """

    blobs: int
    bytes: int
    chunked_bytes: int
    kept_bytes: int

    @property
    def saved_bytes(self) -> int:
        return max(0, self.chunked_bytes - self.kept_bytes)


def repo_storage(hub: Hub, repo: Repo) -> RepoStorage:
    """What ``repo`` stores. It tells nothing of other repos: xorbs count whole, whoever else may use them."""
    with hub.storage.catalogue.read() as tx:
        count, size, chunked = blobs.repo_totals(tx, repo.id)
        return RepoStorage(count, size, chunked, xorbs.kept_for(tx, repo.id))
