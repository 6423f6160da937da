"""Orbax: arrays in folders, a store that is listed by name, and names that lead elsewhere."""

from __future__ import annotations

import pytest

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_files
from openshelf.analysis.files.ranges import UnreadableFile
from tests.unit.checkpoints.makers import orbax as maker


def test_arrays_in_folders() -> None:
    with open_files(HeldFiles(maker.folders()), is_folder=True) as found:
        assert found.format == "orbax"
        assert {tensor.name: (tensor.dtype, tensor.shape, tensor.role.value) for tensor in found} == {
            "params.kernel": ("float32", (2, 3), "weight"), "params.half": ("bfloat16", (2,), "weight"),
            "params.packed": ("float32", (2, 3), "weight"), "opt_state.0": ("float64", (2,), "optimizer"),
            "step": ("int32", (), "state"),
        }  # fmt: skip
        assert found.array("params.kernel").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found.array("params.half").astype(float).tolist() == [1, 1]
        assert found.array("opt_state.0").tolist() == [1, 2]
        assert int(found.array("step")) == 7
        assert (found["params.packed"].encoding, found["params.packed"].nbytes) == ("zarr", 6)
        with pytest.raises(UnreadableFile, match="values written as zarr are not decoded"):
            found.array("params.packed")


def test_a_store_is_listed_by_its_tree() -> None:
    with open_files(HeldFiles(maker.store()), is_folder=True) as found:
        assert [(tensor.name, tensor.shape, tensor.role.value) for tensor in found] == [
            ("params.kernel", (2, 3), "weight"), ("step", (), "state"),
        ]  # fmt: skip
        assert "OCDBT" in found.problems[0]
        with pytest.raises(UnreadableFile, match="values written as ocdbt are not decoded"):
            found.array("params.kernel")


@pytest.mark.parametrize(
    "path", [("/etc/passwd",), ("..", "x/../../y"), ("a", "b/../c"), ("a\\..\\b",), ("a\0",), ("a//b",)]
)
@pytest.mark.parametrize("is_store", [False, True])
def test_names_that_lead_outside_are_refused(path: tuple[str, ...], is_store: bool) -> None:
    files = {maker.MEMBER: maker.tree({path: {}}, use_ocdbt=is_store)}
    with pytest.raises(UnreadableCheckpoint, match="leads outside the checkpoint"):
        open_files(HeldFiles(files), is_folder=True)


def test_what_makes_no_sense_is_refused() -> None:
    made = maker.folders()
    for file, content, reason in (
        ("default/params.kernel/0.0", bytes(23), "it has 23 bytes, its array needs 24"),
        ("default/params.kernel/.zarray", b"[]", "it is no JSON object"),
        ("default/params.kernel/.zarray", maker.array([1.0], "<q9"), "its type '<q9' is not known"),
        ("default/params.kernel/.zarray", maker.array([1.0], "<f4", (1, 1)), "no proper shape and chunks"),
    ):
        with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
            open_files(HeldFiles({**made, file: content}), is_folder=True)
        assert caught.value.file == file
