"""The index of weights that are split over several files: ``model.safetensors.index.json`` and its like."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from openshelf.analysis.files.ranges import UnreadableFile

MAX_BYTES = 16 * 1024 * 1024
ENDING = ".index.json"
KERAS_ENDING = ".weights.json"
"""Of Keras 3: groups of variables, each with the files that it is in."""


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """``shards``: file name to the number of tensors in it, in order of name. ``total_size``: bytes, if said."""

    shards: tuple[tuple[str, int], ...]
    tensors: int
    total_size: int | None = None


def is_shard_index(name: str) -> bool:
    return name.endswith(ENDING)


class _Index(msgspec.Struct):
    """The object in the file."""

    weight_map: dict[str, str]
    metadata: Any = None


_INDEX = msgspec.json.Decoder(_Index)


def read_weight_map(content: bytes) -> Mapping[str, str] | None:
    """Tensor name to file. None where ``content`` is JSON but no index of shards; raises UnreadableFile if no JSON."""
    found = _read(content)
    return found.weight_map if found else None


def read_shard_index(content: bytes) -> ShardIndex | None:
    """None where ``content`` is JSON but no index of shards. Raises UnreadableFile where it is not JSON."""
    found = _read(content)
    if found is None:
        return None
    total = found.metadata.get("total_size") if isinstance(found.metadata, dict) else None
    shards = tuple(sorted(Counter(found.weight_map.values()).items()))
    return ShardIndex(shards, len(found.weight_map), total if type(total) is int and total >= 0 else None)


def _read(content: bytes) -> _Index | None:
    try:
        return _INDEX.decode(content)
    except (ValueError, RecursionError):
        return _read_freely(content)


def _read_freely(content: bytes) -> _Index | None:
    """The same of what is not written as is usual: it says what is wrong, and takes what JSON leaves open."""
    weights = read_keras_map(content)
    if weights is None or not all(isinstance(shard, str) for shard in weights.values()):
        return None
    return _Index(dict(weights), json.loads(content).get("metadata"))


def read_keras_map(content: bytes) -> Mapping[str, Any] | None:
    """What is under ``weight_map``: for Keras, groups of variables with one file or several. Else as the others."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"it is not JSON: {error}") from None
    weights = found.get("weight_map") if isinstance(found, dict) else None
    return weights if isinstance(weights, dict) else None
