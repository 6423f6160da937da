"""Small models for tests of merging, and the methods written plainly in float64."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.writers.safetensors import SafetensorsWriter
from openshelf.analysis.checkpoints.writers.unfinished import PlannedTensor

Array = np.ndarray[Any, np.dtype[Any]]
DTYPES = ("float16", "bfloat16", "float32", "float64")


def numpy_type(dtype: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)


def write_model(
    folder: Path, tensors: Mapping[str, Array], files: Mapping[str, str] | None = None, shard_bytes: int = 1 << 40
) -> Path:
    """A model folder with these tensors and these other files."""
    planned = [PlannedTensor(name, values.dtype.name, values.shape) for name, values in tensors.items()]
    folder.mkdir(parents=True, exist_ok=True)
    with SafetensorsWriter(folder, planned, {"format": "pt"}, shard_bytes) as writer:
        for name, values in tensors.items():
            writer.write(name, 0, np.ascontiguousarray(values).tobytes())
        writer.finish()
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    return folder


def read_model(folder: Path) -> dict[str, Array]:
    with open_checkpoint(folder) as checkpoint:
        return {tensor.name: checkpoint.array(tensor).copy() for tensor in checkpoint}


def stored(folder: Path) -> dict[str, bytes]:
    """The bytes of each tensor."""
    return {name: values.tobytes() for name, values in read_model(folder).items()}


def random_tensor(seed: int, shape: Sequence[int] = (37, 41), dtype: str = "float32", scale: float = 1.0) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(numpy_type(dtype))


def adapter(folder: Path, factors: Mapping[str, Array], **config: Any) -> Path:
    """A PEFT adapter; ``factors`` by the name after ``base_model.model.``."""
    write_model(folder, {f"base_model.model.{name}": values for name, values in factors.items()})
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    said = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder


def wide(*arrays: Array) -> list[Array]:
    return [each.astype(np.float64) for each in arrays]


def task_arithmetic(base: Array, sides: Sequence[Array], weights: Sequence[float], scale: float = 1) -> Array:
    changes = [weight * (side - base) for side, weight in zip(sides, weights, strict=True)]
    found: Array = base + scale * np.sum(changes, axis=0)
    return found


def linear(base: Array, sides: Sequence[Array], weights: Sequence[float]) -> Array:
    found: Array = np.average(np.stack(sides), axis=0, weights=weights)
    return found


def slerp(base: Array, sides: Sequence[Array], t: float) -> Array:
    first, second = (side.ravel() for side in sides)
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    angle = math.acos(cosine)
    found: Array = (math.sin((1 - t) * angle) * first + math.sin(t * angle) * second) / math.sin(angle)
    return found.reshape(base.shape)


def trimmed(change: Array, density: float) -> Array:
    keep = max(1, math.floor(density * change.size + 0.5))
    limit = np.sort(np.abs(change).ravel())[change.size - keep]
    return np.where(np.abs(change) >= limit, change, 0)


def elected(base: Array, changes: Sequence[Array], weights: Sequence[float], scale: float = 1) -> Array:
    """Signs elected and the mean of those that agree, element by element, in plain Python."""
    result = base.copy()
    for place in np.ndindex(base.shape):
        votes = [(w * c[place], w) for c, w in zip(changes, weights, strict=True)]
        plus = sum(vote for vote, _ in votes) >= 0
        agreeing = [(vote, w) for vote, w in votes if vote != 0 and (vote > 0) == plus]
        if agreeing:
            result[place] += scale * sum(vote for vote, _ in agreeing) / sum(w for _, w in agreeing)
    return result


def model_stock(base: Array, sides: Sequence[Array]) -> Array:
    changes = [(side - base).ravel() for side in sides]
    cosines = [
        changes[i] @ changes[j] / np.linalg.norm(changes[i]) / np.linalg.norm(changes[j])
        for i in range(len(sides)) for j in range(i)
    ]  # fmt: skip
    cosine, count = float(np.mean(cosines)), len(sides)
    t = min(1.0, max(0.0, count * cosine / (1 + (count - 1) * cosine)))
    found: Array = t * np.mean(sides, axis=0) + (1 - t) * base
    return found


def norm_clip(base: Array, sides: Sequence[Array], weights: Sequence[float], limit: float | None) -> Array:
    norms = [float(np.linalg.norm(side - base)) for side in sides]
    bound = limit if limit is not None else float(np.median([norm for norm in norms if norm > 0]))
    total = sum(w * (s - base) * min(1, bound / n) for w, s, n in zip(weights, sides, norms, strict=True) if n > 0)
    found: Array = base + total / sum(weights)
    return found


def close(found: Array, wanted: Array, dtype: str) -> bool:
    """Whether ``found`` is ``wanted`` within one rounding to ``dtype`` and a few roundings of float32.

    The slack of float32 is absolute, by the largest value, since differences of values are taken.
    """
    steps = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
    slack = steps["float64" if dtype == "float64" else "float32"] * 16 * (float(np.abs(wanted).max()) + 1)
    bound = np.abs(wanted) * steps[dtype] / 2 + slack + (2.0**-25 if dtype == "float16" else 0)
    return bool((np.abs(found.astype(np.float64) - wanted) <= bound).all())
