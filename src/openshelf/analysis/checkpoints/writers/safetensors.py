"""Writing safetensors: one file, or shards with their index as ``transformers`` expects them.

Every byte of the layout follows from the tensors' names, types and shapes, in the order they are given, so values can
be written in any order and by several threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openshelf.analysis.checkpoints.headers.safetensors import FORMAT_MAX_HEADER
from openshelf.analysis.checkpoints.headers.safetensors_json import METADATA
from openshelf.analysis.checkpoints.readers.safetensors import DTYPES
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, Place, PlannedTensor, UnfinishedFiles

MAX_SHARD_BYTES = 5_000_000_000
_NAMES = {ours: theirs for theirs, ours in DTYPES.items()}
_ALIGNMENT = 8


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


class SafetensorsWriter(UnfinishedFiles):
    """Writes the values of planned tensors into a folder; ``finish`` puts the files under their names.

    The files are those of ``plan_shards`` and, of several, ``STEM.safetensors.index.json``.
    """

    def __init__(
        self,
        folder: Path,
        tensors: Sequence[PlannedTensor],
        metadata: Mapping[str, str] | None = None,
        max_shard_bytes: int = MAX_SHARD_BYTES,
        stem: str = "model",
    ) -> None:
        super().__init__(folder)
        self.shards = plan_shards(tensors, max_shard_bytes, stem)
        try:
            for shard in self.shards:
                self._begin_shard(shard, metadata or {})
            if len(self.shards) > 1:
                index = _index_of(self.shards)
                self.begin(f"{stem}.safetensors.index.json", len(index))
                self.put(f"{stem}.safetensors.index.json", 0, index)
        except BaseException:
            self.abort()
            raise

    def _begin_shard(self, shard: PlannedShard, metadata: Mapping[str, str]) -> None:
        head, places = header_of(shard.tensors, metadata)
        self.begin(shard.name, len(head) + sum(tensor.nbytes for tensor in shard.tensors))
        self.put(shard.name, 0, head)
        for tensor in shard.tensors:
            self.expect(tensor.name, Place(shard.name, places[tensor.name], tensor.nbytes))


def _index_of(shards: Sequence[PlannedShard]) -> bytes:
    weight_map = {tensor.name: shard.name for shard in shards for tensor in shard.tensors}
    total = sum(tensor.nbytes for shard in shards for tensor in shard.tensors)
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2)
    return f"{text}\n".encode()


def _check(tensors: Sequence[PlannedTensor]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen or tensor.name == METADATA:
            raise NotWritable(f"the name {tensor.name!r} stands twice, or is reserved")
        if tensor.dtype not in _NAMES:
            raise NotWritable(f"{tensor.name!r} is of the type {tensor.dtype}, which safetensors does not have")
        seen.add(tensor.name)
