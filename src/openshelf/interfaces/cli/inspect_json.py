"""A checkpoint as values that JSON can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import RAW, Checkpoint, Role, Tensor
from openshelf.analysis.checkpoints.statistics import Statistics


def values(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that is known without reading values of tensors; what an optimiser keeps stands apart from the model."""
    return {
        "format": checkpoint.format,
        "source": checkpoint.source.label,
        "files": [{"name": name, "size": checkpoint.source.open(name).size} for name in checkpoint.files],
        "facts": facts_values(checkpoint),
        "metadata": _safe(checkpoint.metadata),
        "problems": list(checkpoint.problems),
        "others": list(checkpoint.others),
        "tensors": [tensor_values(found) for found in checkpoint.tensors if found.role is not Role.OPTIMIZER],
        "optimizer": [tensor_values(found) for found in checkpoint.tensors if found.role is Role.OPTIMIZER],
    }


def facts_values(checkpoint: Checkpoint) -> dict[str, Any]:
    roles = Counter(tensor.role.value for tensor in checkpoint.tensors)
    found: dict[str, Any] = _safe(asdict(checkpoint.facts))
    return found | {"tensors": len(checkpoint.tensors), "roles": dict(roles)}


def tensor_values(tensor: Tensor) -> dict[str, Any]:
    """``strides``, ``encoding`` and ``role`` only where they are not the usual ones."""
    found: dict[str, Any] = {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "file": tensor.file,
        "offset": tensor.offset,
        "nbytes": tensor.nbytes,
    }
    if tensor.strides is not None:
        found["strides"] = list(tensor.strides)
    if tensor.encoding != RAW:
        found["encoding"] = tensor.encoding
    if tensor.role is not Role.WEIGHT:
        found["role"] = tensor.role.value
    return found


def statistics_values(found: Statistics) -> dict[str, Any]:
    """Numbers that JSON does not have are texts: ``"nan"``, ``"inf"``."""
    plain: dict[str, Any] = _safe(asdict(found))
    return plain


def _safe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(inner) for inner in value]
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str) or value is None else str(value)
