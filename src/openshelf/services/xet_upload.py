"""Taking xorbs: verified whole, stored, and made usable by the repo that they were sent to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from openshelf.errors import InvalidUpload, Unavailable
from openshelf.services.accept import check_quota
from openshelf.services.hub import Hub, now
from openshelf.services.xet_access import Caller, dedup_scope
from openshelf.storage.catalogue import xorbs
from openshelf.storage.catalogue.xorbs import XorbRow
from openshelf.storage.objects import Staged
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import is_dedup_eligible, to_hex
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import XorbVerifier

# Clients remember what they were told for 21 days and the grace period is at least 22.
_NOTE_AFTER = timedelta(days=1)

# Clients show what is said about a shard, not about a xorb, so that a quota is enforced there. This much may be on its
# way to files that will be refused.
PENDING_BYTES = 1024**3


def is_usable(hub: Hub, caller: Caller, xorb_hash: bytes) -> bool:
    """Whether the xorb is stored, whole, and visible to the caller, so that it need not be sent."""
    with hub.storage.catalogue.read() as tx:
        row = xorbs.visible(tx, dedup_scope(hub, caller.actor), caller.repo.id, [xorb_hash]).get(xorb_hash)
    return row is not None and _is_whole(hub, row) and note_use(hub, [row])


def note_use(hub: Hub, rows: Sequence[XorbRow]) -> bool:
    """Keep garbage collection from xorbs that a client is told of; False where it took one of them already."""
    limit = now() - _NOTE_AFTER
    stale = [row.hash for row in rows if row.used_at < limit]
    if not stale or hub.is_read_only:
        return True
    with hub.storage.catalogue.write() as tx:
        return xorbs.touch(tx, stale, now()) == len(stale)


class XorbUpload:
    """A xorb in one request: ``write``, then ``finish`` or ``discard``.

    It is verified as it arrives: every chunk is decompressed and hashed. All of this blocks.
    """

    __slots__ = ("_caller", "_hub", "_staged", "_verifier", "_xorb_hash")

    def __init__(self, hub: Hub, caller: Caller, xorb_hash: bytes) -> None:
        self._hub, self._caller, self._xorb_hash = hub, caller, xorb_hash
        self._verifier = XorbVerifier()
        self._staged = hub.storage.xorbs.stage()

    def write(self, data: bytes, /) -> None:
        self._verifier.update(data)
        self._staged.write(data)

    def finish(self) -> bool:
        """Keep the xorb and let the caller's repo use it; False where the caller could use it before.

        Raises InvalidUpload, QuotaExceeded.
        """
        hub, repo = self._hub, self._caller.repo
        with hub.storage.catalogue.read() as tx:
            pending = xorbs.unclaimed_bytes(tx, repo.id)
            seen = xorbs.visible_hashes(tx, dedup_scope(hub, self._caller.actor), repo.id, [self._xorb_hash])
        check_quota(hub, repo, pending + self._staged.size - PENDING_BYTES)
        try:
            verified = self._verifier.finish(self._xorb_hash)
        except XetFormatError as error:
            name = to_hex(self._xorb_hash)
            raise InvalidUpload(f"Xorb {name} was refused: {error}. Nothing of it was stored.") from None
        if verified.footer_length:
            self._drop_footer(verified.index.body_length)
        keep_xorb(hub, self._staged, self._xorb_hash, verified.index, [repo.id])
        return self._xorb_hash not in seen

    def discard(self) -> None:
        self._staged.discard()

    def _drop_footer(self, length: int) -> None:
        whole, self._staged = self._staged, self._hub.storage.xorbs.stage()
        try:
            with whole.view() as body, body[:length] as records:
                self._staged.write(records)
        finally:
            whole.discard()


def keep_xorb(hub: Hub, staged: Staged, xorb_hash: bytes, index: XorbIndex, repo_ids: Iterable[str]) -> None:
    """Store a verified xorb, unless it is stored already, and let these repos use it.

    Raises Unavailable where garbage collection took it in the same moment.
    """
    key = to_hex(xorb_hash)
    # Two bodies of one xorb may be compressed differently; the lock keeps the body and its index together.
    with hub.storage.locks.hold(f"xorbs-{key[:2]}"):
        with hub.storage.catalogue.read() as tx:
            is_known = _is_whole(hub, xorbs.get(tx, xorb_hash))
        if not is_known:
            staged.keep(key)
        moment = now()
        row = XorbRow(xorb_hash, index.body_length, index.raw_length, index.pack(), moment, moment)
        with hub.storage.catalogue.write() as tx:
            # Bytes are removed in write transactions only, so what is there within this one stays.
            if not _is_whole(hub, xorbs.get(tx, xorb_hash) if is_known else row):
                raise Unavailable(f"Xorb {key} was removed while it was sent again; send it once more.")
            if is_known:
                xorbs.touch(tx, [xorb_hash], moment)
            else:
                xorbs.save(tx, row)
                eligible = [(chunk, xorb_hash) for chunk, _ in index.nodes() if is_dedup_eligible(chunk)]
                xorbs.save_dedup_chunks(tx, eligible)
            for repo_id in repo_ids:
                xorbs.link(tx, repo_id, [xorb_hash], moment)


def _is_whole(hub: Hub, row: XorbRow | None) -> bool:
    if row is None or row.damage is not None:
        return False
    return hub.storage.xorbs.size(to_hex(row.hash)) == row.stored_bytes
