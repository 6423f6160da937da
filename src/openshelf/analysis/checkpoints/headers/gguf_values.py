"""Values of the metadata of GGUF files: texts, numbers, and lists of which the beginning is kept."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.checkpoints.containers.byte_cursor import ByteCursor, Malformed

KEPT = 64
"""Members of a list that are kept; vocabularies have hundreds of thousands."""
_MOST_MEMBERS = 50_000_000
_MOST_DEPTH = 2
_MOST_SHOWN, _MOST_SHOWN_TEXT = 8, 4000
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufList:
    """A list of ``length`` members, of which ``first`` are kept. Its members begin at the byte ``start``."""

    length: int
    first: tuple[Any, ...]
    start: int


def skipped_or_kept(cursor: ByteCursor, kind: int, depth: int = 0) -> Any:
    """The value that begins at the cursor. Raises UnreadableFile."""
    if kind == _TEXT:
        return cursor.text()
    if kind in _SCALARS:
        return cursor.scalar(_SCALARS[kind])
    if kind == _ARRAY and depth < _MOST_DEPTH:
        return _list(cursor, depth)
    why = "lists are nested too deep" if kind == _ARRAY else f"a value of the type {kind} begins, which is not known"
    raise Malformed(cursor.place, why)


def _list(cursor: ByteCursor, depth: int) -> GgufList:
    place = cursor.place
    kind, length = cursor.number("I"), cursor.number(cursor.lengths)
    left = cursor.ranges.size - cursor.place
    # No member takes less than this, so that a count alone cannot cost time.
    least = struct.calcsize("<" + _SCALARS[kind]) if kind in _SCALARS else 4
    if length > _MOST_MEMBERS or length * least > left:
        raise Malformed(place, f"a list says to have {length:,} members, more than can follow")
    if kind == _ARRAY and length > KEPT:
        raise Malformed(place, f"a list of {length:,} lists is not read; at most {KEPT} are")
    start = cursor.place
    first = tuple(skipped_or_kept(cursor, kind, depth + 1) for _ in range(min(length, KEPT)))
    if kind in _SCALARS:
        cursor.skip((length - len(first)) * least)
    elif kind == _TEXT:
        cursor.skip_texts(length - len(first))
    return GgufList(length, first, start)


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, GgufList):
        more = ", …" if value.length > _MOST_SHOWN else ""
        return f"[{', '.join(shown(one) for one in value.first[:_MOST_SHOWN])}{more}] ({value.length:,})"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _MOST_SHOWN_TEXT else text[:_MOST_SHOWN_TEXT] + "…"


def as_json(value: Any) -> Any:
    """A value of texts, numbers, lists and mappings; of a long list the length and its beginning."""
    if not isinstance(value, GgufList):
        return value
    first = [as_json(one) for one in value.first]
    return first if value.length == len(first) else {"length": value.length, "first": first[:_MOST_SHOWN]}
