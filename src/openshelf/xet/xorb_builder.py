"""Building xorbs from raw chunks, for background chunking of what did not arrive through Xet."""

from dataclasses import dataclass

from openshelf.xet import hashes
from openshelf.xet.chunking import MAX_CHUNK
from openshelf.xet.compression import compress
from openshelf.xet.hashes import Buffer
from openshelf.xet.xorb_index import MAX_XORB_CHUNKS, MAX_XORB_RAW_LENGTH, XorbIndex
from openshelf.xet.xorbs import record_header


@dataclass(frozen=True, slots=True)
class BuiltXorb:
    """A finished xorb: its body without footer, its hash and its index."""

    body: bytes
    xorb_hash: bytes
    index: XorbIndex


class XorbBuilder:
    """Collects chunks into one xorb body within the limits of section 4; holds the whole body (up to 64 MiB)."""

    __slots__ = ("_body_ends", "_hashes", "_parts", "_raw_ends")

    def __init__(self) -> None:
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._parts: list[bytes] = []
        self._hashes = bytearray()
        self._body_ends: list[int] = []
        self._raw_ends: list[int] = []

    def __len__(self) -> int:
        """Return the number of chunks collected so far."""
        return len(self._body_ends)

    @property
    def raw_length(self) -> int:
        """Return the uncompressed bytes collected so far."""
        return self._raw_ends[-1] if self._raw_ends else 0

    def fits(self, raw_length: int) -> bool:
        """Tell whether one more chunk of raw_length bytes stays within the limits."""
        return (
            0 < raw_length <= MAX_CHUNK
            and len(self) < MAX_XORB_CHUNKS
            and self.raw_length + raw_length <= MAX_XORB_RAW_LENGTH
        )

    def append(self, chunk: Buffer, chunk_hash: bytes | None = None) -> int:
        """Compress one chunk, add it and return its number in the xorb. ValueError if it does not fit."""
        if not self.fits(len(chunk)):
            raise ValueError(f"a chunk of {len(chunk)} bytes does not fit after {self.raw_length} bytes")
        scheme, payload = compress(chunk)
        header = record_header(scheme, len(payload), len(chunk))
        self._parts += (header, payload)
        self._hashes += chunk_hash or hashes.chunk_hash(chunk)
        self._body_ends.append((self._body_ends[-1] if self._body_ends else 0) + len(header) + len(payload))
        self._raw_ends.append(self.raw_length + len(chunk))
        return len(self) - 1

    def finish(self) -> BuiltXorb:
        """Return the xorb and start a new, empty one. ValueError if no chunk was added."""
        if not len(self):
            raise ValueError("a xorb needs at least one chunk")
        index = XorbIndex(bytes(self._hashes), tuple(self._body_ends), tuple(self._raw_ends))
        built = BuiltXorb(b"".join(self._parts), hashes.xorb_hash(index.nodes()), index)
        self._start_afresh()
        return built
