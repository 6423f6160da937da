"""Writing NumPy's .npz: a zip archive of uncompressed .npy members, of any size (zip64), in bounded memory.

Sources: APPNOTE.TXT 6.3.10 of the zip format (4.3.7 local header, 4.3.12 central directory, 4.3.14 to 4.3.16 its end,
4.5.3 zip64), and NEP 1 for the members. Nothing is compressed, so every place is known before the values are.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.writers.single import SingleFileWriter
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor

_LARGE = 0xFFFFFFFF
_UTF8 = 0x800
_NUMPY = frozenset(
    ("bool", "complex64", "complex128", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
     "uint16", "uint32", "uint64")
)  # fmt: skip
_DATE = 1 << 5 | 1
"""1980-01-01, the first that zip knows: the same tensors give the same file."""


def is_writable(dtype: str) -> bool:
    """Whether NumPy itself has this element type; ``bfloat16`` and smaller floats it has not."""
    return dtype in _NUMPY


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    start: int
    head: bytes
    nbytes: int

    @property
    def size(self) -> int:
        return len(self.head) + self.nbytes

    @property
    def data_start(self) -> int:
        return self.start + len(self.local_header(0)) + len(self.head)

    def local_header(self, crc: int) -> bytes:
        is_large = self.size >= _LARGE
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.size) if is_large else b""
        size = _LARGE if is_large else self.size
        return _pack("<4s5H3I2H", b"PK\3\4", 45 if is_large else 20, _UTF8, 0, 0, _DATE, crc, size, size,
                     len(self.name), len(extra)) + self.name + extra  # fmt: skip

    def directory_entry(self, crc: int) -> bytes:
        wide = [value for value in (self.size, self.size, self.start) if value >= _LARGE]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size, start = min(self.size, _LARGE), min(self.start, _LARGE)
        version = 45 if wide else 20
        return _pack("<4s6H3I5H2I", b"PK\1\2", version, version, _UTF8, 0, 0, _DATE, crc, size, size, len(self.name),
                     len(extra), 0, 0, 0, 0, start) + self.name + extra  # fmt: skip


def _pack(layout: str, *values: Any) -> bytes:
    return struct.pack(layout, *values)


class NpzWriter(SingleFileWriter):
    """Writes planned tensors to one .npz. The values of each tensor are to be written from its beginning on."""

    def __init__(self, path: Path, tensors: Sequence[PlannedTensor]) -> None:
        self._members: dict[str, _Member] = {}
        self._sums: dict[str, int] = {}
        place = 0
        for tensor in tensors:
            member = _Member(_member_name(tensor.name), place, _npy_header(tensor), tensor.nbytes)
            if tensor.name in self._members:
                raise NotWritable(f"the name {tensor.name!r} stands twice")
            self._members[tensor.name] = member
            self._sums[tensor.name] = zlib.crc32(member.head)
            place = member.data_start + tensor.nbytes
        self._directory_start = place
        places = {name: (member.data_start, member.nbytes) for name, member in self._members.items()}
        heads = ((member.data_start - len(member.head), member.head) for member in self._members.values())
        super().__init__(path, place, heads, places)

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        if offset != self.written[name]:
            raise NotWritable(f"the values of {name!r} are to be written in order, for their checksum")
        super().write(name, offset, data)
        self._sums[name] = zlib.crc32(data, self._sums[name])

    def complete(self) -> None:
        directory = io.BytesIO()
        for name, member in self._members.items():
            self.put(self.path.name, member.start, member.local_header(self._sums[name]))
            directory.write(member.directory_entry(self._sums[name]))
        size, start, count = directory.tell(), self._directory_start, len(self._members)
        if count >= 0xFFFF or size >= _LARGE or start >= _LARGE:
            directory.write(_pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start))
            directory.write(_pack("<4sIQI", b"PK\6\7", 0, start + size, 1))
        count, size, start = min(count, 0xFFFF), min(size, _LARGE), min(start, _LARGE)
        directory.write(_pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0))
        self.put(self.path.name, self._directory_start, directory.getvalue())


def _member_name(name: str) -> bytes:
    encoded = f"{name}.npy".encode()
    if not name or len(encoded) > 0xFFFF or "\0" in name or name.startswith("/") or ".." in name.split("/"):
        raise NotWritable(f"{name[:200]!r} cannot be the name of a member of an archive")
    return encoded


def _npy_header(tensor: PlannedTensor) -> bytes:
    held = dtypes.numpy_dtype(tensor.dtype)
    if held is None or not is_writable(tensor.dtype):
        raise NotWritable(f"{tensor.name!r} is of the type {tensor.dtype}, which NumPy does not have")
    found = io.BytesIO()
    described = {"descr": held.str, "fortran_order": False, "shape": tensor.shape}
    np.lib.format.write_array_header_1_0(found, described)
    return found.getvalue()
