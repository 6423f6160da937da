"""Every PyTorch file of the samples reads to the list of its manifest, without PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from openshelf.analysis.checkpoints.checkpoint import Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples

ENTRIES = entries("torch_legacy", "torch_zip", "torch_tar", "torch_jit")
LISTED = [entry for entry in ENTRIES if entry.get("tensors")]
pytestmark = needs_samples


def strides(tensor: Tensor) -> list[int]:
    """As the manifest has them: written out for a contiguous tensor too."""
    if tensor.strides is not None:
        return list(tensor.strides)
    found, step = [], 1
    for side in reversed(tensor.shape):
        found.append(step)
        step *= max(side, 1)
    return found[::-1]


@pytest.mark.parametrize("entry", LISTED, ids=[entry["file"] for entry in LISTED])
def test_the_list_of_the_manifest(entry: dict[str, Any]) -> None:
    with open_checkpoint(ROOT / entry["file"]) as found:
        assert found.format == entry["framework"]
        assert found.problems == ()
        listed = [[one.name, one.dtype, list(one.shape), strides(one)] for one in found]
        assert [one[:3] for one in listed] == [one[:3] for one in entry["tensors"]]
        known = [one[3] for one in entry["tensors"] if len(one) > 3]
        assert [one[3] for one in listed] == known or not known
        for tensor in found:
            assert found.array(tensor).shape == tensor.shape
            assert tensor.role is Role.WEIGHT


def test_the_archives_of_other_hands_in_tar() -> None:
    with open_checkpoint(ROOT / "torch_tar/burn_tar_weight_bias.tar") as found:
        assert found.format == "pytorch-tar"
        assert [(one.name, one.dtype, one.shape) for one in found] == [
            ("weight", "float32", (2, 3)),
            ("bias", "float32", (2,)),
        ]
        assert np.allclose(found.array("weight"), [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
        assert np.allclose(found.array("bias"), [0.01, 0.02])
    with open_checkpoint(ROOT / "torch_tar/burn_tar_float32.tar") as found:
        assert np.allclose(found.array("tensor"), [1.0, 2.5, -3.7, 0.0])


def test_what_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(UnreadableCheckpoint, match=r"burn_broken.pt: it begins with b'abc', which is no format"):
        open_checkpoint(ROOT / "torch_zip/burn_broken.pt")


def test_torch_script_says_what_is_not_listed_and_names_its_code() -> None:
    with open_checkpoint(ROOT / "torch_jit/silero_vad.jit") as found:
        assert found.metadata["empty"] == ["_state", "_context", "CONSTANTS.c0"]
        assert "__torch__/vad/model/vad_annotator.py" in found.metadata["code"]
        assert "__torch__.vad.model.vad_annotator.VADRNNJITMerge" in found.metadata["globals"]
        assert found.facts.architecture == "VADRNNJITMerge"


def test_the_same_model_in_two_formats() -> None:
    with (
        open_checkpoint(ROOT / "torch_jit/silero_vad.jit") as script,
        open_checkpoint(ROOT / "safetensors/silero_vad_16k.safetensors") as other,
    ):
        stored = {other.array(tensor).tobytes() for tensor in other}
        ours = [tensor for tensor in script if tensor.name.startswith("_model.") and tensor.nbytes > 100]
        assert any(script.array(tensor).tobytes() in stored for tensor in ours)


def test_views_of_one_storage() -> None:
    with open_checkpoint(ROOT / "torch_legacy/burn_legacy_uncloned_views.pt") as found:
        first, second = found
        assert first.offset is not None
        assert second.offset == first.offset + 40 * 4
