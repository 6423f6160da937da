"""Small models for tests, in safetensors, and float64 references of the figures of a diff."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_files

Array = np.ndarray[Any, np.dtype[Any]]
CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0", "int64": "I64", "int32": "I32", "int16": "I16",
    "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL", "complex64": "C64",
}  # fmt: skip
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def safetensors(tensors: Mapping[str, Array]) -> bytes:
    """A file of these tensors."""
    place, entries = 0, {}
    for name, values in tensors.items():
        end = place + values.nbytes
        entries[name] = {"dtype": CODES[values.dtype.name], "shape": values.shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(values.tobytes() for values in tensors.values())


def checkpoint(tensors: Mapping[str, Array], label: str = "memory") -> Checkpoint:
    """A checkpoint of these tensors, in memory."""
    return open_files(HeldFiles({"model.safetensors": safetensors(tensors)}, label), is_folder=False)


def sharded(shards: Mapping[str, Mapping[str, Array]]) -> Checkpoint:
    """A checkpoint in several files, with an index."""
    contents = {file: safetensors(tensors) for file, tensors in shards.items()}
    index = {"weight_map": {name: file for file, tensors in shards.items() for name in tensors}}
    contents["model.safetensors.index.json"] = json.dumps(index).encode()
    return open_files(HeldFiles(contents), is_folder=True)


def write(path: Path, tensors: Mapping[str, Array]) -> Path:
    path.write_bytes(safetensors(tensors))
    return path


def reference(before: Array, after: Array) -> dict[str, Any]:
    """The figures of ``ValueChange`` for floating point, done plainly in long double."""
    flat, other = before.reshape(-1), after.reshape(-1)
    a, b = flat.astype(np.longdouble), other.astype(np.longdouble)
    width = f"u{before.dtype.itemsize}"
    changed = int((flat.view(width) != other.view(width)).sum())
    both = np.isfinite(a) & np.isfinite(b)
    found: dict[str, Any] = {
        "elements": len(a), "changed": changed, "changed_share": changed / len(a),
        "nan_before": int(np.isnan(a).sum()), "nan_after": int(np.isnan(b).sum()),
        "inf_before": int(np.isinf(a).sum()), "inf_after": int(np.isinf(b).sum()),
    }  # fmt: skip
    a, b = a[both], b[both]
    if not len(a):
        return found
    d = b - a
    norms = {"norm_before": _norm(a), "norm_after": _norm(b), "l2": _norm(d)}
    dot = float((a / (norms["norm_before"] or 1) * (b / (norms["norm_after"] or 1))).sum())
    return (
        found
        | norms
        | {
            "relative_l2": norms["l2"] / norms["norm_before"] if norms["norm_before"] else None,
            "cosine": dot if norms["norm_before"] and norms["norm_after"] else None,
            "max_abs": float(np.abs(d).max()),
            "sign_flips": float((((a < 0) & (b > 0)) | ((a > 0) & (b < 0))).mean()),
            "mean_shift": float(d.mean()),
        }
    )


def _over(change: float, before: float) -> float:
    return float(np.longdouble(change) / np.longdouble(before))


def _norm(values: Array) -> float:
    return float(np.sqrt((values * values).sum()))
