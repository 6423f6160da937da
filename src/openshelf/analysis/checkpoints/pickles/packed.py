"""Pickles packed whole, as ``joblib.dump(..., compress=...)`` does: told by what they begin with, unpacked in steps."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile

MAX_UNPACKED = 512 << 20
_STEP = 1 << 20
_LOOK = 1 << 21


def _lz4() -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor()


# What a pickle of protocol 0 or 1 may begin with, so that few texts are taken for one.
_OLD = re.compile(
    rb"(\(?c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\([dl]p\d+\n|\(i[A-Za-z_][\w.]*\n|[\]}\(](q.|r....)|ccopy_reg\n)", re.DOTALL
)

_Unpacker = Callable[[], Any]
_PACKINGS: Mapping[str, tuple[tuple[bytes, ...], _Unpacker]] = {
    "zlib": ((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), zlib.decompressobj),
    "gzip": ((b"\x1f\x8b\x08",), lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)),
    "bz2": ((b"BZh",), bz2.BZ2Decompressor),
    "xz": ((b"\xfd7zXZ\0",), lambda: lzma.LZMADecompressor(memlimit=256 << 20)),
    "lzma": ((b"\x5d\0\0",), lambda: lzma.LZMADecompressor(memlimit=256 << 20)),
    "lz4": ((b"\x04\x22\x4d\x18",), _lz4),
}
_ERRORS = (zlib.error, OSError, lzma.LZMAError, EOFError, RuntimeError, ValueError, MemoryError)


def looks_pickled(head: bytes) -> bool:
    if head[:1] == b"\x80":
        return len(head) > 2 and 2 <= head[1] <= 5 and head[2:3] in b"\x95c]}(\x8c\x8aKMJGNX)C\x88\x89U\x8fBT\x8dF"
    return _OLD.match(head) is not None


def packing_of(file: OpenFile) -> str | None:
    """How a pickle is packed whole; None where it is no packed pickle. Unpacks the beginning to see."""
    head = file.read(0, min(file.size, 8))
    for name, (starts, unpacker) in _PACKINGS.items():
        if head.startswith(starts):
            return name if looks_pickled(_beginning(file, unpacker())) else None
    return None


def _beginning(file: OpenFile, unpacker: Any) -> bytes:
    """The first bytes that a file unpacks to; bzip2 gives none before a whole block of 900 kB is read."""
    found = b""
    try:
        for place in range(0, min(file.size, _LOOK), _LOOK // 16):
            found += unpacker.decompress(file.read(place, min(file.size, place + _LOOK // 16)), 256)
            if len(found) > 100:
                break
    except _ERRORS:
        pass
    return found


def unpacked(file: OpenFile, name: str, packing: str) -> bytes:
    """The pickle itself. Raises UnreadableCheckpoint where it is damaged or larger than ``MAX_UNPACKED``."""
    unpacker = _PACKINGS[packing][1]()
    found = bytearray()
    place = 0
    while not unpacker.eof and place < file.size:
        packed = file.read(place, min(file.size, place + _STEP))
        place += len(packed)
        found += _step(unpacker, packed, name, place)
        while not unpacker.eof and (left := getattr(unpacker, "unconsumed_tail", b"")):
            found += _step(unpacker, left, name, place)
            _check(found, name)
        while not unpacker.eof and not getattr(unpacker, "needs_input", True):
            found += _step(unpacker, b"", name, place)
            _check(found, name)
        _check(found, name)
    if not unpacker.eof:
        raise UnreadableCheckpoint(name, f"its {packing} data end in the middle: it is cut off", file.size)
    return cast(bytes, found)  # not copied: it may be large


def _step(unpacker: Any, packed: bytes, name: str, place: int) -> bytes:
    try:
        return bytes(unpacker.decompress(packed, _STEP))
    except _ERRORS as error:
        raise UnreadableCheckpoint(name, f"it does not unpack: {error}", place) from None


def _check(found: bytearray, name: str) -> None:
    if len(found) > MAX_UNPACKED:
        raise UnreadableCheckpoint(name, f"it unpacks to more than {MAX_UNPACKED:,} bytes, which are not read")
