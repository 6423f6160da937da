"""What must hold before a file of a shard is accepted (section 9)."""

from collections.abc import Callable
from typing import TypeAlias

from openshelf.xet.errors import UnknownXorbError, XetFormatError
from openshelf.xet.hashes import MerkleTree, file_hash_of_root, to_hex
from openshelf.xet.segments import FileSegment
from openshelf.xet.shards import ShardFile
from openshelf.xet.xorb_index import XorbIndex

XorbLookup: TypeAlias = Callable[[bytes], XorbIndex | None]
"""From a xorb hash to its index, or None if the xorb is not stored (or not visible to who asks)."""


def validate_file(file: ShardFile, lookup: XorbLookup) -> int:
    """Check one file of an uploaded shard against the stored xorbs and return its size in bytes.

    Every segment must lie inside its xorb, have the length it claims and a correct verification hash, and the
    file hash must be the one of the concatenated chunks. Raises UnknownXorbError for a xorb that lookup does not
    know, XetFormatError for the rest. Reads no file data. Consecutive segments of one xorb cost one look-up.
    The sha256 is only a claim and is not checked here.
    """
    name = f"file {to_hex(file.file_hash)}"
    proofs = file.verification
    if proofs is None or len(proofs) != len(file.segments):
        raise XetFormatError(f"{name} lacks a verification hash for each of its {len(file.segments)} segments")
    tree = MerkleTree()
    known: tuple[bytes, XorbIndex] | None = None
    for number, (segment, proof) in enumerate(zip(file.segments, proofs, strict=True)):
        if known is None or known[0] != segment.xorb_hash:
            known = segment.xorb_hash, find_xorb(segment.xorb_hash, lookup)
        _check_segment(f"segment {number} of {name}", segment, proof, known[1])
        tree.extend(known[1].nodes(segment.start_chunk, segment.end_chunk))
    computed = file_hash_of_root(tree.root())
    if computed != file.file_hash:
        raise XetFormatError(f"{name} is made of chunks that have the file hash {to_hex(computed)}")
    return sum(segment.length for segment in file.segments)


def find_xorb(xorb_hash: bytes, lookup: XorbLookup) -> XorbIndex:
    """Return the index of a xorb, or raise UnknownXorbError."""
    index = lookup(xorb_hash)
    if index is None:
        raise UnknownXorbError(f"xorb {to_hex(xorb_hash)} is not stored here", xorb_hash)
    return index


def check_inside(segment: FileSegment, index: XorbIndex) -> None:
    """Raise XetFormatError unless the segment lies inside its xorb and has the length that it claims."""
    if not 0 <= segment.start_chunk < segment.end_chunk <= len(index):
        raise XetFormatError(
            f"it refers to chunks {segment.start_chunk} to {segment.end_chunk} of xorb "
            f"{to_hex(segment.xorb_hash)}, which has {len(index)} chunks"
        )
    length = index.raw_length_of(segment.start_chunk, segment.end_chunk)
    if length != segment.length:
        raise XetFormatError(f"it claims {segment.length} bytes, but its chunks have {length}")


def _check_segment(name: str, segment: FileSegment, proof: bytes, index: XorbIndex) -> None:
    try:
        check_inside(segment, index)
    except XetFormatError as error:
        raise XetFormatError(f"{name} is wrong: {error}") from None
    if index.range_hash(segment.start_chunk, segment.end_chunk) != proof:
        raise XetFormatError(f"{name} has a wrong verification hash")
