"""Arrays that objects in a file describe: views of storages that lie elsewhere in it, and how they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Role, Tensor
from openshelf.analysis.checkpoints.containers.zip_directory import ZipMember
from openshelf.analysis.checkpoints.pickles.values import Span

_ODD_BITS = {"complex32": 32, "chalf": 32, "bits8": 8, "bits16": 16, "bits1x8": 8, "bits2x4": 8, "bits4x2": 8}


@dataclass(frozen=True, slots=True)
class Packed:
    """Bytes from ``start`` of what the file unpacks to; ``keep`` is for what was unpacked last."""

    packing: str
    start: int
    keep: list[bytes]


@dataclass(frozen=True, slots=True)
class Storage:
    """Where ``nbytes`` bytes lie: at ``offset`` of the file, or in no piece of it and then in ``source``."""

    nbytes: int
    offset: int | None
    source: ZipMember | Packed | Span | bytes | None = None
    """A packed member, bytes of a packed file, a text that spells bytes (Latin-1), or the bytes themselves."""


@dataclass(frozen=True, slots=True)
class StoredArray:
    """A view of a storage: ``first`` is the byte of it where the first element begins.

    ``storage`` is None where it has no values of its own; ``parts`` are what a sparse one consists of. ``note`` goes
    into the metadata under the name of the array.
    """

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    storage: Storage | None
    first: int
    kind: str = "dense"
    is_big_endian: bool = False
    note: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, StoredArray] = field(default_factory=dict)

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """What its elements alone take."""
        if self.parts:
            return sum(part.nbytes for part in self.parts.values())
        return 0 if self.storage is None else (self.elements * bits(self.dtype) + 7) // 8

    @property
    def end(self) -> int:
        """The byte of its storage after its last element; ``first`` where it has none."""
        if not self.elements:
            return self.first
        last = sum((side - 1) * step for side, step in zip(self.shape, self.strides, strict=True))
        return self.first + ((last + 1) * bits(self.dtype) + 7) // 8

    @property
    def is_contiguous(self) -> bool:
        step = 1
        for side, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if side != 1 and stride != step:
                return self.elements == 0
            step *= side
        return True


def bits(dtype: str) -> int:
    """Bits of one element. Raises ValueError for a type of unknown width."""
    width = dtypes.bits(dtype) or _ODD_BITS.get(dtype)
    if width is None and dtype.startswith("void") and dtype[4:].isdecimal():
        width = int(dtype[4:])
    if width is None:
        raise ValueError(dtype)
    return width


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a tensor in C order."""
    found: list[int] = []
    step = 1
    for side in reversed(shape):
        found.append(step)
        step *= max(side, 1)
    return tuple(reversed(found))


def fortran(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a tensor in Fortran order."""
    return contiguous(shape[::-1])[::-1]


def tensor_of(name: str, role: Role, array: StoredArray, file: str) -> Tensor:
    """The array as an entry of a listing of ``file``."""
    storage = array.storage
    offset = None if storage is None or storage.offset is None else storage.offset + array.first
    strides = None if array.is_contiguous else array.strides
    return Tensor(name, array.dtype, array.shape, file, offset, array.nbytes, strides, _encoding(array), role)


def _encoding(array: StoredArray) -> str:
    if array.kind != "dense":
        return array.kind
    source = array.storage.source if array.storage is not None else None
    if isinstance(source, Packed):
        return source.packing
    if source is not None:
        return "deflate" if isinstance(source, ZipMember) else "latin-1"
    return BIG_ENDIAN if array.is_big_endian and bits(array.dtype) > 8 else RAW
