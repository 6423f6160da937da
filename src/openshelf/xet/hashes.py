"""Xet hashes: 32 raw bytes, keyed BLAKE3, written as four little-endian u64 in hex (sections 1 and 3)."""

import mmap
import re
from collections.abc import Iterable
from typing import TypeAlias

from blake3 import blake3

from openshelf.xet.errors import XetFormatError

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
Node: TypeAlias = tuple[bytes, int]
"""A hash and the number of uncompressed bytes below it."""

HASH_LENGTH = 32
EMPTY_FILE_HASH = bytes(HASH_LENGTH)

_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_FILE_KEY = bytes(32)
_RANGE_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")

_HEX_HASH = re.compile(r"[0-9a-f]{64}")

_MIN_GROUP = 3
_MAX_GROUP = 9
_DEDUP_MODULUS = 1024


def to_hex(value: bytes) -> str:
    """Write 32 raw bytes as the 64 hex digits used in URLs and JSON (each u64 byte-swapped, section 1)."""
    if len(value) != HASH_LENGTH:
        raise ValueError(f"a Xet hash has {HASH_LENGTH} bytes, not {len(value)}")
    return _swapped_hex(value)


def _swapped_hex(value: bytes) -> str:
    digits = value[::-1].hex()
    return digits[48:] + digits[32:48] + digits[16:32] + digits[:16]


def from_hex(text: str) -> bytes:
    """Read 64 lowercase hex digits into 32 raw bytes; anything else raises XetFormatError (section 1)."""
    if not _HEX_HASH.fullmatch(text):
        raise XetFormatError(f"a Xet hash is 64 lowercase hex digits, not {text[:80]!r}")
    swapped = bytes.fromhex(text)[::-1]
    return swapped[24:] + swapped[16:24] + swapped[8:16] + swapped[:8]


def chunk_hash(data: Buffer) -> bytes:
    """Hash the uncompressed bytes of one chunk."""
    return blake3(data, key=_CHUNK_KEY).digest()


def range_hash(chunk_hashes: Buffer) -> bytes:
    """Hash the concatenated chunk hashes of a file segment: proof that the sender knows the chunks."""
    return blake3(chunk_hashes, key=_RANGE_KEY).digest()


def hmac_hash(key: bytes, value: bytes) -> bytes:
    """Key a chunk hash for a deduplication answer; an all-zero key means that hashes are left as they are."""
    return blake3(value, key=key).digest() if any(key) else value


def truncated(value: bytes) -> int:
    """Return the first u64 of a hash, by which shard lookup tables are sorted."""
    return int.from_bytes(value[:8], "little")


def is_dedup_eligible(value: bytes) -> bool:
    """Tell whether clients will ask for this chunk globally (about one chunk in 1024; section 8)."""
    return int.from_bytes(value[24:], "little") % _DEDUP_MODULUS == 0


class MerkleTree:
    """A Merkle root computed as nodes arrive (section 3).

    Grouping looks at most nine nodes ahead, so each level keeps only its open group and memory grows with the
    logarithm of the number of nodes.
    """

    __slots__ = ("_closed", "_open")

    def __init__(self) -> None:
        self._open: list[list[Node]] = [[]]
        self._closed = [0]

    def extend(self, nodes: Iterable[Node]) -> None:
        """Append leaves: chunk hashes with their uncompressed lengths in bytes."""
        group = self._open[0]
        for node in nodes:
            group.append(node)
            size = len(group)
            if size >= _MIN_GROUP and (not node[0][24] & 3 or size == _MAX_GROUP):
                self._close(0)

    def _close(self, level: int) -> None:
        group = self._open[level]
        parent = _merge(group)
        group.clear()
        self._closed[level] += 1
        if level + 1 == len(self._open):
            self._open.append([])
            self._closed.append(0)
        above = self._open[level + 1]
        above.append(parent)
        if len(above) >= _MIN_GROUP and (not parent[0][24] & 3 or len(above) == _MAX_GROUP):
            self._close(level + 1)

    def root(self) -> bytes:
        """Close the open groups and return the root; 32 zero bytes for no nodes. The tree is then used up."""
        level = 0
        while level < len(self._open):
            group = self._open[level]
            if not self._closed[level] and len(group) <= 1:
                return group[0][0] if group else EMPTY_FILE_HASH
            if group:
                self._close(level)
            level += 1
        raise AssertionError("a Merkle tree always ends in one node")


def _merge(group: list[Node]) -> Node:
    lines = [f"{_swapped_hex(value)} : {length}\n" for value, length in group]
    digest = blake3("".join(lines).encode("ascii"), key=_NODE_KEY).digest()
    return digest, sum(length for _, length in group)


def merkle_root(nodes: Iterable[Node]) -> bytes:
    """Return the Merkle root of (hash, length in bytes) pairs; 32 zero bytes for none (section 3)."""
    tree = MerkleTree()
    tree.extend(nodes)
    return tree.root()


def xorb_hash(chunks: Iterable[Node]) -> bytes:
    """Name a xorb by its chunks' (hash, uncompressed length in bytes); one chunk names the xorb by itself."""
    return merkle_root(chunks)


def file_hash(chunks: Iterable[Node]) -> bytes:
    """Name a file (``X-Xet-Hash``) by its chunks' (hash, length in bytes); an empty file is 32 zero bytes."""
    tree = MerkleTree()
    tree.extend(chunks)
    return file_hash_of_root(tree.root())


def file_hash_of_root(root: bytes) -> bytes:
    """Turn the Merkle root of a file's chunks into the file hash."""
    return EMPTY_FILE_HASH if root == EMPTY_FILE_HASH else blake3(root, key=_FILE_KEY).digest()
