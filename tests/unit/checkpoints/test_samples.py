"""Every real file reads to the tensors that an independent reader gave, or is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from openshelf import open_checkpoint
from openshelf.analysis.checkpoints.checkpoint import Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.readers.safetensors import DTYPES
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples

# Broken on purpose; values without a list of them; shapes of inputs.
REFUSED = ("burn_broken.pt", "ollama_bad_test.gguf", ".data-00000-of-00001", "model-shapes.json")
FILES = [one for one in entries() if not one["file"].endswith(REFUSED)]


@needs_samples
@pytest.mark.parametrize("entry", FILES, ids=lambda one: str(one["file"]))
def test_the_tensors_are_those_of_the_manifest(entry: dict[str, Any]) -> None:
    with open_checkpoint(ROOT / entry["file"]) as found:
        model = [one for one in found if one.role in (Role.WEIGHT, Role.STATE)]
        if entry["expected_tensors"] is not None:
            assert len(model) == entry["expected_tensors"]
        listed = {one.name: (one.dtype, list(one.shape)) for one in model}
        for name, dtype, shape, *_ in entry.get("tensors", []):
            assert listed[name] == (DTYPES.get(dtype, _of_onnx(dtype)), shape)
        assert all(found.array(one).shape == one.shape for one in model)


@needs_samples
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_list_is_refused(name: str) -> None:
    for entry in (one for one in entries() if one["file"].endswith(name)):
        with pytest.raises(UnreadableCheckpoint, match=r"begins with|ends at byte"):
            open_checkpoint(ROOT / entry["file"])


def _of_onnx(dtype: str) -> str:
    """The name here of ONNX's ``FLOAT``; what is none of ONNX's is ours already."""
    return {"FLOAT": "float32", "INT64": "int64"}.get(dtype, dtype)
