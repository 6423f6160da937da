"""Reading files that are kept as chunks."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence

from openshelf.errors import StorageFault
from openshelf.services.hub import Hub
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import xorbs
from openshelf.storage.direct import PAGE_BYTES
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import Buffer, to_hex
from openshelf.xet.reads import MAX_READ, XorbRead, decode_read, plan_reads
from openshelf.xet.segments import FileSegment, unpack_segments
from openshelf.xet.xorb_index import MAX_CHUNK_PAYLOAD
from openshelf.xet.xorbs import feed_chunks

PIECE_BYTES = 1024 * 1024


def read(hub: Hub, xet_hash: bytes, start: int, end: int) -> Iterator[bytes]:
    """The bytes ``[start, end)`` of a Xet file, each chunk checked against its hash, in pieces of about 1 MiB.

    Raises StorageFault where the file is not known, or bytes of it are missing or damaged.
    """
    with hub.storage.catalogue.read() as tx:
        row = xorbs.file(tx, xet_hash)
    if row is None or not 0 <= start <= end <= row.size:
        raise StorageFault(f"Bytes {start} to {end} of the Xet file {to_hex(xet_hash)} are not stored.")
    if start == end:
        return iter(())
    return _join(chunks(hub, unpack_segments(row.segments), XorbIndexes(hub), (start, end - 1)))


def chunks(
    hub: Hub,
    segments: Sequence[FileSegment],
    indexes: XorbIndexes,
    byte_range: tuple[int, int] | None = None,
) -> Iterator[Buffer]:
    """The chunks of a file, or of its bytes first..last inclusive, in pieces of at most 128 KiB.

    Raises StorageFault where they are missing, DamagedBytes where they are malformed or damaged.
    """
    for step in _steps(segments, indexes, byte_range):
        # Each chunk has a hash of its own, which says more than the checksum of the block around it.
        key = to_hex(step.xorb_hash)
        records = hub.storage.xorbs.read_range(key, step.byte_start, step.byte_end, check=False)
        try:
            yield from decode_read(step, records)
        except XetFormatError as error:
            raise hub.storage.xorbs.report(key, f"{error}") from None


def feed(
    hub: Hub,
    segments: Sequence[FileSegment],
    indexes: XorbIndexes,
    take: Callable[[Buffer], object],
    passed: Callable[[int], object],
) -> None:
    """Give ``take`` all bytes of a file in turn, for it to hash; ``passed`` is told how many, every few MiB.

    Nothing is compared with its hash, nor copied, nor left in the page cache. Raises as ``chunks`` does.
    """
    with mmap.mmap(-1, MAX_READ + MAX_CHUNK_PAYLOAD + 4 * PAGE_BYTES) as buffer:
        for step in _steps(segments, indexes):
            key = to_hex(step.xorb_hash)
            with hub.storage.xorbs.read_once(key, step.byte_start, step.byte_end, buffer) as records:
                try:
                    passed(feed_chunks(records, take))
                except XetFormatError as error:
                    raise hub.storage.xorbs.report(key, f"{error}") from None


def _steps(
    segments: Sequence[FileSegment], indexes: XorbIndexes, byte_range: tuple[int, int] | None = None
) -> Iterator[XorbRead]:
    try:
        yield from plan_reads(segments, indexes, byte_range)
    except XetFormatError as error:
        raise StorageFault(f"A stored Xet file cannot be read: {error}. Run `openshelf fsck`.") from None


def _join(pieces: Iterator[Buffer]) -> Iterator[bytes]:
    """Larger pieces: each costs its reader a change of threads."""
    waiting: list[Buffer] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
