"""One side of a comparison: the elements of a tensor in order, however its file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import structs

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import RAW, Array, Checkpoint, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.files import Chunked

_LEAST_ASKED = 256 * 1024
JOB_BYTES = 8_000_000
"""What is read of one side at a time."""


@dataclass(slots=True)
class Side:
    """A tensor whose elements are read by ranges. Complex elements come as their two parts, one after the other."""

    checkpoint: Checkpoint
    tensor: Tensor
    streams: bool = field(init=False)
    """Whether a range costs no more memory than itself; else the whole tensor is decoded at the first read."""
    parts: int = field(init=False)
    _is_block: bool = field(init=False)
    _whole: Array | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        tensor, decoders = self.tensor, self.checkpoint.decoders
        self._is_block = (
            tensor.dtype in dtypes.BLOCK_TYPES and tensor.dtype in decoders
            and tensor.encoding == RAW and tensor.strides is None and tensor.offset is not None
        )  # fmt: skip
        self.streams = self._is_block or self.checkpoint.can_stream(tensor)
        self.parts = 2 if tensor.dtype.startswith("complex") else 1

    @property
    def elements(self) -> int:
        return self.tensor.elements * self.parts

    @property
    def step(self) -> int:
        """Ranges begin at multiples of it."""
        return dtypes.BLOCK_TYPES[self.tensor.dtype].elements if self._is_block else 1

    @property
    def can_be_decoded(self) -> bool:
        """Whether there are numbers to compare; without, bytes are all there is."""
        tensor = self.tensor
        if tensor.dtype in self.checkpoint.decoders or tensor.encoding in self.checkpoint.decoders:
            return tensor.dtype not in ("string", "object")
        return dtypes.numpy_dtype(tensor.dtype) is not None and tensor.dtype != "float128"

    @property
    def has_bytes(self) -> bool:
        return self.tensor.offset is not None and self.tensor.strides is None

    def read(self, start: int, stop: int) -> Array:
        """Elements ``[start, stop)``; do not write to them. Raises UnreadableValues."""
        if not self.streams:
            if self._whole is None:
                self._whole = _real(self.checkpoint.array(self.tensor).reshape(-1))
            return self._whole[start:stop]
        if not self._is_block:
            return _real(self.checkpoint.elements(self.tensor, start // self.parts, stop // self.parts))
        block = dtypes.BLOCK_TYPES[self.tensor.dtype]
        first, last = start // block.elements * block.nbytes, -(-stop // block.elements) * block.nbytes
        assert self.tensor.offset is not None
        part = structs.replace(
            self.tensor, shape=(stop - start,), offset=self.tensor.offset + first, nbytes=last - first
        )
        found: Array = self.checkpoint.decoders[self.tensor.dtype](self.checkpoint.source, part)
        return found.reshape(-1)

    def bytes(self, start: int, stop: int) -> Array:
        """Stored bytes ``[start, stop)``. Raises UnreadableValues where they are not in one piece."""
        return np.frombuffer(self.checkpoint.raw(self.tensor, start, stop), np.uint8)

    def release(self, start: int = 0, stop: int | None = None) -> None:
        """Let go of the memory behind elements ``[start, stop)``; they can be read again."""
        self._whole = None
        if self.tensor.offset is None or self.tensor.strides is not None or not self.elements:
            return
        release = getattr(self.checkpoint.source.open(self.tensor.file), "release", None)
        if release is not None:
            stop = self.elements if stop is None else stop
            first, last = (self.tensor.nbytes * place // self.elements for place in (start, stop))
            release(self.tensor.offset + first, self.tensor.offset + last)

    def identity(self) -> tuple[Any, ...] | None:
        """What no other content shares: the file's identity, and the place in it. None where nothing is known."""
        tensor = self.tensor
        if tensor.offset is None:
            return None
        known = getattr(self.checkpoint.source.open(tensor.file), "identity", None)
        if not known:
            return None
        return known, tensor.offset, tensor.nbytes, tensor.dtype, tensor.strides, tensor.encoding

    @property
    def has_chunks(self) -> bool:
        """Whether to ask for ``chunks``: of small tensors the answers would be no shorter than their bytes."""
        is_worth_it = self.has_bytes and self.tensor.nbytes >= _LEAST_ASKED
        return is_worth_it and isinstance(self.checkpoint.source.open(self.tensor.file), Chunked)

    def chunks(self) -> tuple[Any, ...] | None:
        """What is equal for tensors that a hub keeps as the same chunks; None where that is not known."""
        tensor, file = self.tensor, self.checkpoint.source.open(self.tensor.file)
        if tensor.offset is None or not isinstance(file, Chunked):
            return None
        found = file.chunks(tensor.offset, tensor.offset + tensor.nbytes)
        return None if found is None else (found, tensor.dtype, tensor.encoding)


def _real(values: Array) -> Array:
    if values.dtype.kind != "c":
        return values
    return values.view(np.float32 if values.dtype.itemsize == 8 else np.float64)


def same_bytes(one: Side, other: Side) -> bool:
    """Whether the stored bytes are the same. Raises UnreadableValues where they are not in one piece."""
    if one.tensor.nbytes != other.tensor.nbytes:
        return False
    if not (one.has_bytes and other.has_bytes):
        raise UnreadableValues(one.tensor.file, f"the bytes of {one.tensor.name!r} are not in one piece")
    return all(
        np.array_equal(one.bytes(start, stop), other.bytes(start, stop))
        for start in range(0, one.tensor.nbytes, JOB_BYTES)
        for stop in (min(start + JOB_BYTES, one.tensor.nbytes),)
    )
