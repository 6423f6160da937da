"""What must hold for every model: properties of merging, over models made up by hypothesis."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openshelf
from openshelf.analysis.weights.merging.methods.method import methods
from openshelf.analysis.weights.merging.methods.sparse import uniform
from openshelf.analysis.weights.merging.operands import Stored
from openshelf.analysis.weights.merging.selection import kth_magnitudes
from openshelf.analysis.weights.merging.tiles import Threads, Work
from tests.unit.weights.merge_models import DTYPES, Array, numpy_type, stored, write_model

PLAIN = [name for name, each in methods().items() if each.statistics is None and name != "trimmed-mean"]
SYMMETRIC = ["average", "median", "task-arithmetic", "ties", "linear", "model-stock", "norm-clip"]
few = settings(max_examples=25, deadline=None)

dtypes = st.sampled_from(DTYPES)
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
values = st.floats(-4, 4, width=16).filter(lambda x: x == 0 or abs(x) > 1e-3)


@st.composite
def tensors(draw: st.DrawFn, dtype: str, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape, dtype=int))
    drawn = draw(st.lists(values, min_size=count, max_size=count))
    return np.array(drawn, numpy_type(dtype)).reshape(shape)


@st.composite
def families(draw: st.DrawFn, sides: int) -> list[dict[str, Array]]:
    """A base and its descendants, of the same names, types and shapes."""
    kinds = draw(
        st.dictionaries(st.text("abc.", min_size=1, max_size=6), st.tuples(dtypes, shapes), min_size=1, max_size=3)
    )
    return [{name: draw(tensors(*kind)) for name, kind in kinds.items()} for _ in range(1 + sides)]


def merged(models: Sequence[Mapping[str, Array]], **options: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [write_model(Path(folder) / str(index), model) for index, model in enumerate(models)]
        openshelf.merge(*paths, out=Path(folder) / "out", **options)
        return stored(Path(folder) / "out")


def contents(model: Mapping[str, Array]) -> dict[str, bytes]:
    return {name: each.tobytes() for name, each in model.items()}


@few
@given(families(0), st.sampled_from(PLAIN), st.integers(2, 4))
def test_merging_identical_models_is_the_identity(models: list[dict[str, Array]], method: str, sides: int) -> None:
    sides = 2 if method == "slerp" else sides
    assert merged(models * (sides + 1), method=method) == contents(models[0])


@few
@given(families(1), st.sampled_from([name for name in PLAIN if name != "norm-clip"]))
def test_a_side_that_changed_nothing_yields_to_the_other(models: list[dict[str, Array]], method: str) -> None:
    base, changed = models
    assert merged([base, base, changed], method=method) == contents(changed)
    assert merged([base, changed, base], method=method) == contents(changed)
    assert merged([base, changed, changed], method=method) == contents(changed)


@few
@given(families(3), st.sampled_from(SYMMETRIC))
def test_the_order_of_equal_sides_makes_no_difference(models: list[dict[str, Array]], method: str) -> None:
    base, *sides = models
    found = [merged([base, *order], method=method) for order in permutations(sides)]
    assert all(each == found[0] for each in found)


@few
@given(families(3), st.permutations([0, 1, 2]))
def test_weights_go_with_their_sides(models: list[dict[str, Array]], order: list[int]) -> None:
    base, *sides = models
    weights = [0.5, 2.0, 1.0]
    found = merged([base, *(sides[place] for place in order)], weights=[weights[place] for place in order])
    assert found == merged(models, weights=weights)


@few
@given(families(2))
def test_changes_of_different_tensors_all_come_in(models: list[dict[str, Array]]) -> None:
    base, first, second = models
    names = list(base)
    ours = {name: first[name] if index % 2 else base[name] for index, name in enumerate(names)}
    theirs = {name: base[name] if index % 2 else second[name] for index, name in enumerate(names)}
    wanted = {name: (first if index % 2 else second)[name] for index, name in enumerate(names)}
    assert merged([base, ours, theirs]) == contents(wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_kth_magnitude_is_exact(dtype: type, scale: float) -> None:
    rng = np.random.default_rng(5)
    change: Array = (rng.standard_normal(200_003) * scale).astype(dtype)
    change[::3] = np.round(change[::3] / scale, 1) * scale
    work = _work({"base": np.zeros_like(change), "side": change})
    ordered = np.sort(np.abs(change))[::-1]
    for rank in (1, 2, 1_000, 66_000, 200_003):
        assert kth_magnitudes(work, rank) == (float(ordered[rank - 1]),)


def _work(models: Mapping[str, Array]) -> Work:
    with tempfile.TemporaryDirectory() as folder:
        opened = [openshelf.open_checkpoint(write_model(Path(folder) / name, {"x": x})) for name, x in models.items()]
    base, *sides = (Stored(each, each["x"]) for each in opened)
    held = next(iter(models.values())).dtype
    places = tuple(range(len(sides)))
    return Work(
        "x", held.name, base.shape, base.elements, held, base, tuple(sides), places, (1.0,) * len(sides), {}, 0, (),
        Threads(1),
    )  # fmt: skip


@few
@given(st.integers(0, 1 << 127), st.integers(0, 10_000), st.integers(1, 500), st.integers(0, 499))
def test_the_random_stream_is_the_same_whatever_run_is_asked_for(key: int, start: int, count: int, cut: int) -> None:
    whole = uniform(key, start, start + count)
    cut = min(cut, count)
    parts = [uniform(key, start, start + cut), uniform(key, start + cut, start + count)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert len(whole) == count


def test_the_random_stream_is_even() -> None:
    found = uniform(1, 0, 1_000_000)
    assert abs(float(found.mean()) / 2**31 - 1) < 0.003
    assert len(np.unique(found)) > 999_000
