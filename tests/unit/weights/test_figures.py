"""Every figure of a diff against the same figure done plainly in long double."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.weights import tiles
from openshelf.analysis.weights.comparing import diff
from openshelf.analysis.weights.difference import TensorDifference, ValueChange
from tests.unit.weights.models import Array, checkpoint, reference

FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")
INTEGERS = ("int64", "uint64", "int32", "uint32", "int16", "uint16", "int8", "uint8", "bool")
# What float32 arithmetic within a tile may cost; the sums across tiles are in float64.
CLOSE = {"rel_tol": 2e-5, "abs_tol": 0.0}


def kind(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def compared(before: Array, after: Array, **options: object) -> TensorDifference:
    found = diff(checkpoint({"t": before}), checkpoint({"t": after}), threads=1, **options)  # type: ignore[arg-type]
    return found.tensors[0]


def figures(before: Array, after: Array) -> ValueChange:
    found = compared(before, after).values
    assert found is not None
    return found


def check(before: Array, after: Array) -> None:
    found, wanted = figures(before, after), reference(before, after)
    scale = wanted.get("l2", 0.0) / math.sqrt(max(len(before.reshape(-1)), 1))
    for name, value in wanted.items():
        given_value = getattr(found, name)
        if value is None or isinstance(value, int):
            assert given_value == value, name
        elif given_value is None:
            assert name in ("relative_l2", "cosine"), name  # the quotient does not fit in a float64
            assert wanted["norm_before"] < 1e-150 or wanted["norm_after"] > 1e150
        elif not math.isfinite(value) or not math.isfinite(wanted["l2"]):
            continue
        else:
            loose = {"cosine": 2e-5, "mean_shift": 2e-5 * max(scale, wanted["max_abs"])}.get(name, 0.0)
            assert math.isclose(given_value, value, rel_tol=2e-5, abs_tol=loose), (name, given_value, value)


@st.composite
def pairs(draw: st.DrawFn, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Two arrays of any bits whatever: NaN, infinities, -0.0 and denormals among them."""
    held = kind(draw(st.sampled_from(names)))
    count = draw(st.integers(1, 40))
    sides = []
    for _ in range(2):
        stored = draw(st.binary(min_size=count * held.itemsize, max_size=count * held.itemsize))
        values = np.frombuffer(stored, np.uint8)
        sides.append((values & 1 if held.kind == "b" else values).view(held).copy())
    before, after = sides
    kept = draw(st.integers(0, count))
    after[:kept] = before[:kept]
    return before, after


@settings(max_examples=300, deadline=None)
@given(pairs(FLOATS))
def test_any_bits(sides: tuple[Array, Array]) -> None:
    before, after = sides
    if before.tobytes() == after.tobytes():
        assert compared(before, after).values is None
        return
    with np.errstate(all="ignore"):
        check(before, after)


@pytest.mark.parametrize("name", FLOATS[:6])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_over_several_tiles(name: str, scale: float) -> None:
    """Runs of equal tiles, changed ones, and a last one that is not full."""
    rng = np.random.default_rng(3)
    count = 3 * tiles.TILE + 77
    before = rng.standard_normal(count).astype(kind(name))
    after = (before.astype(np.float64) + scale * rng.standard_normal(count)).astype(kind(name))
    after[tiles.TILE : 2 * tiles.TILE] = before[tiles.TILE : 2 * tiles.TILE]
    check(before, after)


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e18, 1e25, 1e38])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_squares_that_float32_cannot_hold(name: str, size: float) -> None:
    rng = np.random.default_rng(4)
    before = (rng.uniform(0.5, 1, 5000) * size).astype(kind(name))
    after = (before.astype(np.float64) * rng.uniform(0.9, 1.1, 5000)).astype(kind(name))
    check(before, after)


def test_pieces_that_did_not_change_count_in_the_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal jobs are only counted at first, and measured when another job of the tensor has changed."""
    monkeypatch.setattr("openshelf.analysis.weights.comparison.JOB_BYTES", 4 * tiles.TILE)
    rng = np.random.default_rng(5)
    before = rng.standard_normal(5 * tiles.TILE).astype(np.float32)
    after = before.copy()
    after[3 * tiles.TILE + 5] += 1
    check(before, after)


def test_a_zero_base_has_no_relative_distance() -> None:
    found = figures(np.zeros(4, np.float32), np.array([0, 3, 4, 0], np.float32))
    assert (found.relative_l2, found.cosine, found.l2, found.sign_flips) == (None, None, 5.0, 0.0)


def test_signs_flip_only_where_both_sides_have_one() -> None:
    before = np.array([1, -1, 0, 0.0, -2, 3], np.float32)
    after = np.array([-1, 1, -1, -0.0, -3, 4], np.float32)
    found = figures(before, after)
    assert found.sign_flips == 2 / 6
    assert found.changed == 6


def test_a_nan_equals_the_same_nan() -> None:
    before = np.array([np.nan, 1, 2], np.float32)
    assert compared(before, before.copy()).status == "equal"
    found = figures(before, np.array([np.nan, 1, np.inf], np.float32))
    assert (found.changed, found.nan_before, found.nan_after, found.inf_after) == (1, 1, 1, 1)


@settings(max_examples=200, deadline=None)
@given(pairs(INTEGERS))
def test_integers_and_booleans(sides: tuple[Array, Array]) -> None:
    before, after = sides
    found = compared(before, after).values
    distances = [abs(int(x) - int(y)) for x, y in zip(before, after, strict=True)]
    if not any(distances):
        assert found is None
        return
    assert found is not None
    assert (found.changed, found.max_abs) == (sum(map(bool, distances)), max(distances))
    assert (found.relative_l2, found.cosine) == (None, None)


def test_complex_elements_are_their_two_parts() -> None:
    before = np.array([3 + 4j, 1j], np.complex64)
    found = figures(before, np.array([3 + 4j, 2j], np.complex64))
    assert (found.elements, found.changed, found.max_abs, found.l2) == (4, 1, 1.0, 1.0)


@given(st.binary(min_size=2, max_size=200))
def test_float16_widens_exactly(stored: bytes) -> None:
    values = np.frombuffer(stored[: len(stored) // 2 * 2], np.float16)
    into = np.empty(len(values), np.float32)
    tiles.widen(values, into)
    np.testing.assert_array_equal(into, values.astype(np.float32))
