"""The index of weights that are split over several files: ``model.safetensors.index.json`` and its like."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

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


def read_shard_index(content: bytes) -> ShardIndex | None:
    """None where ``content`` is JSON but no index of shards. Raises UnreadableFile where it is not JSON."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"the index is not JSON: {error}") from None
    weights = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(shard, str) for shard in weights.values()):
        return None
    metadata = found.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    shards = tuple(sorted(Counter(weights.values()).items()))
    return ShardIndex(shards, len(weights), total if type(total) is int and total >= 0 else None)
