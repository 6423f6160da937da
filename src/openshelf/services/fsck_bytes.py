"""The part of the check that looks at stored bytes: blobs, xorbs, and files that nothing knows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openshelf.errors import OpenshelfError, StorageFault
from openshelf.services import chunked
from openshelf.services.hub import Hub, now
from openshelf.services.stored import remove_whole, remove_xorb
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import blobs, events, xorbs
from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.storage.catalogue.xorbs import XorbRow
from openshelf.xet.errors import XetFormatError
from openshelf.xet.files import check_inside, find_xorb
from openshelf.xet.hashes import MerkleTree, file_hash_of_root, from_hex, to_hex
from openshelf.xet.segments import unpack_segments
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import verify_xorb

SETTLED_SECONDS = 3600

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with stored bytes; the fields are those of ``fsck.Problem``."""

    subject: str
    message: str
    lost: bool = True
    mended: bool = False


def is_settled(modified: float) -> bool:
    """Whether a file is too old to belong to a request under way."""
    return modified < time.time() - SETTLED_SECONDS


def check_blobs(hub: Hub, deep: bool, repair: bool, progress: Progress) -> tuple[int, list[Fault]]:
    """Every blob has its bytes, whole or as chunks, in the right amount."""
    count, found, after = 0, list[Fault](), ""
    while True:
        with hub.storage.catalogue.read() as tx:
            rows = blobs.every(tx, after)
        for row in rows:
            count += 1
            progress("blobs", count, count)
            found += _check_blob(hub, row, deep, repair)
        if not rows:
            return count, found
        after = rows[-1].sha256


def _check_blob(hub: Hub, row: BlobRow, deep: bool, repair: bool) -> Iterator[Fault]:
    faults = list(_forms(hub, row, deep))
    if not faults:
        return
    with hub.storage.catalogue.read() as tx:
        fresh = blobs.get(tx, row.sha256)
    if fresh is None or fresh != row:
        return
    whole = next((message for form, message in faults if form == "whole"), None)
    chunks = next((message for form, message in faults if form == "chunks"), None)
    if whole and row.xet_hash and not chunks:
        if repair:
            with hub.storage.catalogue.write() as tx:
                blobs.forget_whole(tx, row.sha256)
        yield Fault(row.sha256, f"{whole}; its chunks are intact", lost=False, mended=repair)
        return
    if chunks and row.is_whole and not whole:
        if repair:
            with hub.storage.catalogue.write() as tx:
                blobs.forget_chunks(tx, row.sha256)
                events.enqueue(tx, "chunk-blob", row.sha256, {"sha256": row.sha256}, now())
        yield Fault(row.sha256, f"{chunks}; its whole form is intact", lost=False, mended=repair)
        return
    with hub.storage.catalogue.read() as tx:
        is_used = bool(blobs.holders(tx, row.sha256))
    if not is_used:
        yield Fault(row.sha256, f"{whole or chunks}; nobody uses it", False, repair and _forget(hub, row.sha256))
        return
    for message in (whole, chunks):
        if message:
            yield Fault(row.sha256, message, lost=message is whole or not row.is_whole)


def _forget(hub: Hub, sha256: str) -> bool:
    with hub.storage.catalogue.write() as tx:
        is_unused = not blobs.holders(tx, sha256)
        if is_unused:
            blobs.delete(tx, sha256)
    return is_unused


