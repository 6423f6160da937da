"""Checksums of the blocks of stored objects: whether bytes on disk are still those that were verified.

The checksums of an object lie beside it, in a file of their own::

    8 bytes    magic
    8 bytes    size of the object, little-endian
    8 bytes    XXH3-64 of each block of 1 MiB, the last one may be shorter, little-endian
    8 bytes    XXH3-64 of all that goes before

They find damage by chance, not by intent: who can write to the disk can write both. The object's name, a cryptographic
hash, finds that, where the object is read as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

from xxhash import xxh3_64, xxh3_64_intdigest

BLOCK_BYTES = 1024 * 1024
_MAGIC = b"xxh3-1M\n"
_NUMBER = struct.Struct("<Q")

Buffer: TypeAlias = bytes | memoryview


class Blocks:
    """The checksums of one object of ``size`` bytes."""

    __slots__ = ("_sums", "size")

    def __init__(self, size: int, sums: bytes) -> None:
        self.size = size
        self._sums = sums

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and (self.size, self._sums) == (other.size, other._sums)

    __hash__ = None  # type: ignore[assignment]

    def first_wrong(self, data: Buffer, start: int) -> int | None:
        """The number of the first block of ``data`` that is not as it was, or None.

        ``data`` begins at byte ``start``, where a block begins, and ends where one ends.
        """
        number = start // BLOCK_BYTES
        for offset in range(0, len(data), BLOCK_BYTES):
            block = data if len(data) <= BLOCK_BYTES else memoryview(data)[offset : offset + BLOCK_BYTES]
            if self._sums[8 * number : 8 * number + 8] != _NUMBER.pack(xxh3_64_intdigest(block)):
                return number
            number += 1
        return None

    def pack(self) -> bytes:
        body = _MAGIC + _NUMBER.pack(self.size) + self._sums
        return body + _NUMBER.pack(xxh3_64_intdigest(body))

    @classmethod
    def unpack(cls, data: bytes) -> Blocks | None:
        """None where ``data`` is not what ``pack`` gave."""
        body, end = data[:-8], data[-8:]
        if len(body) < 16 or not body.startswith(_MAGIC) or end != _NUMBER.pack(xxh3_64_intdigest(body)):
            return None
        size: int = _NUMBER.unpack_from(body, len(_MAGIC))[0]
        sums = body[16:]
        return cls(size, sums) if len(sums) == 8 * -(-size // BLOCK_BYTES) else None


class BlockSums:
    """Takes an object's bytes in order, in pieces of any size, and gives its checksums."""

    __slots__ = ("_left", "_sums", "_unfinished", "size")

    def __init__(self) -> None:
        self.size = 0
        self._sums = bytearray()
        self._unfinished = xxh3_64()
        self._left = BLOCK_BYTES

    def update(self, data: Buffer) -> None:
        self.size += len(data)
        for piece, ends in self._cut(memoryview(data)):
            if ends and len(piece) == BLOCK_BYTES:
                self._sums += _NUMBER.pack(xxh3_64_intdigest(piece))
            else:
                self._unfinished.update(piece)
                if ends:
                    self._end()

    def finish(self) -> Blocks:
        """The checksums of all that came; more may follow."""
        rest = b"" if self._left == BLOCK_BYTES else _NUMBER.pack(self._unfinished.intdigest())
        return Blocks(self.size, bytes(self._sums) + rest)

    def _end(self) -> None:
        self._sums += _NUMBER.pack(self._unfinished.intdigest())
        self._unfinished.reset()

    def _cut(self, view: memoryview) -> Iterator[tuple[memoryview, bool]]:
        """Pieces that do not reach beyond a block, and whether each ends one."""
        while view:
            piece = view[: self._left]
            view = view[self._left :]
            self._left -= len(piece)
            ends = self._left == 0
            if ends:
                self._left = BLOCK_BYTES
            yield piece, ends
