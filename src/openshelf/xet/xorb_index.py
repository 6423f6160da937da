"""What the server keeps per xorb: each chunk's hash and where it ends, 40 bytes a chunk (section 14.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from openshelf.xet.chunking import MAX_CHUNK
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import HASH_LENGTH, Node, range_hash

MAX_XORB_CHUNKS = 8192
MAX_XORB_RAW_LENGTH = 64 * 1024 * 1024
MAX_CHUNK_PAYLOAD = 262144
RECORD_HEADER_LENGTH = 8

_PACKED_CHUNK = np.dtype([("hash", "V32"), ("body_end", "<u4"), ("raw_end", "<u4")])


@dataclass(frozen=True, slots=True)
class XorbIndex:
    """The chunks of one xorb, in order. Chunk ranges [start, end) are end-exclusive, as are byte ranges.

    hashes: the raw chunk hashes, concatenated (32 bytes each)
    body_ends: end offset in the xorb body of each chunk record (header included), bytes
    raw_ends: cumulative uncompressed length after each chunk, bytes
    """

    hashes: bytes
    body_ends: tuple[int, ...]
    raw_ends: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self.body_ends)

    @property
    def body_length(self) -> int:
        """Return the length in bytes of the chunk records, footer excluded."""
        return self.body_ends[-1]

    @property
    def raw_length(self) -> int:
        """Return the uncompressed length in bytes of all chunks."""
        return self.raw_ends[-1]

    def chunk_hash(self, chunk: int) -> bytes:
        """Return the hash of one chunk."""
        if not 0 <= chunk < len(self):
            raise IndexError(f"chunk {chunk} of {len(self)}")
        return self.hashes[chunk * HASH_LENGTH : (chunk + 1) * HASH_LENGTH]

    def nodes(self, start: int = 0, end: int | None = None) -> Iterator[Node]:
        """Yield (hash, uncompressed length) of the chunks [start, end), as the Merkle tree wants them."""
        before = self.raw_ends[start - 1] if start else 0
        at = start * HASH_LENGTH
        for raw_end in self.raw_ends[start:end]:
            yield self.hashes[at : at + HASH_LENGTH], raw_end - before
            at += HASH_LENGTH
            before = raw_end

    def raw_length_of(self, start: int, end: int) -> int:
        """Return the uncompressed length in bytes of the chunks [start, end)."""
        self._check_range(start, end)
        return self.raw_ends[end - 1] - (self.raw_ends[start - 1] if start else 0)

    def byte_range(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open byte range of the body that holds the records of the chunks [start, end)."""
        self._check_range(start, end)
        return (self.body_ends[start - 1] if start else 0), self.body_ends[end - 1]

    def range_hash(self, start: int, end: int) -> bytes:
        """Return the verification hash of the chunks [start, end)."""
        self._check_range(start, end)
        return range_hash(self.hashes[start * HASH_LENGTH : end * HASH_LENGTH])

    def _check_range(self, start: int, end: int) -> None:
        if not 0 <= start < end <= len(self):
            raise XetFormatError(f"chunks {start} to {end} were asked of a xorb with {len(self)} chunks")

    def pack(self) -> bytes:
        """Serialise to 40 bytes per chunk: hash, u32 body end, u32 raw end, little-endian."""
        packed = np.empty(len(self), dtype=_PACKED_CHUNK)
        packed["hash"] = np.frombuffer(self.hashes, dtype="V32")
        packed["body_end"] = self.body_ends
        packed["raw_end"] = self.raw_ends
        return packed.tobytes()

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Read what pack() wrote; XetFormatError if a chunk or the whole breaks the limits of section 4."""
        count, rest = divmod(len(packed), _PACKED_CHUNK.itemsize)
        if rest or not 1 <= count <= MAX_XORB_CHUNKS:
            raise XetFormatError(f"a xorb index of {len(packed)} bytes is not 1 to {MAX_XORB_CHUNKS} whole chunks")
        chunks = np.frombuffer(packed, dtype=_PACKED_CHUNK)
        for field, least, most in (
            ("body_end", RECORD_HEADER_LENGTH + 1, RECORD_HEADER_LENGTH + MAX_CHUNK_PAYLOAD),
            ("raw_end", 1, MAX_CHUNK),
        ):
            lengths = np.diff(chunks[field].astype(np.int64), prepend=0)
            wrong = np.flatnonzero((lengths < least) | (lengths > most))
            if wrong.size:
                chunk = int(wrong[0])
                raise XetFormatError(
                    f"chunk {chunk} of the xorb index has a {field} that gives it {int(lengths[chunk])} bytes; "
                    f"{least} to {most} are allowed",
                    chunk * _PACKED_CHUNK.itemsize,
                )
        if chunks["raw_end"][-1] > MAX_XORB_RAW_LENGTH:
            raise XetFormatError(f"the xorb index is of more than {MAX_XORB_RAW_LENGTH} bytes")
        return cls(chunks["hash"].tobytes(), tuple(chunks["body_end"].tolist()), tuple(chunks["raw_end"].tolist()))
