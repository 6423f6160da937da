"""Snappy's raw format, unpacked within a bound.

Source: Snappy, format_description.txt. The length of the content as a varint, then pieces: bytes as they are, or a
copy of bytes that were given before. Copies may overlap what they write.
"""

from __future__ import annotations

from openshelf.analysis.files.ranges import UnreadableFile


def unpack(packed: bytes, most: int) -> bytes:
    """The content of ``packed``. Raises UnreadableFile where it is malformed, or says to have more than ``most`` bytes.

    No more than the length that it says is ever held.
    """
    length, place = _length(packed)
    if length > most:
        raise UnreadableFile(f"a Snappy block says to hold {length:,} bytes; at most {most:,} are read")
    found = bytearray()
    while place < len(packed):
        kind = packed[place]
        head = place
        if kind & 3 == 0:
            width = max(0, (kind >> 2) - 59)
            begin = place + 1 + width
            size = 1 + (int.from_bytes(packed[place + 1 : begin], "little") if width else kind >> 2)
            place = begin + size
            if place > len(packed) or len(found) + size > length:
                raise _damaged(head)
            found += packed[begin:place]
        else:
            size, back, place = _copy(packed, place)
            if not 0 < back <= len(found) or len(found) + size > length or place > len(packed):
                raise _damaged(head)
            piece = found[len(found) - back : len(found) - back + size]
            found += (piece * (size // len(piece) + 1))[:size]
    if len(found) != length:
        raise UnreadableFile(f"a Snappy block says to hold {length:,} bytes and holds {len(found):,}")
    return bytes(found)


def _length(packed: bytes) -> tuple[int, int]:
    """The length of the content, and where the pieces begin."""
    found = 0
    for place, byte in enumerate(packed[:5]):
        found |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return found, place + 1
    raise _damaged(0)


def _copy(packed: bytes, place: int) -> tuple[int, int, int]:
    """Length and distance of the copy at ``place``, and where the next piece begins."""
    kind = packed[place]
    if kind & 3 == 1:
        low = packed[place + 1] if place + 1 < len(packed) else 0
        return 4 + (kind >> 2 & 7), kind >> 5 << 8 | low, place + 2
    width = 2 if kind & 3 == 2 else 4
    back = int.from_bytes(packed[place + 1 : place + 1 + width], "little")
    return 1 + (kind >> 2), back, place + 1 + width


def _damaged(place: int) -> UnreadableFile:
    return UnreadableFile(f"a Snappy block is damaged at its byte {place:,}")
