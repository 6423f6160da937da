"""A checkpoint: the tensors of a model by name, with their values read only when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import prod
from typing import Any, Self

import msgspec
import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.containers.byte_cursor import Malformed, check_shape
from openshelf.analysis.checkpoints.errors import NoSuchTensor, UnreadableValues
from openshelf.analysis.checkpoints.files import Files

RAW = "raw"
"""Little-endian elements in one piece of the file (or, with ``strides``, in some elements of one piece)."""
BIG_ENDIAN = "big-endian"
"""The same, with the bytes of each element the other way round."""

Array = np.ndarray[Any, np.dtype[Any]]
Decoder = Callable[[Files, "Tensor"], Array]
"""Gives the values of a whole tensor, in its shape, from what the file holds."""
Check = Callable[[Files, "Tensor"], None]
"""Compares the stored bytes of a whole tensor with the sum that the file has of them. Raises UnreadableValues."""


class Role(StrEnum):
    """What a tensor is for. Only weights count as parameters, and only they are merged."""

    WEIGHT = "weight"
    OPTIMIZER = "optimizer"
    CONSTANT = "constant"
    """A value in a graph that no training changes: shapes, axes, tables."""
    STATE = "state"
    """What is neither: step counters, random states, texts of bookkeeping."""


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """One tensor, and where its values lie. A struct, because there may be many thousands: it costs a tenth to make.

    ``offset`` is the byte of ``file`` where its first element begins; None where its values are not in one piece of a
    file as they are (compressed, chunked, written as varints). ``nbytes`` is what its values take there; with
    ``strides`` (in elements, None where contiguous in C order) it is what its elements alone would take.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    offset: int | None
    nbytes: int
    strides: tuple[int, ...] | None = None
    encoding: str = RAW
    role: Role = Role.WEIGHT

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def is_plain(self) -> bool:
        """Whether its bytes in the file are its elements in order, little-endian."""
        return self.offset is not None and self.strides is None and self.encoding == RAW


