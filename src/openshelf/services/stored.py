"""Recording bytes that have arrived: the one way a blob or xorb enters the catalogue."""

from __future__ import annotations

from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import Unavailable
from openshelf.services import arrivals
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import Transaction, blobs, xorbs
from openshelf.xet.hashes import from_hex

REMOVAL_LOCK = "removal"
"""Held by whoever removes stored bytes, and by a backup, which must find all that its catalogue names."""


def record_whole(hub: Hub, repo: Repo, blob: Blob) -> None:
    """Record a whole blob, verified and kept in the store, and let ``repo`` use it."""
    moment = now()
    with hub.storage.catalogue.write() as tx:
        check_present(hub, tx, blob)
        blobs.save(tx, blob, moment, is_whole=True)
        known = arrivals.note(hub, tx, repo.id, [blob.sha256])
        blobs.link(tx, repo.id, [blob.sha256], moment)
        arrivals.record(tx, repo.id, known)


def check_present(hub: Hub, _tx: Transaction, blob: Blob) -> None:
    """Raises Unavailable where garbage collection took the bytes before their row was written.

    It takes bytes within a write transaction only, so what is there within ours stays.
    """
    if hub.storage.blobs.size(blob.sha256) is None:
        raise Unavailable(f"Blob {blob.sha256} was removed while it was sent again; send it once more.")


def remove_whole(hub: Hub, sha256: str) -> bool:
    """Remove the whole form of a blob that the catalogue has let go of before; False where nothing was removed.

    The rows go first: a crash in between leaves a file that nothing knows, never a row without its bytes. It is done
    within a write transaction, so that whoever records the same blob meanwhile finds out in theirs.
    """
    with hub.storage.catalogue.write() as tx:
        row = blobs.get(tx, sha256)
        return (row is None or not row.is_whole) and hub.storage.blobs.delete(sha256)


def remove_xorb(hub: Hub, key: str) -> bool:
    """Remove the body of a xorb that the catalogue has let go of before, in the same way."""
    with hub.storage.catalogue.write() as tx:
        return xorbs.get(tx, from_hex(key)) is None and hub.storage.xorbs.delete(key)
