"""Right inputs of every format, made by code."""

from __future__ import annotations

import io
import json
import struct

import numpy as np

from openshelf.xet.compression import compress
from openshelf.xet.hashes import file_hash
from openshelf.xet.segments import FileSegment
from openshelf.xet.shard_building import build_dedup_shard, build_upload_shard
from openshelf.xet.shards import ShardFile, ShardXorb
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import record_header, verify_xorb


def xorb(*chunks: bytes) -> bytes:
    """A xorb body of these chunks."""
    body = b""
    for raw in chunks:
        scheme, payload = compress(raw)
        body += record_header(scheme, len(payload), len(raw)) + payload
    return body


def index_of(body: bytes) -> XorbIndex:
    return verify_xorb(body).index


def segments_of(body: bytes) -> list[FileSegment]:
    """A file of all chunks of a xorb, in two segments."""
    found = verify_xorb(body)
    last = len(found.index)
    spans = [(0, 1), (1, last)] if last > 1 else [(0, 1)]
    return [FileSegment(found.xorb_hash, start, end, found.index.raw_length_of(start, end)) for start, end in spans]


def gguf() -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = text(b"general.name") + struct.pack("<I", 8) + text(b"calm")
    pairs += text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b")
    tensors = text(b"w") + struct.pack("<IQQIQ", 2, 256, 2, 12, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + pairs + tensors
    return head + bytes(-len(head) % 32) + bytes(288)


def safetensors() -> bytes:
    header = json.dumps({"__metadata__": {"a": "b"}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(8)


def npy() -> bytes:
    written = io.BytesIO()
    np.save(written, np.zeros((2, 3), dtype="<f4"))
    return written.getvalue()


def shard(body: bytes, *, footer: bool) -> bytes:
    """A shard with a file of all chunks of a xorb; one with a footer has the xorb alone, as answers to clients do."""
    found = verify_xorb(body)
    known = ShardXorb.from_index(found.xorb_hash, found.index)
    if footer:
        return build_dedup_shard([known], bytes(32), 1, 2)
    segments = tuple(segments_of(body))
    proofs = tuple(found.index.range_hash(segment.start_chunk, segment.end_chunk) for segment in segments)
    return build_upload_shard([ShardFile(file_hash(found.index.nodes()), segments, proofs, bytes(32))], [known])
