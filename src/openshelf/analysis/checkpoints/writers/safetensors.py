"""Writing safetensors: one file, or shards with their index as ``transformers`` expects them.

Every byte of the layout follows from the tensors' names, types and shapes, in the order they are given, so values can
be written in any order and by several threads.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.headers.safetensors import FORMAT_MAX_HEADER, METADATA
from openshelf.analysis.checkpoints.readers.safetensors import DTYPES

MAX_SHARD_BYTES = 5_000_000_000
_NAMES = {ours: theirs for theirs, ours in DTYPES.items()}
_ALIGNMENT = 8
_UNFINISHED = ".unfinished"


class NotWritable(ValueError):
    """Tensors that safetensors cannot hold, or values that do not fit what was planned."""


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor whose values will follow. ``dtype`` as in ``dtypes``."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return dtypes.stored_bytes(self.dtype, self.shape) or 0


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A file and what will be in it, in order."""

    name: str
    tensors: tuple[PlannedTensor, ...]


def is_writable(dtype: str) -> bool:
    """Whether safetensors has this element type."""
    return dtype in _NAMES


def plan_shards(
    tensors: Sequence[PlannedTensor], max_shard_bytes: int = MAX_SHARD_BYTES, stem: str = "model"
) -> tuple[PlannedShard, ...]:
    """Tensors in their order, a new file where the next would make one larger than ``max_shard_bytes`` of data.

    A larger tensor gets a file of its own. Raises NotWritable for types that safetensors lacks and for names that stand
    twice.
    """
    _check(tensors)
    groups: list[list[PlannedTensor]] = [[]]
    size = 0
    for tensor in tensors:
        if groups[-1] and size + tensor.nbytes > max_shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += tensor.nbytes
    if len(groups) == 1:
        return (PlannedShard(f"{stem}.safetensors", tuple(groups[0])),)
    names = [f"{stem}-{number:05}-of-{len(groups):05}.safetensors" for number in range(1, len(groups) + 1)]
    return tuple(PlannedShard(name, tuple(group)) for name, group in zip(names, groups, strict=True))


def header_of(tensors: Sequence[PlannedTensor], metadata: Mapping[str, str]) -> tuple[bytes, dict[str, int]]:
    """The bytes before the data, and by name the byte of the file where each tensor begins."""
    entries: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    places: dict[str, int] = {}
    end = 0
    for tensor in tensors:
        places[tensor.name] = end
        entries[tensor.name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + tensor.nbytes],
        }
        end += tensor.nbytes
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > FORMAT_MAX_HEADER:
        raise NotWritable(f"the header would have {len(text):,} bytes; the format allows {FORMAT_MAX_HEADER:,}")
    start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text, {name: start + place for name, place in places.items()}


class SafetensorsWriter:
    """Writes the values of planned tensors into a folder; ``finish`` puts the files under their names.

    Use it in a ``with`` block: leaving it without ``finish`` removes what was written. ``write`` may be called by
    several threads. The files are those of ``plan_shards`` and, of several, ``STEM.safetensors.index.json``.
    """

    def __init__(
        self,
        folder: Path,
        tensors: Sequence[PlannedTensor],
        metadata: Mapping[str, str] | None = None,
        max_shard_bytes: int = MAX_SHARD_BYTES,
        stem: str = "model",
    ) -> None:
        self.shards = plan_shards(tensors, max_shard_bytes, stem)
        self._folder = folder
        self._index = f"{stem}.safetensors.index.json" if len(self.shards) > 1 else None
        self._places: dict[str, tuple[int, int, int]] = {}
        self._descriptors: list[int] = []
        self._counting = threading.Lock()
        self._written: dict[str, int] = dict.fromkeys((tensor.name for tensor in tensors), 0)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for shard in self.shards:
                self._begin(shard, metadata or {})
        except BaseException:
            self.abort()
            raise

    def _begin(self, shard: PlannedShard, metadata: Mapping[str, str]) -> None:
        head, places = header_of(shard.tensors, metadata)
        descriptor = os.open(self._folder / (shard.name + _UNFINISHED), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._descriptors.append(descriptor)
        _write_all(descriptor, head, 0)
        end = len(head) + sum(tensor.nbytes for tensor in shard.tensors)
        if end > len(head):
            # Room for everything is taken now: a full disk is told of before hours of work, not after.
            os.posix_fallocate(descriptor, 0, end)
        for tensor in shard.tensors:
            self._places[tensor.name] = (descriptor, places[tensor.name], tensor.nbytes)

    def write(self, name: str, offset: int, data: bytes | memoryview) -> None:
        """Bytes of the tensor ``name`` from its byte ``offset`` on. Each byte is to be written once."""
        descriptor, place, nbytes = self._places[name]
        content = memoryview(data).cast("B")
        if offset < 0 or offset + len(content) > nbytes:
            raise NotWritable(f"bytes {offset:,} to {offset + len(content):,} of {name!r}, which has {nbytes:,} bytes")
        _write_all(descriptor, content, place + offset)
        with self._counting:
            self._written[name] += len(content)

    def finish(self) -> tuple[str, ...]:
        """Sync the files, give them their names and write the index; returns the names. Raises NotWritable."""
        for name, count in self._written.items():
            if count != self._places[name][2]:
                raise NotWritable(f"{name!r} has {self._places[name][2]:,} bytes, and {count:,} were written")
        for descriptor in self._descriptors:
            os.fsync(descriptor)
            os.close(descriptor)
        self._descriptors.clear()
        names = [shard.name for shard in self.shards]
        if self._index:
            (self._folder / (self._index + _UNFINISHED)).write_text(self._index_text(), encoding="utf-8")
            names.append(self._index)
        for name in names:
            (self._folder / (name + _UNFINISHED)).replace(self._folder / name)
        return tuple(names)

    def _index_text(self) -> str:
        weight_map = {tensor.name: shard.name for shard in self.shards for tensor in shard.tensors}
        total = sum(tensor.nbytes for shard in self.shards for tensor in shard.tensors)
        return json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2) + "\n"

    def abort(self) -> None:
        """Remove what was written and not finished."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        for name in (*(shard.name for shard in self.shards), *((self._index,) if self._index else ())):
            (self._folder / (name + _UNFINISHED)).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _check(tensors: Sequence[PlannedTensor]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen or tensor.name == METADATA:
            raise NotWritable(f"the name {tensor.name!r} stands twice, or is reserved")
        if tensor.dtype not in _NAMES:
            raise NotWritable(f"{tensor.name!r} is of the type {tensor.dtype}, which safetensors does not have")
        seen.add(tensor.name)


def _write_all(descriptor: int, content: bytes | memoryview, place: int) -> None:
    left = memoryview(content)
    while left:
        count = os.pwrite(descriptor, left, place)
        left, place = left[count:], place + count
