"""One segment of a piece: how its bytes are told, given what the base lets one expect.

The methods, of which the shortest is taken (``SAME`` first):

``same``        the bytes expected; nothing is stored.
``raw``         the bytes themselves.
``whole``       the bytes, shuffled by byte plane, then deflated.
``difference``  new - expected of each element's bit pattern, modulo its width, folded so that small steps in either
                direction are small numbers, shuffled, deflated. Exact for every bit pattern, NaN payloads and -0.0 too.
``sparse``      u32 count, then deflated: gaps between changed elements (u32, shuffled) and their folded differences.
``patch``       deflated with the expected bytes around the segment as dictionary: for texts and headers that shifted.

Shuffling puts the first bytes of all elements first, then the second bytes, and so on. Deflate is raw (RFC 1951), with
run-length matching only (Z_RLE): on planes of differences it is both the smallest and the fastest of zlib's strategies
(bf16, changes of 1 %: 0.29 of the size at 136 MB/s; 0.33 at 18 MB/s for level 6; 0.34 for the XOR of the same).
"""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Any

import numpy as np

SEGMENT = 256 * 1024
"""Bytes of a tensor that are told together. What did not change at all costs nothing, segment by segment."""
TEXT_SEGMENT = 16 * 1024
"""The same for what is no tensor: headers, configuration, tokenizers."""
REACH = 8 * 1024
"""How far before and after its own place a patched segment sees the base, within the 32 KiB that deflate can see."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Elements = np.ndarray[Any, np.dtype[Any]]
_RAW_DEFLATE = -15


class Method(StrEnum):
    SAME = "same"
    RAW = "raw"
    WHOLE = "whole"
    DIFFERENCE = "difference"
    SPARSE = "sparse"
    PATCH = "patch"


class BadSegment(ValueError):
    """Stored bytes that do not give a segment of the length that they should."""


def encode(new: Bytes, expected: Bytes | None, width: int, around: bytes = b"") -> tuple[Method, bytes]:
    """The shortest telling of ``new``; ``expected`` has its length. ``width``: bytes of an element, 1, 2, 4 or 8."""
    if expected is not None and np.array_equal(new, expected):
        return Method.SAME, b""
    stored = new.tobytes()
    found = [(Method.RAW, stored), (Method.WHOLE, _deflate(_shuffled(new, width)))]
    if expected is not None:
        folded = _fold(_elements(new, width), _elements(expected, width))
        found.append((Method.DIFFERENCE, _deflate(_shuffled(folded.view(np.uint8), width))))
        changed = np.flatnonzero(folded)
        if len(changed) * 8 <= len(folded):
            found.append((Method.SPARSE, _sparse(changed, folded[changed], width)))
    if around:
        squeezer = zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE, 9, zlib.Z_DEFAULT_STRATEGY, around)
        found.append((Method.PATCH, squeezer.compress(stored) + squeezer.flush()))
    return min(found, key=lambda one: len(one[1]))


def decode(method: Method, stored: bytes, size: int, expected: Bytes | None, width: int, around: bytes = b"") -> Bytes:
    """The ``size`` bytes that were told. Raises BadSegment; never makes more than a small multiple of ``size``."""
    if method is Method.RAW:
        found = np.frombuffer(stored, np.uint8)
    elif method is Method.PATCH:
        found = np.frombuffer(_inflate(stored, size, around), np.uint8)
    elif method is Method.WHOLE:
        found = _unshuffled(_inflate(stored, size), width)
    elif expected is None or len(expected) != size:
        raise BadSegment("it builds on a base that it does not have")
    elif method is Method.SAME:
        found = expected
    elif method is Method.DIFFERENCE:
        folded = _unshuffled(_inflate(stored, size), width).view(_unsigned(width))
        found = (_elements(expected, width) + _unfold(folded)).view(np.uint8)
    else:
        found = _from_sparse(stored, expected, width)
    if len(found) != size:
        raise BadSegment(f"it gives {len(found):,} bytes where {size:,} should be")
    return found


def _unsigned(width: int) -> np.dtype[Any]:
    return np.dtype(f"<u{width}")


def _elements(content: Bytes, width: int) -> Elements:
    return content.view(_unsigned(width))


def _fold(new: Elements, expected: Elements) -> Elements:
    """Zigzag: 0, -1, 1, -2 become 0, 1, 2, 3."""
    steps = new - expected
    one = np.array(1, steps.dtype)
    folded: Elements = (steps << one) ^ (
        np.array(0, steps.dtype) - (steps >> np.array(8 * steps.itemsize - 1, steps.dtype))
    )
    return folded


def _unfold(folded: Elements) -> Elements:
    one = np.array(1, folded.dtype)
    steps: Elements = (folded >> one) ^ (np.array(0, folded.dtype) - (folded & one))
    return steps


def _shuffled(content: Bytes, width: int) -> bytes:
    return content.reshape(-1, width).T.tobytes()


def _unshuffled(content: bytes, width: int) -> Bytes:
    return np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(width, -1).T).reshape(-1)


def _sparse(places: Elements, values: Elements, width: int) -> bytes:
    gaps = np.diff(places, prepend=-1).astype("<u4")
    told = _shuffled(gaps.view(np.uint8), 4) + _shuffled(values.view(np.uint8), width)
    return len(places).to_bytes(4, "little") + _deflate(told)


def _from_sparse(stored: bytes, expected: Bytes, width: int) -> Bytes:
    count = int.from_bytes(stored[:4], "little")
    found = _elements(expected, width).copy()
    if len(stored) < 4 or count > len(found):
        raise BadSegment("it says to change more elements than there are")
    told = _inflate(stored[4:], count * (4 + width))
    gaps = _unshuffled(told[: count * 4], 4).view("<u4")
    places = np.cumsum(gaps, dtype=np.int64) - 1
    if count and (not gaps.all() or places[-1] >= len(found)):
        raise BadSegment("it changes an element that is not there")
    found[places] += _unfold(_unshuffled(told[count * 4 :], width).view(_unsigned(width)))
    return found.view(np.uint8)


def _deflate(content: bytes) -> bytes:
    squeezer = zlib.compressobj(1, zlib.DEFLATED, _RAW_DEFLATE, 9, zlib.Z_RLE)
    return squeezer.compress(content) + squeezer.flush()


def _inflate(stored: bytes, size: int, around: bytes = b"") -> bytes:
    """Exactly ``size`` bytes, using all that is stored."""
    opener = zlib.decompressobj(_RAW_DEFLATE, around) if around else zlib.decompressobj(_RAW_DEFLATE)
    try:
        found = opener.decompress(stored, size + 1)
    except zlib.error as error:
        raise BadSegment(f"it cannot be inflated: {error}") from None
    if len(found) != size or not opener.eof or opener.unused_data:
        raise BadSegment(f"it does not inflate to just the {size:,} bytes that it should")
    return found
