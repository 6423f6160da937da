"""Small Orbax checkpoints, as its folders of zarr arrays and its trees are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

MEMBER = "default/_METADATA"


def tree(names: Mapping[tuple[str, ...], Any], **more: Any) -> bytes:
    """``_METADATA``: path of a value to what is said of it."""
    entries = {
        str(tuple(path)): {"key_metadata": [{"key": key, "key_type": 2} for key in path], "value_metadata": value}
        for path, value in names.items()
    }
    return json.dumps({"tree_metadata": entries, **more}).encode()


def array(values: Any, dtype: str, chunks: Sequence[int] | None = None, compressor: Any = None) -> bytes:
    shape = list(np.shape(values))
    found = {"shape": shape, "chunks": shape if chunks is None else list(chunks), "dtype": dtype, "order": "C",
             "compressor": compressor, "filters": None, "fill_value": None, "zarr_format": 2}  # fmt: skip
    return json.dumps(found).encode()


def folders() -> dict[str, bytes]:
    kernel = np.arange(6, dtype="<f4").reshape(2, 3)
    names: dict[tuple[str, ...], Any] = {
        ("params", "kernel"): {},
        ("params", "half"): {},
        ("params", "packed"): {},
        ("opt_state", "0"): {},
        ("step",): {},
    }
    return {
        MEMBER: tree(names, use_ocdbt=False),
        "default/params.kernel/.zarray": array(kernel, "<f4"),
        "default/params.kernel/0.0": kernel.tobytes(),
        "default/params.half/.zarray": array([1.0, 1.0], "bfloat16"),
        "default/params.half/0": b"\x80\x3f" * 2,
        "default/params.packed/.zarray": array(kernel, "<f4", compressor={"id": "zstd", "level": 1}),
        "default/params.packed/0.0": b"packed",
        "default/opt_state.0/.zarray": array([1, 2], ">f8"),
        "default/opt_state.0/0": np.array([1, 2], ">f8").tobytes(),
        "default/step/.zarray": array(7, "<i4"),
        "default/step/0": np.int32(7).tobytes(),
        "_CHECKPOINT_METADATA": b'{"item_handlers": {"default": "x"}}',
    }


def store() -> dict[str, bytes]:
    names: dict[tuple[str, ...], Any] = {
        ("params", "kernel"): {"value_type": "jax.Array", "write_shape": [2, 3]},
        ("step",): {"value_type": "scalar"},
    }
    return {MEMBER: tree(names, use_ocdbt=True), "default/manifest.ocdbt": b"\x0c\xdb"}


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {"folders": folders, "store": store}
