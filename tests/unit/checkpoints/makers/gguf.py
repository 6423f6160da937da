"""Small GGUF files of every version and byte order, written without the library."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openshelf.analysis.checkpoints.headers.gguf import TYPES

KINDS = {"u32": (4, "I"), "i64": (11, "q"), "f32": (6, "f"), "bool": (7, "?"), "text": (8, ""), "u8": (0, "B")}


@dataclass(frozen=True, slots=True)
class Made:
    """``pairs``: name, kind, value; a list where the value is one. ``tensors``: name, shape, type number, content."""

    pairs: Sequence[tuple[str, str, Any]] = ()
    tensors: Sequence[tuple[str, tuple[int, ...], int, bytes]] = ()
    version: int = 3
    order: str = "<"
    alignment: int = 32
    offsets: Mapping[str, int] = field(default_factory=dict)

    def content(self) -> bytes:
        head = b"GGUF" + struct.pack(self.order + "I", self.version)
        head += self._length(len(self.tensors)) + self._length(len(self.pairs))
        head += b"".join(self._pair(*pair) for pair in self.pairs)
        data = b""
        for name, shape, kind, content in self.tensors:
            offset = self.offsets.get(name, len(data))
            head += self._text(name) + struct.pack(self.order + "I", len(shape))
            head += b"".join(self._length(side) for side in reversed(shape))
            head += struct.pack(self.order + "IQ", kind, offset)
            data += content + bytes(-len(content) % self.alignment)
        return head + bytes(-len(head) % self.alignment) + data

    def _length(self, length: int) -> bytes:
        return struct.pack(self.order + ("I" if self.version == 1 else "Q"), length)

    def _text(self, text: str) -> bytes:
        return self._length(len(text.encode())) + text.encode()

    def _pair(self, name: str, kind: str, value: Any) -> bytes:
        number, code = KINDS[kind]
        if not isinstance(value, list):
            return self._text(name) + struct.pack(self.order + "I", number) + self._value(code, value)
        head = struct.pack(self.order + "II", 9, number) + self._length(len(value))
        return self._text(name) + head + b"".join(self._value(code, one) for one in value)

    def _value(self, code: str, value: Any) -> bytes:
        return struct.pack(self.order + code, value) if code else self._text(value)


PAIRS: list[tuple[str, str, Any]] = [
    ("general.architecture", "text", "llama"),
    ("general.quantization_version", "u32", 2),
    ("llama.rope.freq_base", "f32", 10000.0),
    ("tokenizer.ggml.tokens", "text", [f"t{number}" for number in range(100)]),
    ("tokenizer.ggml.scores", "f32", [0.5] * 100),
    ("tokenizer.chat_template", "text", "{{ messages }}"),
    ("general.file_type", "i64", -1),
    ("llama.causal", "bool", True),
]


def whole(version: int = 3, order: str = "<") -> bytes:
    floats = struct.pack(order + "6f", *range(6))
    tensors = [("w", (2, 3), 0, floats), ("q", (2, 32), 8, bytes(range(68))), ("b", (3,), 24, b"\1\2\3")]
    return Made(PAIRS, tensors, version, order).content()


def every_type() -> bytes:
    tensors = [
        (f"blk.{number}.{name}", (2, elements), number, bytes(range(nbytes % 256)) * 2 + bytes(2 * (nbytes & ~255)))
        for number, (name, elements, nbytes) in TYPES.items()
    ]
    return Made(PAIRS, tensors).content()


def split(number: int, count: int, total: int) -> bytes:
    said: list[tuple[str, str, Any]] = [
        ("split.no", "u32", number), ("split.count", "u32", count), ("split.tensors.count", "u32", total)
    ]  # fmt: skip
    return Made([*PAIRS[:1], *said], [(f"w{number}", (4,), 0, struct.pack("<4f", *range(4)))]).content()


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "gguf version 1": lambda: {"model.gguf": whole(1)},
    "gguf version 2": lambda: {"model.gguf": whole(2)},
    "gguf version 3": lambda: {"model.gguf": whole(3)},
    "gguf big endian": lambda: {"model.gguf": whole(3, ">")},
    "gguf of every type": lambda: {"model.gguf": every_type()},
    "gguf split": lambda: {f"model-0000{number + 1}-of-00002.gguf": split(number, 2, 2) for number in range(2)},
}