def _forms(hub: Hub, row: BlobRow, deep: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with each form in which the blob should be kept."""
    if row.damage is not None and not deep:
        yield "whole" if row.is_whole else "chunks", f"it is known to be damaged: {row.damage}"
        return
    if row.is_whole:
        size = hub.storage.blobs.size(row.sha256)
        if size is None:
            yield "whole", "its file is missing"
        elif size != row.size:
            yield "whole", f"its file has {size} bytes, and should have {row.size}"
        elif deep and not hub.storage.blobs.is_intact(row.sha256):
            yield "whole", "its file has another sha256: a byte is damaged"
    elif row.xet_hash is None:
        yield "whole", "no form of it is stored"
    if row.xet_hash:
        try:
            check_chunks(hub, row, row.xet_hash, deep)
        except (OpenshelfError, XetFormatError) as error:
            yield "chunks", str(error)


def check_chunks(hub: Hub, row: BlobRow, xet_hash: bytes, deep: bool) -> None:
    """Raises where the blob cannot be rebuilt from its chunks: StorageFault, XetFormatError."""
    with hub.storage.catalogue.read() as tx:
        file = xorbs.file(tx, xet_hash)
    if file is None:
        raise StorageFault(f"the list of its chunks, Xet file {to_hex(xet_hash)}, is missing")
    indexes, tree, size = XorbIndexes(hub), MerkleTree(), 0
    for segment in unpack_segments(file.segments):
        index = find_xorb(segment.xorb_hash, indexes)
        check_inside(segment, index)
        tree.extend(index.nodes(segment.start_chunk, segment.end_chunk))
        size += segment.length
    if size != row.size or file_hash_of_root(tree.root()) != xet_hash:
        raise StorageFault(f"the list of its chunks, Xet file {to_hex(xet_hash)}, gives another file")
    if deep:
        digest = hashlib.sha256()
        for piece in chunked.read(hub, xet_hash, 0, row.size):
            digest.update(piece)
        if digest.hexdigest() != row.sha256:
            raise StorageFault("its chunks give another sha256")


def check_xorbs(hub: Hub, deep: bool, _repair: bool, progress: Progress) -> tuple[int, list[Fault]]:
    """Every xorb has its bytes, and its index fits them. A damaged xorb cannot be mended, only sent again."""
    count, found, after = 0, list[Fault](), b""
    while True:
        with hub.storage.catalogue.read() as tx:
            rows = xorbs.every(tx, after)
        for row in rows:
            count += 1
            progress("xorbs", count, count)
            message = _xorb_fault(hub, row, deep)
            with hub.storage.catalogue.read() as tx:
                still_there = message is not None and xorbs.get(tx, row.hash) is not None
            if message and still_there:
                found.append(Fault(to_hex(row.hash), message))
        if not rows:
            return count, found
        after = rows[-1].hash


def _xorb_fault(hub: Hub, row: XorbRow, deep: bool) -> str | None:
    key = to_hex(row.hash)
    if row.damage is not None and not deep:
        return f"it is known to be damaged: {row.damage}"
    size = hub.storage.xorbs.size(key)
    if size is None:
        return "its file is missing"
    if size != row.stored_bytes:
        return f"its file has {size} bytes, and should have {row.stored_bytes}"
    try:
        index = XorbIndex.unpack(row.chunk_index)
        if deep and verify_xorb(hub.storage.xorbs.read_range(key, 0, size, check=False), row.hash).index != index:
            return "its index does not fit its chunks"
    except (XetFormatError, StorageFault) as error:
        return str(error)
    return None


def check_orphans(hub: Hub, repair: bool) -> list[Fault]:
    """Files that no row knows: left by uploads that were interrupted before they were acknowledged."""
    found = []
    for info in hub.storage.blobs.objects.list():
        with hub.storage.catalogue.read() as tx:
            row = blobs.get(tx, info.key)
        if (row is None or not row.is_whole) and is_settled(info.modified):
            found.append(_orphan(f"blobs/{info.key}", repair and remove_whole(hub, info.key)))
    for info in hub.storage.xorbs.list():
        with hub.storage.catalogue.read() as tx:
            known = xorbs.get(tx, from_hex(info.key)) is not None
        if not known and is_settled(info.modified):
            found.append(_orphan(f"xorbs/{info.key}", repair and remove_xorb(hub, info.key)))
    return found


def _orphan(subject: str, mended: bool) -> Fault:
    return Fault(subject, "no row of the catalogue knows this file", lost=False, mended=mended)
