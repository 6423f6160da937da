"""The header of a GGUF file, versions 2 and 3: its metadata and the list of its tensors.

Layout (ggml, docs/gguf.md): ``GGUF``, u32 version, u64 tensors, u64 metadata pairs, the pairs, then for each tensor
its name, dimensions (fastest first), type and offset. Little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from openshelf.analysis.checkpoints.safetensors_header import TensorInfo
from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

MAX_PAIRS = 10_000
MAX_TENSORS = 100_000
MAX_READ = 64 * 1024 * 1024
_BLOCK = 256 * 1024
_MOST_TEXT = 4 * 1024 * 1024
_MOST_SHOWN = 8
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
# Type number: name, values in a block, bytes of a block (ggml.h and ggml-quants.h).
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """``metadata``: pairs of name and value as text, long arrays cut. Shapes are slowest dimension first."""

    version: int
    metadata: tuple[tuple[str, str], ...]
    tensors: tuple[TensorInfo, ...]
    header_bytes: int
    problems: tuple[str, ...] = ()


def read_gguf_header(ranges: RangeReader) -> GgufHeader:
    """Reads the header alone. Raises UnreadableFile where it is cut, malformed or too large."""
    cursor = _Cursor(ranges)
    if cursor.take(4) != b"GGUF":
        raise UnreadableFile("at byte 0 the word GGUF should stand")
    version = cursor.number("I")
    if version not in (2, 3):
        raise UnreadableFile(f"it is of version {version}; versions 2 and 3 are read here")
    count, pairs = cursor.number("Q"), cursor.number("Q")
    if count > MAX_TENSORS or pairs > MAX_PAIRS:
        raise UnreadableFile(f"at byte 8 it says to have {count:,} tensors and {pairs:,} pairs of metadata: too many")
    metadata = [(cursor.text(), cursor.value(cursor.number("I"))) for _ in range(pairs)]
    raw = [_raw_tensor(cursor) for _ in range(count)]
    alignment = next((int(v) for k, v in metadata if k == "general.alignment" and v.isdecimal()), 32) or 32
    start = -(-cursor.place // alignment) * alignment
    problems: list[str] = []
    tensors = [_tensor(found, start, ranges.size, problems) for found in raw]
    return GgufHeader(version, tuple(metadata), tuple(tensors), cursor.place, tuple(problems[:10]))


def _raw_tensor(cursor: _Cursor) -> tuple[str, list[int], int, int]:
    name, dimensions = cursor.text(), cursor.number("I")
    if dimensions > 8:
        raise UnreadableFile(f"at byte {cursor.place:,} a tensor says to have {dimensions:,} dimensions")
    return name, [cursor.number("Q") for _ in range(dimensions)], cursor.number("I"), cursor.number("Q")


def _tensor(raw: tuple[str, list[int], int, int], start: int, size: int, problems: list[str]) -> TensorInfo:
    name, sides, number, offset = raw
    dtype, values, block = TYPES.get(number, (f"type {number}", 1, 0))
    parameters = 1
    for side in sides:
        parameters *= side
    begin, length = start + offset, parameters // values * block
    if number not in TYPES:
        problems.append(f"{name[:200]}: the type {number} is not known")
    if begin + length > size:
        problems.append(f"{name[:200]}: it should end at byte {begin + length:,}, but the file ends at byte {size:,}")
    return TensorInfo(name, dtype, tuple(reversed(sides)), begin, begin + length)


class _Cursor:
    """Reads on from where it is, in blocks."""

    def __init__(self, ranges: RangeReader) -> None:
        self.ranges = ranges
        self.place = 0
        self._block, self._from = b"", 0

    def take(self, length: int) -> bytes:
        end = self.place + length
        if end > min(self.ranges.size, MAX_READ):
            limit = "the file ends" if end > self.ranges.size else "this hub stops reading headers"
            raise UnreadableFile(f"the header goes on past byte {min(self.ranges.size, MAX_READ):,}, where {limit}")
        if end > self._from + len(self._block):
            self._from = self.place
            upto = min(self.ranges.size, MAX_READ, max(end, self.place + _BLOCK))
            self._block = self.ranges.read(self.place, upto)
        found = self._block[self.place - self._from : end - self._from]
        self.place = end
        return found

    def number(self, code: str) -> int:
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def text(self) -> str:
        length = self.number("Q")
        if length > _MOST_TEXT:
            raise UnreadableFile(f"at byte {self.place - 8:,} a text says to have {length:,} bytes")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> str:
        if kind == _TEXT:
            text = self.text()
            return text if len(text) <= 4000 else text[:4000] + "…"
        if kind == _ARRAY and depth < 4:
            return self._array(depth)
        if kind not in _SCALARS:
            raise UnreadableFile(f"at byte {self.place:,} a value of the type {kind} begins, which is not known")
        code = "<" + _SCALARS[kind]
        found = struct.unpack(code, self.take(struct.calcsize(code)))[0]
        return f"{found:.6g}" if isinstance(found, float) else str(found)

    def _array(self, depth: int) -> str:
        kind, length = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            width = struct.calcsize("<" + _SCALARS[kind])
            shown = [self.value(kind) for _ in range(min(length, _MOST_SHOWN))]
            self._skip((length - len(shown)) * width)
        else:
            if length > 2_000_000:
                raise UnreadableFile(f"at byte {self.place - 8:,} an array says to have {length:,} members")
            shown = []
            for number in range(length):
                if number < _MOST_SHOWN or kind != _TEXT:
                    shown.append(self.value(kind, depth + 1))
                    del shown[_MOST_SHOWN:]
                else:
                    self._skip(self.number("Q"))
        return f"[{', '.join(shown)}{', …' if length > len(shown) else ''}] ({length:,})"

    def _skip(self, length: int) -> None:
        if self.place + length > min(self.ranges.size, MAX_READ):
            self.take(length)
        self.place += length
        if not self._from <= self.place <= self._from + len(self._block):
            self._block, self._from = b"", self.place
