"""safetensors files as the safetensors library writes them, and one with the types that it does not get from NumPy."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save

from tests.unit.checkpoints.makers import Made


def plain() -> Made:
    values = np.arange(24, dtype=np.float32)
    tensors = {"layers.0.weight": values.reshape(4, 6), "layers.0.bias": values[:6], "step": np.array(7)}
    return {"model.safetensors": save(tensors, {"format": "np"})}


def small_types() -> Made:
    entries = {
        "a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]},
        "b": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [2, 4]},
        "c": {"dtype": "BF16", "shape": [1], "data_offsets": [4, 6]},
        "d": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [6, 9]},
        "e": {"dtype": "BOOL", "shape": [], "data_offsets": [9, 10]},
    }
    header = json.dumps(entries).encode()
    return {"small.safetensors": len(header).to_bytes(8, "little") + header + bytes(range(10))}


def empty() -> Made:
    return {"empty.safetensors": (2).to_bytes(8, "little") + b"{}"}


MAKERS = {"plain": plain, "small-types": small_types, "empty": empty}
