"""Synthetic models to measure with: safetensors of bfloat16, shaped as language models are."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Shapes = Mapping[str, tuple[int, ...]]
SMALL_LAYER = {
    "self_attn.q_proj.weight": (1536, 1536), "self_attn.k_proj.weight": (256, 1536),
    "self_attn.v_proj.weight": (256, 1536), "self_attn.o_proj.weight": (1536, 1536),
    "mlp.gate_proj.weight": (4096, 1536), "mlp.up_proj.weight": (4096, 1536), "mlp.down_proj.weight": (1536, 4096),
    "input_layernorm.weight": (1536,), "post_attention_layernorm.weight": (1536,),
}  # fmt: skip
TINY_LAYER = {name: tuple(side // 16 for side in shape) for name, shape in SMALL_LAYER.items()}
LARGE_LAYER = {
    "self_attn.q_proj.weight": (8192, 8192), "self_attn.k_proj.weight": (1024, 8192),
    "self_attn.v_proj.weight": (1024, 8192), "self_attn.o_proj.weight": (8192, 8192),
    "mlp.gate_proj.weight": (28672, 8192), "mlp.up_proj.weight": (28672, 8192), "mlp.down_proj.weight": (8192, 28672),
    "input_layernorm.weight": (8192,), "post_attention_layernorm.weight": (8192,),
}  # fmt: skip


def shapes_of(size: int, layer: Shapes = SMALL_LAYER, vocabulary: int = 16_000) -> dict[str, tuple[int, ...]]:
    """Tensors by name, of about ``size`` bytes in bfloat16: an embedding, then as many layers as fit."""
    width = layer["input_layernorm.weight"][0]
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, width),
        "model.norm.weight": (width,),
    }
    each = 2 * sum(prod(shape) for shape in layer.values())
    room = size - 2 * sum(prod(shape) for shape in found.values())
    for number in range(max(1, round(room / each))):
        found |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return found


def write(path: Path, shapes: Shapes, values: Callable[[str, int], Array]) -> int:
    """A safetensors file whose tensor ``name`` has the float32 values that ``values(name, count)`` gives, rounded.

    Returns the size of the file in bytes.
    """
    with path.open("wb") as file:
        file.write(_header(shapes))
        for name, shape in shapes.items():
            file.write(values(name, prod(shape)).astype(ml_dtypes.bfloat16).tobytes())
        return file.tell()


def write_hollow(path: Path, shapes: Shapes, first: bytes) -> None:
    """A safetensors file of bfloat16 whose tensors begin with one element of these bytes, and are holes after it."""
    header = _header(shapes)
    path.write_bytes(header)
    place = len(header)
    with path.open("r+b") as file:
        for shape in shapes.values():
            file.seek(place)
            file.write(first)
            place += 2 * prod(shape)
        file.truncate(place)


def _header(shapes: Shapes) -> bytes:
    place, entries = 0, {}
    for name, shape in shapes.items():
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place := place + 2 * prod(shape)]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


@dataclass(frozen=True)
class Values:
    """Values as of trained weights (normal, standard deviation 0.02), moved by a normal ``change``; the same each time.

    Random numbers are drawn once for 8 million elements and read from another place for each tensor.
    """

    change: float = 0.0
    seed: int = 1

    def __call__(self, name: str, count: int) -> Array:
        start = sum(name.encode()) * 7919
        found = _taken(_noise(0), start, count) * np.float32(0.02)
        return found + _taken(_noise(self.seed), start, count) * np.float32(self.change) if self.change else found


_POOL = 1 << 23
_pools: dict[int, Array] = {}


def _noise(seed: int) -> Array:
    if seed not in _pools:
        _pools[seed] = np.random.default_rng(seed).standard_normal(_POOL, np.float32)
    return _pools[seed]


def _taken(pool: Array, start: int, count: int) -> Array:
    start %= _POOL
    if start + count <= _POOL:
        return pool[start : start + count]
    return np.resize(np.concatenate([pool[start:], pool[:start]]), count)


def write_sparse_shards(folder: Path, size: int, shards: int) -> int:
    """A model of ``size`` bytes in numbered shards with an index, its values left as holes.

    Returns how many tensors it has.
    """
    shapes = shapes_of(size, LARGE_LAYER, 128_256)
    names, weight_map = list(shapes), dict[str, str]()
    for number, part in enumerate(_parts(names, shards), start=1):
        file = folder / f"model-{number:05}-of-{shards:05}.safetensors"
        header = _header({name: shapes[name] for name in part})
        file.write_bytes(header)
        os.truncate(file, len(header) + 2 * sum(prod(shapes[name]) for name in part))
        weight_map |= dict.fromkeys(part, file.name)
    index = {"metadata": {"total_size": 2 * sum(map(prod, shapes.values()))}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return len(names)


def _parts(names: list[str], count: int) -> Iterator[list[str]]:
    for number in range(count):
        yield names[number * len(names) // count : (number + 1) * len(names) // count]
