"""Every method against an independent reference in float64, for every type it computes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import openshelf
from openshelf.analysis.weights.merging.recipe import choice_of
from tests.unit.weights import merge_models as plain
from tests.unit.weights.merge_models import DTYPES, Array, close, random_tensor, read_model, wide, write_model

NAME = "layer.weight"


def merged(tmp_path: Path, tensors: list[Array], base: Array | None = None, **options: object) -> Array:
    sides = [write_model(tmp_path / f"side{index}", {NAME: values}) for index, values in enumerate(tensors)]
    ancestor = None if base is None else write_model(tmp_path / "base", {NAME: base})
    openshelf.merge(ancestor, *sides, out=tmp_path / "out", **options)  # type: ignore[arg-type]
    return read_model(tmp_path / "out")[NAME]


def models(dtype: str, count: int = 2, near: bool = False) -> tuple[Array, list[Array]]:
    """A base and descendants of it; ``near`` ones changed in like directions."""
    base = random_tensor(0, dtype=dtype)
    shared = random_tensor(99).astype(np.float64) if near else 0
    sides = [
        (base.astype(np.float64) + 0.1 * shared + 0.1 * random_tensor(1 + index).astype(np.float64)).astype(base.dtype)
        for index in range(count)
    ]
    return base, sides


@pytest.mark.parametrize("dtype", DTYPES)
def test_task_arithmetic(tmp_path: Path, dtype: str) -> None:
    base, sides = models(dtype, 3)
    found = merged(tmp_path, sides, base, weights=[0.5, 1.5, -0.25], lambda_=0.7)
    assert close(found, plain.task_arithmetic(base.astype(np.float64), wide(*sides), [0.5, 1.5, -0.25], 0.7), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["linear", "average"])
def test_linear(tmp_path: Path, dtype: str, method: str) -> None:
    base, sides = models(dtype, 3)
    found = merged(tmp_path, sides, base, method=method, weights=[1, 2, 5])
    assert close(found, plain.linear(base, wide(*sides), [1, 2, 5]), dtype)


def test_an_average_by_sample_count_needs_no_base(tmp_path: Path) -> None:
    _, sides = models("float32", 3)
    found = merged(tmp_path, sides, method="average", samples=[120, 40, 9])
    assert close(found, plain.linear(sides[0], wide(*sides), [120, 40, 9]), "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_slerp(tmp_path: Path, dtype: str, t: float) -> None:
    sides = [random_tensor(1, dtype=dtype), random_tensor(2, dtype=dtype, scale=3)]
    found = merged(tmp_path, sides, method="slerp", t=t)
    assert close(found, plain.slerp(sides[0], wide(*sides), t), dtype)


@pytest.mark.parametrize(
    ("name", "same"), [("DARE", "dare-linear"), ("trimmed_mean", "trimmed-mean"), ("FedAvg", "average")]
)
def test_usual_other_names_are_understood(name: str, same: str) -> None:
    assert choice_of(name).method == same


def test_slerp_of_nearly_parallel_sides_is_linear(tmp_path: Path) -> None:
    first = random_tensor(1)
    second = first * np.float32(1.5)
    found = merged(tmp_path, [first, second], method="slerp", t=0.25)
    assert close(found, 0.75 * first.astype(np.float64) + 0.25 * second, "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_ties(tmp_path: Path, dtype: str, density: float) -> None:
    base, sides = models(dtype, 3)
    wide_base, *wide_sides = wide(base, *sides)
    changes = [plain.trimmed((side - wide_base).astype(held(dtype)).astype(np.float64), density) for side in wide_sides]
    found = merged(tmp_path, sides, base, method="ties", density=density, weights=[1, 0.5, 2], lambda_=1.5)
    assert close(found, plain.elected(wide_base, changes, [1, 0.5, 2], 1.5), dtype)


def held(dtype: str) -> type:
    return np.float64 if dtype == "float64" else np.float32


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("near", [False, True])
def test_model_stock(tmp_path: Path, dtype: str, near: bool) -> None:
    base, sides = models(dtype, 3, near)
    found = merged(tmp_path, sides, base, method="model-stock")
    assert close(found, plain.model_stock(base.astype(np.float64), wide(*sides)), dtype)


def test_model_stock_of_opposed_sides_is_the_base(tmp_path: Path) -> None:
    base, change = random_tensor(0), random_tensor(1)
    found = merged(tmp_path, [base + change, base - change], base, method="model-stock")
    assert close(found, base.astype(np.float64), "float32")


def test_model_stock_does_not_go_beyond_the_base(tmp_path: Path) -> None:
    base, change, other = random_tensor(0), random_tensor(1), random_tensor(2)
    found = merged(tmp_path, [base + change, base - change / 2 + other / 2], base, method="model-stock")
    assert close(found, base.astype(np.float64), "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [3, 4, 5, 33])
def test_median(tmp_path: Path, dtype: str, count: int) -> None:
    base, sides = models(dtype, count)
    found = merged(tmp_path, sides, base, method="median")
    assert close(found, np.median(np.stack(wide(*sides)), axis=0), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("count", "cut"), [(5, 1), (10, 2), (40, 8)])
def test_trimmed_mean(tmp_path: Path, dtype: str, count: int, cut: int) -> None:
    base, sides = models(dtype, count)
    found = merged(tmp_path, sides, base, method="trimmed-mean", trim=0.2)
    assert close(found, np.sort(np.stack(wide(*sides)), axis=0)[cut : count - cut].mean(axis=0), dtype)


def test_trimmed_mean_that_trims_nothing_is_refused(tmp_path: Path) -> None:
    base, sides = models("float32", 3)
    with pytest.raises(openshelf.MergeError, match="leaves out 0 of the 3 sides"):
        merged(tmp_path, sides, base, method="trimmed-mean", trim=0.2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [None, 0.5])
def test_norm_clip(tmp_path: Path, dtype: str, limit: float | None) -> None:
    base, sides = models(dtype, 3)
    sides[2] = (base.astype(np.float64) + 50 * random_tensor(7)).astype(base.dtype)
    given = {} if limit is None else {"max_norm": limit}
    found = merged(tmp_path, sides, base, method="norm-clip", weights=[1, 2, 3], **given)
    assert close(found, plain.norm_clip(base.astype(np.float64), wide(*sides), [1, 2, 3], limit), dtype)


def test_one_hostile_side_does_not_lead_the_robust_methods_far(tmp_path: Path) -> None:
    base, sides = models("float32", 5)
    sides[4] = base + np.float32(1e6)
    for method in ("median", "trimmed-mean", "norm-clip"):
        found = merged(tmp_path / method, sides, base, method=method)
        assert float(np.abs(found - base).max()) < 1
    assert float(np.abs(merged(tmp_path / "mean", sides, base, method="average") - base).max()) > 1e5


@pytest.mark.parametrize("dtype", DTYPES)
def test_fisher(tmp_path: Path, dtype: str) -> None:
    base, sides = models(dtype)
    weighing = [np.abs(random_tensor(20 + index)) for index in range(2)]
    weighing[0][0], weighing[1][0] = 0, 0
    files = [write_model(tmp_path / f"f{index}", {NAME: each}) for index, each in enumerate(weighing)]
    found = merged(tmp_path, sides, base, method="fisher", statistics=files, weights=[1, 3], floor=1e-3)
    first, second = (np.maximum(each.astype(np.float64), 1e-3) * w for each, w in zip(weighing, (1, 3), strict=True))
    wanted = (first * sides[0].astype(np.float64) + second * sides[1].astype(np.float64)) / (first + second)
    assert close(found, wanted, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_regmean(tmp_path: Path, dtype: str) -> None:
    base, sides = models(dtype)
    inputs = [np.random.default_rng(30 + index).standard_normal((90, 41)) for index in range(2)]
    grams = [(each.T @ each) for each in inputs]
    files = [write_model(tmp_path / f"g{index}", {NAME: each}) for index, each in enumerate(grams)]
    found = merged(tmp_path, sides, base, method="regmean", statistics=files, shrink=0.9)
    shrunk = [0.9 * gram + 0.1 * np.diag(np.diag(gram)) for gram in grams]
    wanted = sum(side.astype(np.float64) @ gram for side, gram in zip(sides, shrunk, strict=True))
    assert close(found, wanted @ np.linalg.inv(sum(shrunk)), dtype)


def test_regmean_takes_the_mean_of_what_is_no_matrix(tmp_path: Path) -> None:
    vectors = [random_tensor(index, (41,)) for index in range(3)]
    matrices = [random_tensor(10 + index) for index in range(3)]
    folders = [
        write_model(tmp_path / name, {NAME: matrix, "bias": vector})
        for name, matrix, vector in zip(("base", "a", "b"), matrices, vectors, strict=True)
    ]
    gram = write_model(tmp_path / "gram", {NAME: np.eye(41)})
    openshelf.merge(*folders, out=tmp_path / "out", method="regmean", statistics=[gram, gram])
    assert close(read_model(tmp_path / "out")["bias"], (vectors[1] + vectors[2].astype(np.float64)) / 2, "float32")


@pytest.mark.parametrize("method", ["dare-linear", "dare-ties"])
def test_dare_that_keeps_all_is_the_method_below_it(tmp_path: Path, method: str) -> None:
    base, sides = models("float32")
    found = merged(tmp_path, sides, base, method=method, density=1)
    wide_base, *wide_sides = wide(base, *sides)
    if method == "dare-linear":
        wanted = plain.task_arithmetic(wide_base, wide_sides, [1, 1])
    else:
        wanted = plain.elected(wide_base, [side - wide_base for side in wide_sides], [1, 1])
    assert close(found, wanted, "float32")


def test_dare_keeps_the_share_asked_for_and_scales_it_up(tmp_path: Path) -> None:
    base = np.zeros((400, 500), np.float32)
    sides = [np.ones_like(base), np.full_like(base, 10)]
    found = merged(tmp_path, sides, base, method="dare-linear", density=0.25, seed=3)
    assert set(np.unique(found)) == {0.0, 4.0, 40.0, 44.0}
    for value, share in ((0, 0.5625), (4, 0.1875), (40, 0.1875), (44, 0.0625)):
        assert abs(float((found == value).mean()) - share) < 0.005
    other = merged(tmp_path / "other", sides, base, method="dare-linear", density=0.25, seed=4)
    assert abs(float((other == found).mean()) - (0.5625**2 + 2 * 0.1875**2 + 0.0625**2)) < 0.01


def test_values_that_do_not_fit_their_type_stop_the_merge(tmp_path: Path) -> None:
    base, sides = np.zeros(4, np.float16), [np.full(4, 60_000, np.float16), np.full(4, 50_000, np.float16)]
    with pytest.raises(openshelf.MergeRefused, match="4 merged values do not fit float16"):
        merged(tmp_path, sides, base)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_output_can_be_of_another_type(tmp_path: Path, dtype: str) -> None:
    base, sides = models("float32")
    found = merged(tmp_path, sides, base, dtype=dtype)
    assert found.dtype == plain.numpy_type(dtype)
    assert close(found, plain.task_arithmetic(base.astype(np.float64), wide(*sides), [1, 1]), dtype)


def test_float64_is_rounded_once_to_bfloat16(tmp_path: Path) -> None:
    """Just above the middle of two values of bfloat16: by way of float32 it would be the middle, and go down."""
    above = 1 + 2.0**-8 + 2.0**-40
    values = np.array([above, -above, 1 + 2.0**-8, 1 + 3 * 2.0**-8 - 2.0**-40, 2.0, 0.0])
    wanted = np.array([1 + 2.0**-7, -1 - 2.0**-7, 1.0, 1 + 2.0**-7, 2.0, 0.0])
    taken = merged(tmp_path / "taken", [values, np.zeros(6)], np.zeros(6), dtype="bfloat16")
    assert np.array_equal(taken.astype(np.float64), wanted)
    computed = merged(tmp_path / "computed", [2 * values, -values], np.zeros(6), dtype="bfloat16")
    assert np.array_equal(computed.astype(np.float64), wanted)


def test_models_of_other_formats_are_merged_into_safetensors(tmp_path: Path) -> None:
    base, sides = models("float32")
    paths = []
    for index, values in enumerate([base, *sides]):
        paths.append(tmp_path / f"{index}.npz")
        arrays: dict[str, Any] = {NAME: values, "turned": np.asfortranarray(values)}
        np.savez_compressed(paths[-1], **arrays)
    openshelf.merge(*paths, out=tmp_path / "out")
    found = read_model(tmp_path / "out")
    wanted = plain.task_arithmetic(base.astype(np.float64), wide(*sides), [1, 1])
    assert close(found[NAME], wanted, "float32")
    assert close(found["turned"], wanted, "float32")
