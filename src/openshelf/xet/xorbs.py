"""Xorb bodies: walk, verify and decode chunk records (section 4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openshelf.xet.chunking import MAX_CHUNK
from openshelf.xet.compression import Scheme, decompress
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import HASH_LENGTH, Buffer, chunk_hash, to_hex, xorb_hash
from openshelf.xet.xorb_index import (
    MAX_CHUNK_PAYLOAD,
    MAX_XORB_CHUNKS,
    MAX_XORB_RAW_LENGTH,
    RECORD_HEADER_LENGTH,
    XorbIndex,
)

MAX_XORB_BODY = 65 * 1024 * 1024
FOOTER_MARK = b"XETBLOB"
_VERSION = 0
# Version 1 of the footer has 96 bytes and 40 per chunk; older ones have less.
_FOOTER_BASE = 96
_FOOTER_PER_CHUNK = 40


@dataclass(frozen=True, slots=True)
class VerifiedXorb:
    """A xorb body whose every chunk was decompressed and hashed.

    footer_length is what follows the last chunk record; only ``index.body_length`` bytes are worth storing.
    """

    xorb_hash: bytes
    index: XorbIndex
    footer_length: int


@dataclass(frozen=True, slots=True)
class _Record:
    chunk: int
    start: int
    end: int
    scheme: int
    raw_length: int


def record_header(scheme: Scheme, payload_length: int, raw_length: int) -> bytes:
    """Return the 8 bytes that precede the payload of a chunk record; lengths in bytes."""
    fields = _VERSION | payload_length << 8 | scheme << 32 | raw_length << 40
    return fields.to_bytes(RECORD_HEADER_LENGTH, "little")


class XorbVerifier:
    """Reads a xorb body that arrives in pieces of any size: decompresses and hashes every chunk, and names the whole.

    Costs about 0.5 CPU-seconds per GB of raw bytes; run it off the event loop. Of what arrived it holds no more than
    one chunk record.
    """

    __slots__ = ("_body_ends", "_error", "_footer_length", "_hashes", "_held", "_raw_end", "_raw_ends", "_size")

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._body_ends: list[int] = []
        self._raw_ends: list[int] = []
        self._raw_end = 0
        self._size = 0
        self._footer_length = 0
        self._held = bytearray()
        self._error: XetFormatError | None = None

    def update(self, data: Buffer) -> None:
        """Take the next bytes. What is wrong with them is told by ``finish``."""
        with memoryview(data) as view:
            self._size += len(view)
            try:
                at = self._complete_held(view) if self._held else 0
                if self._footer_length:
                    self._footer_length += len(view) - at
                elif self._error is None and not self._held:
                    self._take_records(view, at)
            except XetFormatError as error:
                self._error = error
                self._held = bytearray()

    def finish(self, expected_hash: bytes | None = None) -> VerifiedXorb:
        """Raises XetFormatError for anything malformed or over the limits, and when the hash is not expected_hash."""
        if self._size > MAX_XORB_BODY:
            raise XetFormatError(f"the xorb has {self._size} bytes; at most {MAX_XORB_BODY} are allowed")
        if self._error is not None:
            raise self._error
        if self._held.startswith(FOOTER_MARK):
            self._footer_length, self._held = len(self._held), bytearray()
        if self._held:
            chunk, start = len(self._body_ends), self._size - len(self._held)
            record = _parse_header(bytes(self._held[:RECORD_HEADER_LENGTH]), chunk, start)
            raise _cut_off(record, self._size)
        if not self._body_ends:
            raise XetFormatError("the xorb holds no chunk", 0)
        index = XorbIndex(bytes(self._hashes), tuple(self._body_ends), tuple(self._raw_ends))
        if self._footer_length > _FOOTER_BASE + _FOOTER_PER_CHUNK * len(index):
            raise XetFormatError(f"the xorb's footer has {self._footer_length} bytes, too many for {len(index)} chunks")
        computed = xorb_hash(index.nodes())
        if expected_hash is not None and computed != expected_hash:
            raise XetFormatError(f"the xorb's hash is {to_hex(computed)}, not {to_hex(expected_hash)}")
        return VerifiedXorb(computed, index, self._footer_length)

    def _complete_held(self, view: memoryview) -> int:
        """Add what belongs to the record that is held, and take it when it is whole; returns how much that was."""
        at = 0
        while self._held and at < len(view):
            header = bytes(self._held[:RECORD_HEADER_LENGTH])
            wanted = RECORD_HEADER_LENGTH - len(self._held)
            if wanted <= 0:
                start = self._body_ends[-1] if self._body_ends else 0
                record = _parse_header(header, len(self._body_ends), start)
                wanted = record.end - start - len(self._held)
            with view[at : at + wanted] as piece:
                self._held += piece
                at += len(piece)
                wanted -= len(piece)
            if not wanted and self._held.startswith(FOOTER_MARK):
                self._footer_length, self._held = len(self._held), bytearray()
            elif not wanted and len(self._held) > RECORD_HEADER_LENGTH:
                held, self._held = self._held, bytearray()
                with memoryview(held) as whole:
                    self._take_records(whole, 0)
        return at

    def _take_records(self, view: memoryview, at: int) -> None:
        """Take all whole records from ``at`` on, and hold what is left; stops at a footer."""
        base = (self._body_ends[-1] if self._body_ends else 0) - at
        while at < len(view):
            header = bytes(view[at : at + RECORD_HEADER_LENGTH])
            if header.startswith(FOOTER_MARK):
                self._footer_length = len(view) - at
                return
            if len(header) < RECORD_HEADER_LENGTH:
                break
            record = _parse_header(header, len(self._body_ends), base + at)
            if record.end - base > len(view):
                break
            self._raw_end += record.raw_length
            _check_totals(record, self._raw_end)
            self._hashes += _hash_of(view, record, base)
            self._body_ends.append(record.end)
            self._raw_ends.append(self._raw_end)
            at = record.end - base
        self._held += view[at:]


def verify_xorb(body: Buffer, expected_hash: bytes | None = None) -> VerifiedXorb:
    """Read a whole xorb (bytes, memoryview or mmap); like ``XorbVerifier``."""
    if len(body) > MAX_XORB_BODY:
        raise XetFormatError(f"the xorb has {len(body)} bytes; at most {MAX_XORB_BODY} are allowed")
    verifier = XorbVerifier()
    verifier.update(body)
    return verifier.finish(expected_hash)


def read_chunks(records: Buffer, index: XorbIndex | None = None, start_chunk: int = 0) -> Iterator[bytes]:
    """Decode a slice of a xorb body that holds whole chunk records, and yield the raw bytes of each chunk.

    start_chunk is the number in the xorb of the first record. With an index every chunk is also checked against
    its recorded hash, so that damage at rest raises XetFormatError instead of being served.
    """
    with memoryview(records) as view:
        for record in _records(view, start_chunk):
            raw = _decode(view, record)
            if index is not None:
                _check_hash(raw, index, record)
            yield raw


def feed_chunks(records: Buffer, take: Callable[[Buffer], object]) -> int:
    """Like ``read_chunks`` without an index, but without copies: ``take`` gets the raw bytes of each chunk in turn.

    What it gets is good for that call only. Returns how many bytes it got.
    """
    total = 0
    with memoryview(records) as view:
        for record in _records(view, 0):
            with view[record.start + RECORD_HEADER_LENGTH : record.end] as payload:
                is_plain = record.scheme == Scheme.STORED and len(payload) == record.raw_length
                take(payload if is_plain else _decompress(payload, record))
            total += record.raw_length
    return total


def _records(view: memoryview, first_chunk: int) -> Iterator[_Record]:
    """Walk the record headers up to a footer or the end; first_chunk is the number of the first record."""
    start, chunk = 0, first_chunk
    while start < len(view):
        header = bytes(view[start : start + RECORD_HEADER_LENGTH])
        if header.startswith(FOOTER_MARK):
            return
        record = _parse_header(header, chunk, start)
        if record.end > len(view):
            raise _cut_off(record, len(view))
        yield record
        start, chunk = record.end, chunk + 1


def _cut_off(record: _Record, end: int) -> XetFormatError:
    return XetFormatError(
        f"chunk {record.chunk} at byte {record.start} should end at byte {record.end}, but the data ends at {end}",
        record.start,
    )


def _parse_header(header: bytes, chunk: int, start: int) -> _Record:
    place = f"chunk {chunk} at byte {start}"
    if len(header) < RECORD_HEADER_LENGTH:
        raise XetFormatError(f"{place} has a header of {len(header)} bytes instead of 8", start)
    fields = int.from_bytes(header, "little")
    version, payload_length = fields & 0xFF, fields >> 8 & 0xFFFFFF
    scheme, raw_length = fields >> 32 & 0xFF, fields >> 40
    if version != _VERSION:
        raise XetFormatError(f"{place} has version {version}; only 0 is known", start)
    if not 0 < raw_length <= MAX_CHUNK:
        raise XetFormatError(f"{place} declares {raw_length} bytes; 1 to {MAX_CHUNK} are allowed", start)
    if not 0 < payload_length <= MAX_CHUNK_PAYLOAD:
        raise XetFormatError(
            f"{place} declares {payload_length} compressed bytes; 1 to {MAX_CHUNK_PAYLOAD} are allowed", start
        )
    return _Record(chunk, start, start + RECORD_HEADER_LENGTH + payload_length, scheme, raw_length)


def _check_totals(record: _Record, raw_end: int) -> None:
    if record.chunk >= MAX_XORB_CHUNKS:
        raise XetFormatError(f"the xorb holds more than {MAX_XORB_CHUNKS} chunks", record.start)
    if raw_end > MAX_XORB_RAW_LENGTH:
        raise XetFormatError(
            f"chunk {record.chunk} at byte {record.start} brings the xorb to {raw_end} uncompressed bytes; "
            f"at most {MAX_XORB_RAW_LENGTH} are allowed",
            record.start,
        )


def _hash_of(view: memoryview, record: _Record, base: int) -> bytes:
    """The hash of a chunk whose record begins at ``record.start - base`` of ``view``."""
    with view[record.start - base + RECORD_HEADER_LENGTH : record.end - base] as payload:
        if record.scheme == Scheme.STORED and len(payload) == record.raw_length:
            return chunk_hash(payload)
        return chunk_hash(_decompress(payload, record))


def _decode(view: memoryview, record: _Record) -> bytes:
    # Released at once: an error that is still being handled must not keep the caller's mmap open.
    with view[record.start + RECORD_HEADER_LENGTH : record.end] as payload:
        return _decompress(payload, record)


def _decompress(payload: memoryview, record: _Record) -> bytes:
    try:
        return decompress(record.scheme, payload, record.raw_length)
    except XetFormatError as error:
        message = f"chunk {record.chunk} at byte {record.start} cannot be decoded: {error}"
        raise XetFormatError(message, record.start) from None


def _check_hash(raw: bytes, index: XorbIndex, record: _Record) -> None:
    start = record.chunk * HASH_LENGTH
    if chunk_hash(raw) != index.hashes[start : start + HASH_LENGTH]:
        raise XetFormatError(
            f"chunk {record.chunk} of the xorb is damaged: its bytes no longer have the recorded hash", record.start
        )
