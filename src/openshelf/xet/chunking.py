"""Content-defined chunking (gearhash), byte-exact with the Xet clients (section 2).

The rolling hash is ``h = (h << 1) + GEAR[byte]``, so it depends on the last 64 bytes only, and at every position
where a cut is allowed it is the same wherever the chunk began. That lets numpy find all candidate cuts of a block at
once (doubling the window from 1 to 64 bytes in six steps) before a plain loop picks the cuts.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from openshelf.xet.gear import GEAR
from openshelf.xet.hashes import Buffer

MIN_CHUNK = 8192
TARGET_CHUNK = 65536
MAX_CHUNK = 131072

_WINDOW = 64
_HISTORY = _WINDOW - 1
# Measured best: the scratch arrays of a block stay in the second-level cache, and numpy's cost per call is spread.
_BLOCK = 32 * 1024
# A cut needs the top 16 of 64 bits to be zero, that is the upper half below 2^16.
_CUT_BELOW = np.uint32(1 << 16)


class _CandidateScan:
    """Finds where a stream may be cut; carries the last 63 bytes from block to block."""

    __slots__ = ("_bytes", "_hashes", "_shifted", "_upper")

    def __init__(self) -> None:
        size = _BLOCK + _HISTORY
        self._bytes = np.zeros(size, dtype=np.uint8)
        self._hashes = np.empty(size, dtype=np.uint64)
        self._shifted = np.empty(size, dtype=np.uint64)
        self._upper = np.empty(_BLOCK, dtype=np.uint32)

    def cuts(self, block: memoryview) -> list[int]:
        """Return the offsets in the block (1 to its length) after which the top 16 bits of the hash are zero."""
        count = len(block)
        total = count + _HISTORY
        window = self._bytes[:total]
        window[_HISTORY:] = np.frombuffer(block, dtype=np.uint8)
        upper = self._upper_halves(window)
        self._bytes[:_HISTORY] = window[count:].copy()
        cuts: list[int] = (np.flatnonzero(upper < _CUT_BELOW) + 1).tolist()
        return cuts

    def _upper_halves(self, window: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Return bits 32 to 63 of the 64-byte window hash for each position that has 63 bytes before it."""
        total = len(window)
        hashes = self._hashes[:total]
        # "wrap" never applies to bytes; it spares numpy a buffered, checked copy.
        np.take(GEAR, window, out=hashes, mode="wrap")
        width = 1
        while width < _WINDOW // 2:
            older = np.left_shift(hashes[:-width], np.uint64(width), out=self._shifted[: total - width])
            hashes[width:] += older
            width *= 2
        # The last doubling shifts by 32 bits, so only the lower halves of the older sums reach the upper halves.
        halves = hashes.view(np.uint32)
        count = total - _HISTORY
        first = _HISTORY - width
        lower, newer = halves[2 * first : 2 * (first + count) : 2], halves[2 * _HISTORY + 1 :: 2]
        return np.add(lower, newer, out=self._upper[:count])


class Chunker:
    """Cuts a stream into chunks, however it is split into pieces; keeps at most one chunk and 1 MiB of scratch."""

    __slots__ = ("_pending", "_scan")

    def __init__(self) -> None:
        self._pending = bytearray()
        self._scan = _CandidateScan()

    def push(self, data: Buffer) -> list[bytes]:
        """Take the next bytes of the stream and return the chunks that they complete."""
        chunks: list[bytes] = []
        with memoryview(data) as whole, whole.cast("B") as view:
            for start in range(0, len(view), _BLOCK):
                with view[start : start + _BLOCK] as block:
                    self._cut(block, chunks)
        return chunks

    def _cut(self, block: memoryview, chunks: list[bytes]) -> None:
        taken = 0
        for candidate in self._scan.cuts(block):
            taken = self._force(block, taken, candidate, chunks)
            if len(self._pending) + candidate - taken >= MIN_CHUNK:
                chunks.append(self._complete(block[taken:candidate]))
                taken = candidate
        taken = self._force(block, taken, len(block), chunks)
        self._pending += block[taken:]

    def _force(self, block: memoryview, taken: int, upto: int, chunks: list[bytes]) -> int:
        """Cut at the maximum wherever the block's bytes before upto reach it; return how many are in chunks now."""
        while len(self._pending) + upto - taken >= MAX_CHUNK:
            forced = taken + MAX_CHUNK - len(self._pending)
            chunks.append(self._complete(block[taken:forced]))
            taken = forced
        return taken

    def _complete(self, rest: memoryview) -> bytes:
        chunk = b"".join((self._pending, rest))
        self._pending.clear()
        return chunk

    def finish(self) -> bytes | None:
        """Return the last chunk (it may be shorter than MIN_CHUNK), or None, and start afresh."""
        last = bytes(self._pending)
        self.__init__()  # type: ignore[misc]
        return last or None


def iter_chunks(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield the chunks of a stream given as pieces of any size; an empty stream has none."""
    chunker = Chunker()
    for piece in pieces:
        yield from chunker.push(piece)
    last = chunker.finish()
    if last is not None:
        yield last
