"""Reading Xet files chunk by chunk: what to fetch for (a range of) a file, and addresses that carry the right to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openshelf.domain.access import read_scope
from openshelf.errors import BadCredentials, DamagedBytes, Forbidden, InvalidRange, NotFound, StorageFault
from openshelf.services import signing
from openshelf.services.hub import Hub
from openshelf.services.xet_access import Caller
from openshelf.services.xorb_indexes import XorbIndexes
from openshelf.storage.catalogue import blobs, xorbs
from openshelf.xet.errors import RangeNotSatisfiableError, XetFormatError
from openshelf.xet.hashes import EMPTY_FILE_HASH, to_hex
from openshelf.xet.reconstruction import FetchRange, ReconstructionPlan, merge_ranges, plan
from openshelf.xet.segments import FileSegment, unpack_segments

# A range takes at most 24 characters of the address, which shall stay under 4 kB.
RANGES_PER_ADDRESS = 120


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file that the caller may read: size in bytes."""

    file_hash: bytes
    size: int
    segments: tuple[FileSegment, ...]


def find(hub: Hub, caller: Caller, file_hash: bytes) -> XetFile:
    """Raises NotFound where no such file is stored, or none that the caller may read; DamagedBytes."""
    if file_hash == EMPTY_FILE_HASH:
        return XetFile(file_hash, 0, ())
    with hub.storage.catalogue.read() as tx:
        blob = blobs.visible_by_xet_hash(tx, read_scope(caller.actor), caller.repo.id, file_hash)
        row = xorbs.file(tx, file_hash) if blob else None
    if blob is None:
        raise NotFound(f"No file with the Xet hash {to_hex(file_hash)} is stored here.")
    if blob.damage is not None:
        raise DamagedBytes(f"blob {blob.sha256}", blob.damage)
    if row is None:
        raise StorageFault(f"Blob {blob.sha256} has a Xet hash without a file; run `openshelf fsck`.")
    return XetFile(file_hash, row.size, unpack_segments(row.segments))


def reconstruct(hub: Hub, file: XetFile, byte_range: tuple[int, int] | None = None) -> ReconstructionPlan:
    """What to fetch for the whole file, or for its bytes ``[start, end)``. Raises InvalidRange, StorageFault."""
    wanted = (byte_range[0], byte_range[1] - 1) if byte_range else None
    try:
        return plan(file.segments, XorbIndexes(hub), wanted)
    except RangeNotSatisfiableError as error:
        raise InvalidRange(error.size) from None
    except XetFormatError as error:
        raise StorageFault(f"The Xet file {to_hex(file.file_hash)} cannot be read: {error}.") from None


def sign_ranges(hub: Hub, xorb_hash: bytes, ranges: Iterable[FetchRange]) -> str:
    """A text that lets whoever holds it read these bytes of a xorb, and no others, for a while."""
    spans = ",".join(f"{item.byte_start}-{item.byte_end}" for item in ranges)
    return signing.sign(hub, data_purpose(xorb_hash), {"r": spans}, hub.settings.signed_url_seconds)


def check_ranges(hub: Hub, xorb_hash: bytes, signature: str, wanted: Iterable[tuple[int, int]]) -> None:
    """Raises Forbidden unless the ``wanted`` half-open ranges may be read, and still may."""
    try:
        data = signing.verify(hub, data_purpose(xorb_hash), signature)
    except BadCredentials as error:
        raise Forbidden(error.message) from None
    spans = (span.split("-") for span in data["r"].split(","))
    allowed = merge_ranges((int(start), int(end)) for start, end in spans)
    for start, end in wanted:
        if not any(first <= start and end <= last for first, last in allowed):
            raise Forbidden(f"This address does not give bytes {start} to {end - 1}; ask for the reconstruction again.")


def data_purpose(xorb_hash: bytes) -> str:
    """What addresses of the bytes of a xorb are signed for."""
    return f"xet-data:{to_hex(xorb_hash)}"
