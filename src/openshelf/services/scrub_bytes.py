"""Reading one stored thing whole and saying what is to be said of it: a blob, a xorb, a git repository.

Bytes are compared with the hash that names them, not only with their checksums. What is found is written down; what
another copy or form can mend is mended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum

from openshelf.errors import OpenshelfError, StorageFault
from openshelf.services import chunked
from openshelf.services.fsck_bytes import check_chunks
from openshelf.services.hub import Hub, now
from openshelf.services.stored import remove_whole
from openshelf.storage.blocks import Blocks, BlockSums
from openshelf.storage.catalogue import blobs, damages, repos, xorbs
from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.storage.catalogue.xorbs import XorbRow
from openshelf.storage.objects import Objects
from openshelf.storage.repositories.reachable import object_faults
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import to_hex
from openshelf.xet.segments import unpack_segments
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import read_chunks, verify_xorb

Pace = Callable[[int], None]
"""Told of so many bytes read; waits, or raises, as it sees fit."""


class Verdict(StrEnum):
    """What became of a thing: it is sound, it was mended, it is damaged, it is not there any more."""

    SOUND = "sound"
    MENDED = "mended"
    DAMAGED = "damaged"
    GONE = "gone"


def examine_blob(hub: Hub, sha256: str, pace: Pace) -> Verdict:
    """Read a blob's whole form and compare it; of a chunked form, whose bytes are those of xorbs, see that it fits."""
    row = _blob(hub, sha256)
    if row is None:
        return Verdict.GONE
    if row.is_whole:
        return _examine_whole(hub, row, pace)
    return _examine_chunked(hub, row, pace)


def _examine_whole(hub: Hub, row: BlobRow, pace: Pace) -> Verdict:
    message, blocks = _read_whole(hub, row, pace)
    if message is not None:
        fresh = _blob(hub, row.sha256)
        if fresh is None or not fresh.is_whole:
            return examine_blob(hub, row.sha256, pace)
        with hub.storage.catalogue.write() as tx:
            damages.record_blob(tx, row.sha256, message, now())
        after = _blob(hub, row.sha256)
        if after is None or after.is_whole:
            return Verdict.DAMAGED
        # Its chunks are there, and now it is made of them alone.
        remove_whole(hub, row.sha256)
        return Verdict.MENDED
    is_mended = _renew_blocks(hub.storage.blobs.objects, row.sha256, blocks)
    with hub.storage.catalogue.write() if row.damage is not None else hub.storage.catalogue.read() as tx:
        if row.damage is not None:
            is_mended |= damages.clear_blob(tx, row.sha256)
    return Verdict.MENDED if is_mended else Verdict.SOUND


def _read_whole(hub: Hub, row: BlobRow, pace: Pace) -> tuple[str | None, Blocks]:
    """What is wrong with the file, and the checksums that its bytes have."""
    digest, sums = hashlib.sha256(), BlockSums()
    try:
        for piece in hub.storage.blobs.objects.read(row.sha256, check=False, from_disk=True):
            digest.update(piece)
            sums.update(piece)
            pace(len(piece))
    except StorageFault as fault:
        is_there = hub.storage.blobs.size(row.sha256) is not None
        return fault.message if is_there else "its file is missing", sums.finish()
    if sums.size != row.size:
        return f"its file has {sums.size} bytes, and should have {row.size}", sums.finish()
    if digest.hexdigest() != row.sha256:
        return f"its bytes have the sha256 {digest.hexdigest()}", sums.finish()
    return None, sums.finish()


def _examine_chunked(hub: Hub, row: BlobRow, pace: Pace) -> Verdict:
    if row.damage is None:
        message = _chunks_fault(hub, row)
        if message is None or _blob(hub, row.sha256) != row:
            return Verdict.SOUND
        with hub.storage.catalogue.write() as tx:
            damages.record_chunked(tx, row.sha256, message, now())
        return Verdict.DAMAGED
    if row.xet_hash is None or not _reads_back(hub, row, row.xet_hash, pace):
        return Verdict.DAMAGED
    with hub.storage.catalogue.write() as tx:
        damages.clear_blob(tx, row.sha256)
    return Verdict.MENDED


def _chunks_fault(hub: Hub, row: BlobRow) -> str | None:
    if row.xet_hash is None:
        return "no form of it is stored"
    try:
        check_chunks(hub, row, row.xet_hash, deep=False)
    except (OpenshelfError, XetFormatError) as error:
        return str(error)
    return None


