"""Xorbs as they arrive: in pieces, whole, and read back by an index."""

from __future__ import annotations

from openshelf.xet.errors import XetFormatError
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import XorbVerifier, read_chunks, verify_xorb
from tests.fuzz.material import xorb
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    whole = _outcome(lambda: verify_xorb(data))
    assert _outcome(lambda: _in_pieces(data)) == whole, "in pieces it is told otherwise than whole"
    try:
        read = sum(map(len, read_chunks(data)))
    except XetFormatError:
        return
    assert not isinstance(whole, XorbIndex) or read == whole.raw_length


def _in_pieces(data: bytes) -> object:
    verifier, step = XorbVerifier(), max(1, len(data) // 7)
    for start in range(0, len(data), step):
        verifier.update(data[start : start + step])
    return verifier.finish()


def _outcome(read: object) -> object:
    assert callable(read)
    try:
        return read().index
    except XetFormatError as error:
        assert str(error)
        return "refused"


# A record of a few bytes may state a chunk of 128 KiB, and it is decoded to find out.
TARGET = Target(run, lambda: [xorb(b"a" * 3000), xorb(bytes(range(256)) * 40, b"b" * 9000)], per_byte=4096)
