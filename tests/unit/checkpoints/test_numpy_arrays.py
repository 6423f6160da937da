"""NumPy files against NumPy: values, places, strides, and what is refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from tests.unit.checkpoints.makers.numpy_arrays import ARRAYS, npy, npz
from tests.unit.checkpoints.samples import ROOT, needs_samples

SAMPLES = ROOT / "numpy"


def opened(content: bytes) -> Checkpoint:
    return open_files(HeldFiles({"file": content}), is_folder=False)


def assert_same(found: Any, expected: Any) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_members_of_an_archive(packed: bool) -> None:
    content = npz(packed=packed)
    found = opened(content)
    assert found.format == "npz"
    assert [one.name for one in found] == list(ARRAYS)
    for name, expected in ARRAYS.items():
        tensor = found[name]
        assert_same(found.array(name), expected)
        assert tensor.nbytes == expected.nbytes
        assert (tensor.offset is None) == packed
        if tensor.is_plain and tensor.offset is not None:
            assert content[tensor.offset : tensor.offset + tensor.nbytes] == expected.tobytes()
    assert found["fortran"].strides == (1, 2, 6)
    assert found["w"].strides is None
    assert [found[name].dtype for name in ("words", "half", "yes", "empty", "both")] == [
        "string", "float16", "bool", "complex64", "uint32"
    ]  # fmt: skip
    assert found.facts.parameters == sum(one.size for one in ARRAYS.values() if one.dtype.kind not in "US")


numbers = arrays.scalar_dtypes().filter(lambda one: one.kind in "biufcSU" and one.name not in ("complex256",))


@given(arrays.arrays(numbers, arrays.array_shapes(min_dims=0, min_side=0, max_side=4)), st.booleans())
def test_what_numpy_saves_is_read_back(values: Any, transposed: bool) -> None:
    values = values.T if transposed else values
    found = opened(npy(values))
    assert found.format == "npy"
    assert found.array("").tobytes() == values.astype(values.dtype.newbyteorder("=")).tobytes()
    assert found.array("").shape == values.shape


@needs_samples
def test_a_real_file() -> None:
    found = open_checkpoint(SAMPLES / "candle_test.npy")
    assert [(one.name, one.dtype, one.shape, one.offset) for one in found] == [("", "int64", (10,), 128)]
    assert np.array_equal(found.array(""), np.load(SAMPLES / "candle_test.npy"))


class Boom:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def test_objects_are_refused_and_not_unpickled() -> None:
    made = npy(np.zeros(1)).replace(b"'<f8'", b"'|O' ")[:128] + pickle.dumps(Boom())
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("a.npy", made)
    for content in (made, written.getvalue()):
        with pytest.raises(UnreadableCheckpoint, match="only unpickling"):
            opened(content)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), "has several fields"),
        (np.zeros(2, [("a", "f4", (3,))]), "has several fields"),
        (np.zeros(2, "V2"), "none of numbers or texts"),
    ],
)
def test_other_types_are_refused(values: Any, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words):
        opened(npy(values))


def test_damaged_arrays() -> None:
    content = npy(ARRAYS["w"])
    with pytest.raises(UnreadableCheckpoint, match="needs 24 bytes and is cut off: 20 follow") as caught:
        opened(content[:-4])
    assert caught.value.offset == 128
    assert "4 bytes follow" in opened(content + bytes(4)).problems[0]
    with pytest.raises(UnreadableCheckpoint, match="no tensor can have the shape"):
        opened(content.replace(b"(2, 3)", b"(9**9)").replace(b"(9**9), }", b"(0," + b"9" * 20 + b"),}"))
    with pytest.raises(UnreadableCheckpoint):
        opened(npz(packed=False)[:-30])


def test_dates_are_listed_without_values() -> None:
    found = opened(npy(np.zeros(2, "M8[ns]")))
    assert (found[""].dtype, found[""].nbytes, found.facts.parameters) == ("datetime64[ns]", 16, 0)
    with pytest.raises(UnreadableCheckpoint, match="not decoded"):
        found.array("")


def test_other_members_are_named() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("a.npy", npy(ARRAYS["w"]))
        archive.writestr("readme.txt", "hello")
    found = opened(written.getvalue())
    assert len(found) == 1
    assert "readme.txt" in found.problems[0]
