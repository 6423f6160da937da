"""What a pickle describes, as inert values: nothing here is ever called, hashed or compared.

Numbers, True, False, None, texts, tuples and lists are Python's own; everything else is a node of this module. Nodes
may refer to themselves and may share parts, so whoever walks them bounds the walk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_LOOKED_AT = 1000
"""Attributes of an object that is asked for one of them by name."""
Value = Any
"""None, bool, int, float, str, tuple, list, or a node of this module."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Token:
    """A name that loading the pickle would import: ``module.name``."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Span:
    """Bytes that stay where they are, ``length`` of them from the byte ``start`` of the file."""

    start: int
    length: int
    codec: str = ""
    """How a text too long to hold is written: ``utf-8``, ``raw-unicode-escape``, ``escape``; empty for bytes."""

    @property
    def is_text(self) -> bool:
        return bool(self.codec)


class ByteText(str):
    """A text of a Python 2 pickle, which may as well be bytes: ``span`` is where they are."""

    __slots__ = ("span", "unescaped")
    span: Span
    unescaped: bytes | None
    """The bytes, where those in the file have escapes."""


@dataclass(slots=True, eq=False, repr=False)
class Pairs:
    """A dict: keys with values, in order; a later pair of the same key counts."""

    pairs: list[tuple[Value, Value]] = field(default_factory=list)

    def get(self, key: str) -> Value:
        """The value of a text key, None where there is none, or where there are too many keys to look at each time."""
        if len(self.pairs) > MAX_LOOKED_AT:
            return None
        return next((value for one, value in reversed(self.pairs) if isinstance(one, str) and one == key), None)


@dataclass(slots=True, eq=False, repr=False)
class Collection:
    """A set or frozenset."""

    items: list[Value]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reference:
    """An object kept outside of the pickle, by the name ``key`` that it has there."""

    key: Value


@dataclass(slots=True, eq=False, repr=False)
class Opaque:
    """What calling ``call`` with ``args`` would give: kept as a description.

    ``states`` are what would be handed to it afterwards (``__setstate__``), ``items`` and ``pairs`` what would be
    added. ``place`` is the byte of the file that asks for the call.
    """

    call: Value
    args: Value
    place: int
    states: list[Value] | None = None
    items: list[Value] | None = None
    pairs: Pairs | None = None

    @property
    def name(self) -> str:
        """The full name of what would be called, empty where it is no import."""
        return str(self.call) if isinstance(self.call, Token) else ""

    @property
    def state(self) -> Value:
        return self.states[-1] if self.states else None


@dataclass(frozen=True, slots=True)
class Pickle:
    """One pickle: what it describes, what it would import, and the byte after its end.

    ``references`` are all objects it keeps elsewhere, in the order of the file.
    """

    value: Value
    globals: tuple[str, ...]
    protocol: int
    end: int
    references: tuple[Reference, ...] = ()
