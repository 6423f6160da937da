"""Xorb bodies: walk, verify and decode chunk records (section 4)."""

from collections.abc import Iterator
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


def verify_xorb(body: Buffer, expected_hash: bytes | None = None) -> VerifiedXorb:
    """Read a whole xorb (bytes, memoryview or mmap), decompress and hash every chunk, and name it.

    Raises XetFormatError for anything malformed or over the limits, and when the hash is not expected_hash.
    Costs about 1 CPU-second per GB of raw bytes; run it off the event loop.
    """
    if len(body) > MAX_XORB_BODY:
        raise XetFormatError(f"the xorb has {len(body)} bytes; at most {MAX_XORB_BODY} are allowed")
    hashes, body_ends, raw_ends = bytearray(), [], []
    raw_end = 0
    with memoryview(body) as view:
        for record in _records(view, 0):
            raw_end += record.raw_length
            _check_totals(record, raw_end)
            hashes += chunk_hash(_decode(view, record))
            body_ends.append(record.end)
            raw_ends.append(raw_end)
    if not body_ends:
        raise XetFormatError("the xorb holds no chunk", 0)
    index = XorbIndex(bytes(hashes), tuple(body_ends), tuple(raw_ends))
    footer_length = len(body) - index.body_length
    if footer_length > _FOOTER_BASE + _FOOTER_PER_CHUNK * len(index):
        raise XetFormatError(f"the xorb's footer has {footer_length} bytes, too many for {len(index)} chunks")
    computed = xorb_hash(index.nodes())
    if expected_hash is not None and computed != expected_hash:
        raise XetFormatError(f"the xorb's hash is {to_hex(computed)}, not {to_hex(expected_hash)}")
    return VerifiedXorb(computed, index, footer_length)


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


def _records(view: memoryview, first_chunk: int) -> Iterator[_Record]:
    """Walk the record headers up to a footer or the end; first_chunk is the number of the first record."""
    start, chunk = 0, first_chunk
    while start < len(view):
        header = bytes(view[start : start + RECORD_HEADER_LENGTH])
        if header.startswith(FOOTER_MARK):
            return
        record = _parse_header(header, chunk, start)
        if record.end > len(view):
            raise XetFormatError(
                f"chunk {chunk} at byte {start} should end at byte {record.end}, but the data ends at {len(view)}",
                start,
            )
        yield record
        start, chunk = record.end, chunk + 1


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


def _decode(view: memoryview, record: _Record) -> bytes:
    # Released at once: an error that is still being handled must not keep the caller's mmap open.
    with view[record.start + RECORD_HEADER_LENGTH : record.end] as payload:
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