@dataclass(frozen=True, slots=True)
class Listing:
    """What a reader finds: tensors in the order of the file, and what the file says of the model.

    ``metadata`` holds texts, numbers, and lists and mappings of them, as the format has them. ``versions`` names the
    programs that wrote the file. ``decoders`` are by encoding, or by dtype where the encoding is ``raw``. ``problems``
    are faults that hide no tensor. ``files`` are those that were read beside the one asked for and those of tensors.
    ``check`` where the format keeps sums of what it stores.
    """

    format: str
    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    architecture: str | None = None
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    has_tokenizer: bool = False
    has_chat_template: bool = False
    files: tuple[str, ...] = ()
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What can be said of a model without its values.

    ``parameters`` are the elements of weights, a tied tensor counted once; ``dtypes`` how many of them have which type.
    ``tied`` are names that share their bytes; ``ties_embeddings`` is what the configuration says of the first and last
    layer, None where it says nothing. ``apart`` are files beside the weights that hold the state of a training.
    """

    parameters: int
    dtypes: Mapping[str, int]
    architecture: str | None = None
    model_type: str | None = None
    framework: str | None = None
    has_tokenizer: bool = False
    has_chat_template: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    tied: tuple[tuple[str, ...], ...] = ()
    ties_embeddings: bool | None = None
    apart: tuple[str, ...] = ()


@dataclass(slots=True)
class Checkpoint(AbstractContextManager["Checkpoint"]):
    """The tensors of one model. Close it, or use it in a ``with`` block.

    ``files`` are those that it was read from; ``others`` are checkpoints in the same folder that were not taken.
    ``tell`` works out the facts, when they are first asked for.
    """

    format: str
    tensors: tuple[Tensor, ...]
    source: Files
    files: tuple[str, ...]
    tell: Callable[[], ModelFacts]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    check: Check | None = None
    _facts: ModelFacts | None = field(init=False, default=None)
    _names: dict[str, Tensor] | None = field(init=False, default=None)
    _held: tuple[str, Array] | None = field(init=False, default=None)

    @property
    def facts(self) -> ModelFacts:
        """What can be said of the model without its values; the tensors are counted at the first call."""
        if self._facts is None:
            self._facts = self.tell()
        return self._facts

    def _by_name(self) -> dict[str, Tensor]:
        if self._names is None:
            self._names = {tensor.name: tensor for tensor in self.tensors}
        return self._names

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name()

    def __getitem__(self, name: str) -> Tensor:
        try:
            return self._by_name()[name]
        except KeyError:
            raise NoSuchTensor(f"{self.source.label} has no tensor {name!r}") from None

    def raw(self, tensor: Tensor, start: int = 0, end: int | None = None) -> memoryview:
        """The stored bytes ``[start, end)`` of a tensor that lies in one piece. Raises UnreadableValues otherwise."""
        if tensor.offset is None or tensor.strides is not None:
            raise UnreadableValues(tensor.file, f"the bytes of {tensor.name!r} are not in one piece")
        end = tensor.nbytes if end is None else end
        return self.source.open(tensor.file).view(tensor.offset + start, tensor.offset + end)

    def can_stream(self, tensor: Tensor) -> bool:
        """Whether ``elements`` reads no more than what is asked for."""
        return tensor.is_plain and tensor.dtype not in self.decoders and not dtypes.is_packed(tensor.dtype)

    def array(self, name: str | Tensor) -> Array:
        """The values of a whole tensor, in its shape; block types as float32.

        Compared with the sum that the file has of them, if any. Raises NoSuchTensor, UnreadableValues.
        """
        tensor = self[name] if isinstance(name, str) else name
        try:
            check_shape(tensor.shape, tensor.offset or 0)
        except Malformed as error:
            raise UnreadableValues(tensor.file, f"{tensor.name[:200]!r}: {error.reason}", tensor.offset) from None
        if self.check is not None:
            self.check(self.source, tensor)
        if self.can_stream(tensor):
            return self.elements(tensor).reshape(tensor.shape)
        return self._decoded(tensor)

    def elements(self, tensor: Tensor, start: int = 0, stop: int | None = None) -> Array:
        """The elements ``[start, stop)`` in C order; a view of the file where ``can_stream``, so do not write to it."""
        stop = tensor.elements if stop is None else stop
        if not self.can_stream(tensor):
            if self._held is None or self._held[0] != tensor.name:
                self._held = (tensor.name, self.array(tensor))
            return self._held[1].reshape(-1)[start:stop]
        held = self._numpy(tensor)
        return np.frombuffer(self.raw(tensor, start * held.itemsize, stop * held.itemsize), held)

    def _decoded(self, tensor: Tensor) -> Array:
        decoder = self.decoders.get(tensor.dtype if tensor.encoding == RAW else tensor.encoding)
        if decoder is not None:
            return decoder(self.source, tensor).reshape(tensor.shape)
        if tensor.offset is None or tensor.encoding not in (RAW, BIG_ENDIAN):
            raise UnreadableValues(
                tensor.file, f"values written as {tensor.encoding} are not decoded ({tensor.name!r})"
            )
        held = self._numpy(tensor)
        if dtypes.is_packed(tensor.dtype):
            return unpacked(self.raw(tensor), tensor, held)
        stored = held.newbyteorder(">") if tensor.encoding == BIG_ENDIAN else held
        if tensor.strides is None:
            return np.frombuffer(self.raw(tensor), stored).astype(held, copy=False).reshape(tensor.shape)
        span = 1 + sum((side - 1) * step for side, step in zip(tensor.shape, tensor.strides, strict=True))
        span = span if tensor.elements else 0
        view = self.source.open(tensor.file).view(tensor.offset, tensor.offset + span * held.itemsize)
        steps = tuple(step * held.itemsize for step in tensor.strides)
        found: Array = np.ndarray(tensor.shape, stored, view if span else b"", strides=steps if span else None)
        return np.ascontiguousarray(found, held)

    def _numpy(self, tensor: Tensor) -> np.dtype[Any]:
        held = dtypes.numpy_dtype(tensor.dtype)
        if held is None:
            raise UnreadableValues(tensor.file, f"values of the type {tensor.dtype} are not decoded ({tensor.name!r})")
        return held

    def close(self) -> None:
        self._held = None
        self.source.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self


def tied_groups(tensors: Iterable[Tensor]) -> tuple[tuple[str, ...], ...]:
    """Names that share the very same bytes of the same file, in the same shape."""
    places: dict[tuple[Any, ...], list[str]] = {}
    for tensor in tensors:
        if tensor.offset is not None and tensor.nbytes:
            place = (tensor.file, tensor.offset, tensor.dtype, tensor.shape, tensor.strides, tensor.encoding)
            places.setdefault(place, []).append(tensor.name)
    return tuple(tuple(names) for names in places.values() if len(names) > 1)


def with_counts(facts: ModelFacts, tensors: Iterable[Tensor]) -> ModelFacts:
    """``facts`` with what the tensors tell: parameters, dtypes, ties."""
    listed = tuple(tensors)
    tied = tied_groups(listed)
    repeated = {name for names in tied for name in names[1:]}
    counts: Counter[str] = Counter()
    for tensor in listed:
        if tensor.role is Role.WEIGHT and tensor.name not in repeated:
            counts[tensor.dtype] += tensor.elements
    return replace(facts, parameters=counts.total(), dtypes=dict(counts.most_common()), tied=tied)


def renamed(tensor: Tensor, name: str) -> Tensor:
    """The same tensor under another name."""
    return msgspec.structs.replace(tensor, name=name)


def unpacked(stored: memoryview, tensor: Tensor, held: np.dtype[Any]) -> Array:
    """Elements of less than a byte, the first in the lowest bits."""
    width = dtypes.bits(tensor.dtype) or 8
    found = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little")[: tensor.elements * width]
    weights = (1 << np.arange(width)).astype(np.uint8)
    patterns = (found.reshape(-1, width) * weights).sum(1, dtype=np.uint8)
    if tensor.dtype.startswith("int"):
        patterns = np.where(patterns >> (width - 1), patterns | np.uint8((0xFF << width) & 0xFF), patterns)
        values: Array = patterns.astype(np.int8).astype(held)
    elif tensor.dtype.startswith("uint"):
        values = patterns.astype(held)
    else:
        values = patterns.astype(np.uint8).view(held)
    return values.reshape(tensor.shape)
