"""Flax files, written by the msgpack library as flax.serialization does; damage, and what is none."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnknownFormat, UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_files
from tests.unit.checkpoints.makers.flax_msgpack import TREE, W, chunked, saved


def opened(content: bytes) -> Checkpoint:
    return open_files(HeldFiles({"flax_model.msgpack": content}), is_folder=False)


def test_names_places_and_values_of_a_train_state() -> None:
    content = saved(TREE)
    found = opened(content)
    assert found.format == "flax-msgpack"
    assert [(one.name, one.dtype, one.shape, one.encoding) for one in found] == [
        ("params.dense.kernel", "float32", (2, 3), "raw"), ("params.dense.bias", "bfloat16", (3,), "raw"),
        ("params.large", "float32", (2, 3), "chunked"), ("params.small", "int4", (2,), "byte each"),
        ("params.scale", "float32", (), "raw"), ("params.layers.0", "float32", (3,), "raw"),
        ("params.layers.1", "float32", (3,), "raw"), ("opt_state.0.mu.kernel", "float32", (2, 3), "raw"),
    ]  # fmt: skip
    assert np.array_equal(found.array("params.dense.kernel"), W)
    assert np.array_equal(found.array("params.large"), W)
    assert found.array("params.small").tolist() == [-1, 3]
    assert found.array("params.scale").tolist() == 0.5
    assert found["opt_state.0.mu.kernel"].role is Role.OPTIMIZER
    assert found.facts.parameters == 6 + 3 + 6 + 2 + 1 + 6
    assert found.metadata == {"values": {"step": 7, "note": "made"}}
    place = found["params.dense.kernel"].offset
    assert place is not None
    assert content[place : place + 24] == W.tobytes()


kinds = st.sampled_from(["float32", "float16", "int8", "uint64", "bool", "complex64", "bfloat16", "float8_e4m3fn"])
leaves = kinds.flatmap(
    lambda kind: arrays.arrays("uint8", arrays.array_shapes(min_dims=0, min_side=0, max_side=4)).map(
        lambda values: np.asarray((values % 2).astype(getattr(ml_dtypes, kind, kind)))
    )
)
names = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=6)
trees = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=20), max_leaves=20)


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if isinstance(tree, np.ndarray):
        return {path: tree}
    return {name: one for key, inner in tree.items() for name, one in flat(inner, f"{path}.{key}".lstrip(".")).items()}


@given(st.dictionaries(names, trees, min_size=1, max_size=20))
def test_what_flax_writes_is_read_back(tree: dict[str, Any]) -> None:
    expected = flat(tree)
    if not expected:
        return
    found = opened(saved(tree))
    assert [one.name for one in found] == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype.name
        assert found.array(name).shape == values.shape
        assert found.array(name).tobytes() == values.tobytes()


def ext(*parts: Any, code: int = 1) -> Any:
    return msgpack.ExtType(code, msgpack.packb(parts))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"w": ext([2], "float32", bytes(4))}, "has 4 bytes, its type and shape need 8"),
        ({"w": ext([2], "object", bytes(8))}, "the type 'object', which is not read"),
        ({"w": ext([-2], "float32", bytes(8))}, "no number from 0"),
        ({"w": ext([2**40, 2**40], "float32", b"")}, "no tensor can have the shape"),
        ({"w": W, "x": ext([2], "float32")}, "not written as its shape"),
        ({"w": W, "x": ext([2], "float32", bytes(8), 1)}, "not written as its shape"),
        ({"a": {"b": W}, "a.b": W}, "stands twice"),
        ({"w": W, 3: W}, "where a text belongs"),
        ({"w": W, "c": {**chunked(W, 4), "shape": {"0": 5}}}, "do not make one of the shape"),
        ({"w": W, "c": {**chunked(W, 4), "chunks": {"1": W}}}, "not numbered in order"),
        ({"w": W, "c": {**chunked(W, 4), "chunks": {"0": 1}}}, "is no array"),
    ],
)
def test_damage_is_told_with_its_place(tree: Any, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        opened(saved(tree))
    assert caught.value.offset is not None


def test_deep_nesting_and_every_cut_are_refused() -> None:
    deep: Any = W
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(UnreadableCheckpoint, match="nested deeper"):
        opened(saved({"w": W, "deep": deep}))
    content = saved(TREE)
    for end in range(len(content)):
        with pytest.raises(UnreadableCheckpoint):
            opened(content[:end])
    assert "5 bytes follow" in opened(content + bytes(5)).problems[0]


@pytest.mark.parametrize("content", [saved({"a": 1}), saved([W]), saved({1: W}), b"\x81\xa1a\xc1" * 9])
def test_other_messagepack_is_no_flax_file(content: bytes) -> None:
    with pytest.raises(UnknownFormat):
        opened(content)
