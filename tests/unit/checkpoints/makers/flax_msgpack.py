"""Small Flax files, written by the msgpack library as flax.serialization writes them (Flax 0.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import msgpack
import numpy as np

W = np.arange(6, dtype=np.float32).reshape(2, 3)


def _array(values: Any) -> bytes:
    packed: bytes = msgpack.packb((values.shape, values.dtype.name, values.tobytes("C")), use_bin_type=True)
    return packed


def _extension(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return msgpack.ExtType(1, _array(value))
    if isinstance(value, np.generic):
        return msgpack.ExtType(3, _array(np.asarray(value)))
    return msgpack.ExtType(2, msgpack.packb((value.real, value.imag)))


def saved(tree: Any) -> bytes:
    packed: bytes = msgpack.packb(tree, default=_extension, strict_types=True)
    return packed


def chunked(values: Any, size: int) -> dict[str, Any]:
    """An array as Flax writes those of more than 2**30 bytes, with pieces of ``size`` elements."""
    flat = values.reshape(-1)
    pieces = [flat[at : at + size] for at in range(0, flat.size, size)]
    shape = {str(number): side for number, side in enumerate(values.shape)}
    chunks = dict(zip(map(str, range(len(pieces))), pieces, strict=True))
    return {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks}


TREE: dict[str, Any] = {
    "step": 7,
    "params": {
        "dense": {"kernel": W, "bias": np.zeros(3, ml_dtypes.bfloat16)},
        "large": chunked(W, 4),
        "small": np.array([-1, 3], ml_dtypes.int4),
        "scale": np.float32(0.5),
        "layers": [W[0], W[1]],
    },
    "opt_state": {"0": {"mu": {"kernel": W}}, "1": {}},
    "note": "made",
    "phase": 1 + 2j,
}

MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "flax parameters": lambda: {"flax_model.msgpack": saved({"model": {"w": W, "b": W[0]}})},
    "flax train state": lambda: {"flax_model.msgpack": saved(TREE)},
}
