"""Telling clients which chunks are stored already, without telling them what they are.

The answer is a shard of the xorb that holds the chunk asked about and of its neighbours in a file. Its chunk hashes are
keyed, so that it can confirm a chunk that the client has and reveal none that it has not (Xet notes, section 8).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from openshelf.domain.access import ReadScope
from openshelf.services import signing
from openshelf.services.hub import Hub
from openshelf.services.xet_access import Caller, dedup_scope
from openshelf.services.xet_upload import note_use
from openshelf.storage.catalogue import Transaction, xorbs
from openshelf.storage.catalogue.xorbs import XorbRow
from openshelf.xet.segments import unpack_segments
from openshelf.xet.shard_building import build_dedup_shard
from openshelf.xet.shards import ShardXorb
from openshelf.xet.xorb_index import XorbIndex

# A key is used for five days and an answer holds to the end of the next five: ten at most, and garbage collection
# waits for 22 at least.
_EPOCH_SECONDS = 5 * 24 * 3600

# One answer covers up to 2 GiB of the file around the chunk, in about 2 MB. Only one xorb in three holds a chunk that
# clients ask about, so an answer with a single xorb would miss most of a file.
_BEFORE, _AFTER = 4, 27
_MOST_CHUNKS = 65_536
# Files that begin alike, such as versions and fine-tunes of one model, have xorbs of their own with that beginning.
_MOST_HOLDERS = 3


def answer(hub: Hub, caller: Caller, chunk_hash: bytes) -> bytes | None:
    """A shard by which the client can deduplicate, or None where the chunk is not known to it."""
    with hub.storage.catalogue.read() as tx:
        rows = around(tx, dedup_scope(hub, caller.actor), caller.repo.id, chunk_hash)
    if not rows or not note_use(hub, rows):
        return None
    epoch = int(time.time()) // _EPOCH_SECONDS
    described = [ShardXorb.from_index(row.hash, XorbIndex.unpack(row.chunk_index)) for row in rows]
    key = signing.derive_key(hub, f"xet-dedup:{epoch}")
    return build_dedup_shard(described, key, epoch * _EPOCH_SECONDS, (epoch + 2) * _EPOCH_SECONDS)


def around(tx: Transaction, scope: ReadScope | None, repo_id: str, chunk_hash: bytes) -> list[XorbRow]:
    """The newest xorbs with this chunk that may be used, and what is near each in a file, in the file's order."""
    holding = xorbs.with_chunk(tx, chunk_hash)
    usable = xorbs.visible_hashes(tx, scope, repo_id, holding)
    found = [xorb_hash for xorb_hash in holding if xorb_hash in usable][:_MOST_HOLDERS]
    near = list(dict.fromkeys(name for xorb_hash in found for name in _neighbours(tx, xorb_hash)))
    rows = xorbs.visible(tx, scope, repo_id, near)
    return _bounded([rows[xorb_hash] for xorb_hash in near if xorb_hash in rows], set(found))


def _neighbours(tx: Transaction, xorb_hash: bytes) -> list[bytes]:
    file = xorbs.newest_file_with(tx, xorb_hash)
    if file is None:
        return [xorb_hash]
    order = list(dict.fromkeys(segment.xorb_hash for segment in unpack_segments(file.segments)))
    place = order.index(xorb_hash)
    return order[max(0, place - _BEFORE) : place + _AFTER + 1]


def _bounded(rows: Sequence[XorbRow], found: set[bytes]) -> list[XorbRow]:
    """As many rows as the limit on chunks allows, those with the chunk in any case."""
    left, kept = _MOST_CHUNKS, []
    for row in rows:
        left -= len(row.chunk_index) // 40
        if left >= 0 or row.hash in found:
            kept.append(row)
    return kept
