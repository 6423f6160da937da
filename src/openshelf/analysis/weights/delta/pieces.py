"""A model as pieces: every tensor that lies in one piece of a file, and all that is between them.

Put together in order the pieces of a file are the file, byte for byte, whatever its format; so a delta needs to know no
format to make it anew. What is between tensors (headers, tables of an archive, padding) and files without tensors
(configuration, tokenizer, the card) are pieces as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Checkpoint, Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.weights.delta.segments import Bytes

TENSOR, BETWEEN = "tensor:", "file:"
"""How keys of pieces begin: ``tensor:NAME``, and ``file:NUMBER:NAME`` for what is between, counted in its file."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``[start, end)`` of ``file``. ``width``: bytes of one number in it; ``dtype`` is empty between tensors."""

    key: str
    file: str
    start: int
    end: int
    width: int = 1
    dtype: str = ""
    shape: tuple[int, ...] = ()
    is_weight: bool = False

    @property
    def nbytes(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class CutModel:
    """The pieces of every file, in order, and all of them by key."""

    source: Files
    format: str
    files: Mapping[str, tuple[Piece, ...]]
    by_key: Mapping[str, Piece] = field(init=False)

    def __post_init__(self) -> None:
        found = {piece.key: piece for pieces in self.files.values() for piece in pieces}
        object.__setattr__(self, "by_key", found)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """All files of the folder that the checkpoint is in, or its one file. Raises UnreadableCheckpoint."""
        tensors: dict[str, list[Tensor]] = {}
        for tensor in checkpoint.tensors:
            if tensor.offset is not None and tensor.strides is None and tensor.encoding in (RAW, BIG_ENDIAN):
                tensors.setdefault(tensor.file, []).append(tensor)
        sizes = dict(checkpoint.source.sizes())
        for name in tensors:
            sizes.setdefault(name, checkpoint.source.open(name).size)
        return cls(
            checkpoint.source,
            checkpoint.format,
            {name: _cut(name, size, tensors.get(name, [])) for name, size in sorted(sizes.items())},
        )

    def read(self, piece: Piece, start: int, end: int) -> Bytes:
        """Bytes ``[start, end)`` of a piece, uncopied; fewer where it ends before."""
        view = self.source.open(piece.file).view(min(piece.start + start, piece.end), min(piece.start + end, piece.end))
        return np.frombuffer(view, np.uint8)

    @property
    def nbytes(self) -> int:
        return sum(piece.nbytes for pieces in self.files.values() for piece in pieces)


def tensor_key(name: str) -> str:
    return TENSOR + name


def _cut(name: str, size: int, tensors: list[Tensor]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    place = gaps = 0
    for tensor in sorted(tensors, key=lambda one: (one.offset or 0, -one.nbytes)):
        start, end = tensor.offset or 0, (tensor.offset or 0) + tensor.nbytes
        if start < place or not tensor.nbytes:
            continue  # It shares its bytes with another, or has none; either way they are told already.
        if end > size:
            raise UnreadableCheckpoint(name, f"the tensor {tensor.name[:200]!r} ends past the end of the file", start)
        if start > place:
            found.append(Piece(f"{BETWEEN}{gaps}:{name}", name, place, start))
        gaps += 1
        found.append(
            Piece(
                tensor_key(tensor.name), name, start, end, _width(tensor), tensor.dtype, tensor.shape,
                tensor.role is Role.WEIGHT,
            )
        )  # fmt: skip
        place = end
    if size > place or not found:
        found.append(Piece(f"{BETWEEN}{gaps}:{name}", name, place, size))
    return tuple(found)


def _width(tensor: Tensor) -> int:
    bits = dtypes.bits(tensor.dtype)
    if tensor.encoding != RAW or bits is None or bits % 8:
        return 1
    width = bits // 8 if not tensor.dtype.startswith("complex") else bits // 16
    return width if width in (1, 2, 4, 8) and tensor.nbytes % width == 0 else 1
