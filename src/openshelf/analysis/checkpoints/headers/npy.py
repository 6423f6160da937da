"""The header of a NumPy array file (NEP 1, versions 1 to 3): type, shape and order; the data is not read."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from math import prod

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

MAX_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """``has_objects``: whether the data are pickled Python objects, which no hub and no careful reader loads."""

    version: tuple[int, int]
    dtype: str
    shape: tuple[int, ...]
    is_fortran: bool
    data_start: int
    has_objects: bool

    @property
    def values(self) -> int:
        return prod(self.shape)


def read_npy_header(ranges: RangeReader) -> NpyHeader:
    """Raises UnreadableFile where the header is cut or malformed."""
    head = ranges.read(0, min(12, ranges.size))
    if len(head) < 12 or not head.startswith(b"\x93NUMPY"):
        raise UnreadableFile("a NumPy file begins with 12 bytes of magic word, version and length")
    version = head[6], head[7]
    if version[0] not in (1, 2, 3):
        raise UnreadableFile(f"it is of version {version[0]}.{version[1]}; versions 1 to 3 are known")
    start = 10 if version[0] == 1 else 12
    length = int.from_bytes(head[8:start], "little")
    if length > MAX_HEADER:
        raise UnreadableFile(f"its header says to have {length:,} bytes; at most {MAX_HEADER:,} are read")
    written = ranges.read(start, start + length).decode("utf-8", "replace")
    return _parse(written, version, start + length)


def _parse(written: str, version: tuple[int, int], data_start: int) -> NpyHeader:
    if re.search(r"[\[({]{33}", re.sub(r"[^\[\](){}]+", "", written)):
        raise UnreadableFile("its header is nested too deep")
    try:
        found = ast.literal_eval(written.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise UnreadableFile(f"its header is not a Python literal: {written[:80]!r}") from None
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise UnreadableFile("its header must have descr, fortran_order and shape, and nothing else")
    shape, order = found["shape"], found["fortran_order"]
    if not isinstance(shape, tuple) or len(shape) > 64 or not all(type(side) is int and side >= 0 for side in shape):
        raise UnreadableFile("its header has no proper shape")
    dtype = found["descr"] if isinstance(found["descr"], str) else repr(found["descr"])
    return NpyHeader(version, dtype[:500], shape, order is True, data_start, "O" in re.sub(r"'[^']*'\s*,", "", dtype))
