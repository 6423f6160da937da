"""Openshelf: a self-hosted home for open AI.

As a library it reads, compares and merges the weights of models without running them and without a hub:
``open_checkpoint``, ``diff``, ``merge``, ``convert``. What is named here is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
    from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
    from openshelf.analysis.checkpoints.opening import open_checkpoint
    from openshelf.analysis.weights.comparing import diff
    from openshelf.analysis.weights.conversion.convert import convert
    from openshelf.analysis.weights.difference import ModelDifference
    from openshelf.analysis.weights.merge import merge
    from openshelf.analysis.weights.merging.conflicts import MergeError, MergeRefused

__version__ = "0.1.0"
__all__ = [
    "Checkpoint",
    "MergeError",
    "MergeRefused",
    "ModelDifference",
    "Tensor",
    "UnreadableCheckpoint",
    "__version__",
    "convert",
    "diff",
    "merge",
    "open_checkpoint",
]

_HOMES = {
    "Checkpoint": "openshelf.analysis.checkpoints.checkpoint",
    "MergeError": "openshelf.analysis.weights.merging.conflicts",
    "MergeRefused": "openshelf.analysis.weights.merging.conflicts",
    "Tensor": "openshelf.analysis.checkpoints.checkpoint",
    "UnreadableCheckpoint": "openshelf.analysis.checkpoints.errors",
    "ModelDifference": "openshelf.analysis.weights.difference",
    "convert": "openshelf.analysis.weights.conversion.convert",
    "diff": "openshelf.analysis.weights.comparing",
    "merge": "openshelf.analysis.weights.merge",
    "open_checkpoint": "openshelf.analysis.checkpoints.opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
