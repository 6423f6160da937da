"""Reading files that are kept as chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from openshelf.errors import StorageFault
from openshelf.services.hub import Hub
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import xorbs
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import Buffer, to_hex
from openshelf.xet.reads import XorbRead, decode_read, plan_reads
from openshelf.xet.segments import FileSegment, unpack_segments
from openshelf.xet.xorbs import read_chunks

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
    *,
    check: bool = True,
) -> Iterator[Buffer]:
    """The chunks of a file, or of its bytes first..last inclusive, in pieces of at most 128 KiB.

    Without ``check``, which must then be of a whole file, they are not compared with their hashes. Raises
    StorageFault where they are missing, DamagedBytes where they are malformed or damaged.
    """
    for step, records in _steps(hub, segments, indexes, byte_range):
        try:
            yield from decode_read(step, records) if check else read_chunks(records)
        except XetFormatError as error:
            raise hub.storage.xorbs.report(to_hex(step.xorb_hash), f"{error}") from None


def _steps(
    hub: Hub, segments: Sequence[FileSegment], indexes: XorbIndexes, byte_range: tuple[int, int] | None
) -> Iterator[tuple[XorbRead, bytes]]:
    try:
        for step in plan_reads(segments, indexes, byte_range):
            # Each chunk has a hash of its own, which says more than the checksum of the block around it.
            key = to_hex(step.xorb_hash)
            yield step, hub.storage.xorbs.read_range(key, step.byte_start, step.byte_end, check=False)
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
