"""PEFT adapters: which tensors of a base a LoRA changes, and by what.

A folder with ``adapter_config.json`` and ``adapter_model.safetensors``, as the ``peft`` library saves it (0.21 was
looked at). The change of a weight W (outputs x inputs) is s B A, s = alpha / r (Hu et al. 2021, arXiv 2106.09685), or
alpha / sqrt(r) where rank-stabilised (Kalajdzievski 2023, arXiv 2312.03732); transposed where ``fan_in_fan_out``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.opening import Place
from openshelf.analysis.weights.merging.conflicts import Conflict, Kind, MergeError
from openshelf.analysis.weights.merging.operands import Array, Folded, Operand, Stored
from openshelf.analysis.weights.merging.recipe import check_regex

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MAX_CONFIG = 4 * 1024 * 1024
_PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<letter>[AB])(?:\.(?!weight\Z)[^.]+)?(?:\.weight)?\Z"
)
# What changes the meaning of the factors, so that folding them as plain LoRA would be wrong.
_UNFOLDABLE = (
    "use_dora", "modules_to_save", "layer_replication", "use_qalora", "lora_bias", "target_parameters", "use_bdlora",
    "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config",
    "monteclora_config",
)  # fmt: skip
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What of ``adapter_config.json`` decides the change."""

    r: int
    alpha: float
    rank_stabilised: bool = False
    transposed: bool = False
    ranks: Mapping[str, int] | None = None
    alphas: Mapping[str, float] | None = None

    def scale(self, module: str, rank: int) -> float:
        """What B A is multiplied with in a module. Raises MergeError where B and A have another rank than it says."""
        r = _by_pattern(self.ranks, module, self.r)
        if r != rank:
            raise MergeError(f"its factors have the rank {rank}, and the configuration says {r:g}")
        alpha = _by_pattern(self.alphas, module, self.alpha)
        return float(alpha / (math.sqrt(r) if self.rank_stabilised else r))


def is_adapter(place: Place) -> bool:
    return place.first is None and CONFIG in place.files.sizes()


def read_config(content: bytes) -> AdapterConfig:
    """Raises MergeError for what is not plain LoRA, and says what to do."""
    if len(content) > MAX_CONFIG:
        raise MergeError(f"{CONFIG} has {len(content):,} bytes; up to {MAX_CONFIG:,} are read")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MergeError(f"{CONFIG} is not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("peft_type") != "LORA":
        kind = found.get("peft_type") if isinstance(found, dict) else None
        raise MergeError(f"{CONFIG} describes {str(kind)[:40]!r}; only LORA is folded: merge it with peft first")
    for key in _UNFOLDABLE:
        if found.get(key):
            raise MergeError(f"{CONFIG} has {key} set, which is not folded here: merge it with peft first")
    start = found.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_BASE):
        raise MergeError(f"{CONFIG} was begun by {start[:40]!r}, which changed the base: make it plain LoRA first")
    if found.get("bias", "none") != "none":
        raise MergeError(f"{CONFIG} trained biases ({str(found['bias'])[:40]}), not folded here: merge it with peft")
    r, alpha = found.get("r"), found.get("lora_alpha")
    if type(r) is not int or r < 1 or not _is_number(alpha):
        raise MergeError(f"{CONFIG} must give r, a whole number from 1 on, and lora_alpha, a number")
    return AdapterConfig(
        r,
        float(alpha or 0),
        found.get("use_rslora") is True,
        found.get("fan_in_fan_out") is True,
        _pattern(found, "rank_pattern"),
        _pattern(found, "alpha_pattern"),
    )


def fold(
    config: AdapterConfig, adapter: Checkpoint, base: Mapping[str, Operand]
) -> tuple[dict[str, Operand], list[Conflict]]:
    """The tensors of the base that the adapter changes, with it folded in; and what does not fit."""
    found: dict[str, Operand] = {}
    wrong: list[Conflict] = []
    for module, parts in _modules(adapter, wrong):
        name = _target(module, base)
        try:
            if name is None:
                raise MergeError("the base has no such module")
            found[name] = _folded(config, adapter, module, parts, base[name])
        except MergeError as error:
            wrong.append(Conflict(Kind.ADAPTER, module, f"{error} ({adapter.source.label})"))
    return found, wrong


def _modules(adapter: Checkpoint, wrong: list[Conflict]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each module with the names of its factors: ``A`` and ``B``, ``embedding`` where they are of an embedding."""
    modules: dict[str, dict[str, str]] = {}
    for tensor in adapter:
        part = _PART.match(tensor.name)
        if part is None:
            wrong.append(Conflict(Kind.ADAPTER, tensor.name, "is no factor of LoRA: merge the adapter with peft first"))
            continue
        held = modules.setdefault(part["module"].removeprefix(_PREFIX), {})
        held[part["letter"]] = tensor.name
        if part["embedding"]:
            held["embedding"] = "yes"
    yield from modules.items()


def _target(module: str, base: Mapping[str, Operand]) -> str | None:
    return next((name for name in (f"{module}.weight", module) if name in base), None)


def _folded(
    config: AdapterConfig, adapter: Checkpoint, module: str, parts: Mapping[str, str], under: Operand
) -> Folded:
    if "A" not in parts or "B" not in parts:
        raise MergeError(f"it has only lora_{'A' if 'A' in parts else 'B'}")
    if not isinstance(under, Stored):
        raise MergeError("the tensor of the base is not one of a checkpoint")
    first, second = _matrix(adapter, parts["A"]), _matrix(adapter, parts["B"])
    second = second.reshape(second.shape[0], -1)
    if second.shape[1] != first.shape[0]:
        raise MergeError(f"its factors {first.shape} and {second.shape} do not fit each other")
    left, right = second, first
    if config.transposed != ("embedding" in parts):
        left, right = np.ascontiguousarray(first.T), np.ascontiguousarray(second.T)
    rows = under.shape[0] if under.shape else 0
    if left.shape[0] != rows or left.shape[0] * right.shape[1] != under.elements:
        raise MergeError(
            f"its change has the shape ({left.shape[0]}, {right.shape[1]}), the base's tensor {under.shape}"
        )
    return Folded(under, left, right, config.scale(module, first.shape[0]))


def _matrix(adapter: Checkpoint, name: str) -> Array:
    found = adapter.array(name)
    if found.ndim < 2:
        raise MergeError(f"{name} has {found.ndim} dimensions; a factor has two, or four of a convolution")
    return np.ascontiguousarray(found.reshape(found.shape[0], -1), np.float32)


def _by_pattern(held: Mapping[str, float] | None, module: str, default: float) -> float:
    """The value whose pattern matches the end of the name of a module, as peft looks it up: the first, if any."""
    for pattern, value in (held or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _pattern(found: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    held = found.get(key)
    if not held:
        return None
    if not isinstance(held, dict) or len(held) > 10_000 or not all(_is_number(value) for value in held.values()):
        raise MergeError(f"{key} in {CONFIG} must be patterns with numbers")
    for pattern in held:
        try:
            check_regex(pattern)
        except MergeError as error:
            raise MergeError(f"{key} in {CONFIG}: {error}") from None
    return held


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
