"""Pickles written opcode by opcode, so that they can say what no class of this house is: PyTorch, joblib, anything."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Name:
    """An import."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A call of an import, and the state set afterwards."""

    call: Name
    args: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class Kept:
    """An object kept outside of the pickle."""

    key: Any


def pickled(value: Any, protocol: int = 2) -> bytes:
    return bytes([0x80, protocol]) + _written(value) + b"."


def _written(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        if not 0 <= value < 1 << 31:
            return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_written, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_written(key) + _written(one) for key, one in value.items()) + b"u"
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Kept):
        return _written(value.key) + b"Q"
    assert isinstance(value, Call)
    made = _written(value.call) + _written(value.args) + b"R"
    return made if value.state is None else made + _written(value.state) + b"b"
