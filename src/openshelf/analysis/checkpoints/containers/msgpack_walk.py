"""MessagePack, walked in a file without reading what is skipped.

Source: the MessagePack specification (formats and type markers). Every value begins with a marker that says what it is
and how long; numbers are big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from openshelf.analysis.checkpoints.containers.byte_cursor import ByteCursor, Malformed


class Kind(Enum):
    MAP = "map"
    ARRAY = "array"
    TEXT = "text"
    BYTES = "bytes"
    EXTENSION = "extension"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Head:
    """What begins at ``start``: a length in bytes, pairs or members, or the value itself; ``code`` of an extension."""

    kind: Kind
    value: Any
    start: int
    code: int = 0


_VALUES = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = dict(enumerate("fdBHIQbhiq", 0xCA))
_LENGTHS = {
    0xC4: (Kind.BYTES, "B"), 0xC5: (Kind.BYTES, "H"), 0xC6: (Kind.BYTES, "I"), 0xC7: (Kind.EXTENSION, "B"),
    0xC8: (Kind.EXTENSION, "H"), 0xC9: (Kind.EXTENSION, "I"), 0xD9: (Kind.TEXT, "B"), 0xDA: (Kind.TEXT, "H"),
    0xDB: (Kind.TEXT, "I"), 0xDC: (Kind.ARRAY, "H"), 0xDD: (Kind.ARRAY, "I"), 0xDE: (Kind.MAP, "H"),
    0xDF: (Kind.MAP, "I"),
}  # fmt: skip
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def head(cursor: ByteCursor) -> Head:
    """The marker at the cursor, which must read big-endian, and what goes with it. Raises UnreadableFile."""
    start = cursor.place
    marker = cursor.take(1)[0]
    if marker < 0x80 or marker >= 0xE0:
        return Head(Kind.VALUE, marker if marker < 0x80 else marker - 0x100, start)
    if marker < 0xC0:
        kind = Kind.MAP if marker < 0x90 else Kind.ARRAY if marker < 0xA0 else Kind.TEXT
        return Head(kind, marker & (0x1F if kind is Kind.TEXT else 0x0F), start)
    if marker in _VALUES:
        return Head(Kind.VALUE, _VALUES[marker], start)
    if marker in _NUMBERS:
        return Head(Kind.VALUE, cursor.scalar(_NUMBERS[marker]), start)
    if marker in _FIXED_EXTENSIONS:
        return Head(Kind.EXTENSION, _FIXED_EXTENSIONS[marker], start, cursor.number("b"))
    if marker not in _LENGTHS:
        raise Malformed(start, f"the marker {marker:#x}, which MessagePack does not have")
    kind, code = _LENGTHS[marker]
    length = cursor.number(code)
    return Head(kind, length, start, cursor.number("b") if kind is Kind.EXTENSION else 0)


def text(cursor: ByteCursor, found: Head, most: int) -> str:
    """The text that a head announces; raw bytes count as text, as older writers have no other."""
    if found.kind not in (Kind.TEXT, Kind.BYTES):
        raise Malformed(found.start, f"a {found.kind.value} stands where a text belongs")
    if found.value > most:
        raise Malformed(found.start, f"a text has {found.value:,} bytes; at most {most:,} are read here")
    try:
        return cursor.take(found.value).decode()
    except UnicodeDecodeError:
        raise Malformed(found.start, "a text is not UTF-8") from None


def skip(cursor: ByteCursor, found: Head) -> None:
    """Passes over the bytes of a value that is neither a map nor an array."""
    if found.kind in (Kind.TEXT, Kind.BYTES, Kind.EXTENSION):
        cursor.skip(found.value)