def _reads_back(hub: Hub, row: BlobRow, xet_hash: bytes, pace: Pace) -> bool:
    digest = hashlib.sha256()
    try:
        for piece in chunked.read(hub, xet_hash, 0, row.size):
            digest.update(piece)
            pace(len(piece))
    except StorageFault:
        return False
    return digest.hexdigest() == row.sha256


def examine_xorb(hub: Hub, xorb_hash: bytes, pace: Pace) -> Verdict:
    """Read a xorb, hash every chunk, and compare it with its name and its index."""
    row = _xorb(hub, xorb_hash)
    if row is None:
        return Verdict.GONE
    key = to_hex(xorb_hash)
    body, message = _read_xorb(hub, row)
    pace(len(body))
    if message is None:
        sums = BlockSums()
        sums.update(body)
        is_mended = _renew_blocks(hub.storage.xorbs, key, sums.finish())
        if row.damage is not None:
            with hub.storage.catalogue.write() as tx:
                is_mended |= damages.clear_xorb(tx, xorb_hash)
        return Verdict.MENDED if is_mended else Verdict.SOUND
    if _xorb(hub, xorb_hash) != row:
        return examine_xorb(hub, xorb_hash, pace)
    with hub.storage.catalogue.write() as tx:
        damages.record_xorb(tx, xorb_hash, message, now())
        # Not every blob that is made of the xorb needs the chunks that are damaged.
        bad = _bad_chunks(body, XorbIndex.unpack(row.chunk_index))
        for sha256, segments in damages.blobs_of(tx, xorb_hash):
            if not any(
                segment.xorb_hash == xorb_hash and not bad.isdisjoint(range(segment.start_chunk, segment.end_chunk))
                for segment in unpack_segments(segments)
            ):
                damages.clear_blob(tx, sha256, but_for=xorb_hash)
    return Verdict.DAMAGED


def _read_xorb(hub: Hub, row: XorbRow) -> tuple[bytes, str | None]:
    key = to_hex(row.hash)
    try:
        body = b"".join(hub.storage.xorbs.read(key, check=False, from_disk=True))
    except StorageFault as fault:
        return b"", fault.message if hub.storage.xorbs.size(key) is not None else "its file is missing"
    if len(body) != row.stored_bytes:
        return body, f"its file has {len(body)} bytes, and should have {row.stored_bytes}"
    try:
        index = XorbIndex.unpack(row.chunk_index)
        return body, None if verify_xorb(body, row.hash).index == index else "its index does not fit its chunks"
    except XetFormatError as error:
        return body, str(error)


def _bad_chunks(body: bytes, index: XorbIndex) -> set[int]:
    bad = set()
    with memoryview(body) as view:
        for number in range(len(index)):
            start, end = index.byte_range(number, number + 1)
            try:
                for _ in read_chunks(view[start:end], index, number):
                    pass
                if end > len(body):
                    bad.add(number)
            except XetFormatError:
                bad.add(number)
    return bad


def examine_repository(hub: Hub, repo_id: str) -> Verdict:
    """Let git check every object of a repository."""
    with hub.storage.catalogue.read() as tx:
        known = damages.of_repository(tx, repo_id)
        if repos.by_id(tx, repo_id) is None:
            return Verdict.GONE
    message = _repository_fault(hub, repo_id)
    # A repack may have moved objects while git looked.
    if message is not None:
        message = _repository_fault(hub, repo_id)
    if message is None and known is None:
        return Verdict.SOUND
    with hub.storage.catalogue.write() as tx:
        if message is None:
            damages.clear_repository(tx, repo_id)
            return Verdict.MENDED
        damages.record_repository(tx, repo_id, message, now())
    return Verdict.DAMAGED


def _repository_fault(hub: Hub, repo_id: str) -> str | None:
    try:
        faults = object_faults(hub.storage.repositories.open(repo_id))
    except StorageFault as fault:
        return fault.message
    return f"git fsck says: {'; '.join(faults[:3])}" if faults else None


def _renew_blocks(objects: Objects, key: str, blocks: Blocks) -> bool:
    """Write the checksums of bytes that are what their name says, where they are missing or wrong."""
    return objects.blocks(key) != blocks and objects.save_blocks(key, blocks)


def _blob(hub: Hub, sha256: str) -> BlobRow | None:
    with hub.storage.catalogue.read() as tx:
        return blobs.get(tx, sha256)


def _xorb(hub: Hub, xorb_hash: bytes) -> XorbRow | None:
    with hub.storage.catalogue.read() as tx:
        return xorbs.get(tx, xorb_hash)
