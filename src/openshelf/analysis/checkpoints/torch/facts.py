"""What a PyTorch checkpoint tells of its model besides tensors: the class of its root, and versions in its values."""

from __future__ import annotations

from dataclasses import replace

from openshelf.analysis.checkpoints.checkpoint import Listing
from openshelf.analysis.checkpoints.pickles.stored_arrays import StoredArray
from openshelf.analysis.checkpoints.pickles.values import Opaque, Token
from openshelf.analysis.checkpoints.pickles.walk import Walk

_VERSIONS = {
    "pytorch-lightning_version": "lightning", "torch_version": "torch", "__version__": "version", "version": "version",
    "transformers_version": "transformers", "timm_version": "timm",
}  # fmt: skip
_ARCHITECTURES = ("arch", "architecture", "model_name", "hyper_parameters.arch")
_WRAPPERS = ("", "model", "ema", "net", "module", "network")


def with_facts(listing: Listing, walk: Walk[StoredArray]) -> Listing:
    """The listing with versions and architecture where the pickle tells them."""
    versions = {
        called: str(walk.values[key])
        for key, called in _VERSIONS.items()
        if isinstance(walk.values.get(key), (str, int, float)) and not isinstance(walk.values[key], bool)
    }
    named = next((walk.values[key] for key in _ARCHITECTURES if isinstance(walk.values.get(key), str)), None)
    made = next((_class(walk.objects[key]) for key in _WRAPPERS if key in walk.objects), None)
    return replace(listing, versions=versions, architecture=str(named) if named else made)


def _class(node: Opaque) -> str | None:
    """The class of a module that was saved whole."""
    first = node.args[0] if isinstance(node.args, tuple) and node.args else None
    is_rebuilt = node.name.startswith("copy") and isinstance(first, Token)
    name = first.name if is_rebuilt and isinstance(first, Token) else node.name.rpartition(".")[2]
    return name if name[:1].isupper() else None
