"""A base and its delta make the new model, byte for byte or within the error stated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from openshelf.analysis.checkpoints.errors import UnknownFormat
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.weights.delta import expectation
from openshelf.analysis.weights.delta.apply import Applied, apply
from openshelf.analysis.weights.delta.container import read_delta
from openshelf.analysis.weights.delta.errors import DeltaRefused
from openshelf.analysis.weights.delta.make import Made, make
from openshelf.analysis.weights.delta.segments import Method
from tests.unit.checkpoints.makers import every
from tests.unit.weights.small_models import Stored, changed, contents, models, safetensors, written

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MAKERS = every()


def made(folder: Path, max_error: float | None = None) -> Made:
    with open_checkpoint(folder / "base") as base, open_checkpoint(folder / "new") as new:
        return make(base, new, folder / "delta.safetensors", max_error=max_error)


def applied(folder: Path) -> Applied:
    with open_checkpoint(folder / "base") as base:
        return apply(base, read_delta(folder / "delta.safetensors"), folder / "out")


def both_ways(folder: Path, base: dict[str, bytes], new: dict[str, bytes]) -> Made:
    shutil.rmtree(folder, ignore_errors=True)
    written(folder / "base", base)
    written(folder / "new", new)
    found = made(folder)
    assert applied(folder).is_exact
    assert contents(folder / "out") == new
    return found


@FEW
@given(st.data())
def test_base_and_delta_make_the_new_model(tmp_path: Path, data: st.DataObject) -> None:
    base: dict[str, Stored] = data.draw(models)
    new = data.draw(changed(base))
    beside = data.draw(st.dictionaries(st.sampled_from(("config.json", "a/b.txt", "c d")), st.binary(max_size=50)))
    both_ways(
        tmp_path / "case",
        {"model.safetensors": safetensors(base), "config.json": b"{}"},
        {"model.safetensors": safetensors(new, {"format": "pt"}), **beside},
    )


@pytest.mark.parametrize("label", MAKERS)
def test_any_format_is_made_anew_byte_for_byte(tmp_path: Path, label: str) -> None:
    base = MAKERS[label]()
    first = next(iter(base))
    new = {name: bytearray(content) for name, content in base.items()}
    written(tmp_path / "case/base", base)
    with open_checkpoint(tmp_path / "case/base" / first) as checkpoint:
        for tensor in checkpoint:
            if tensor.offset is not None and tensor.nbytes and tensor.file in new and tensor.dtype.startswith("float"):
                new[tensor.file][tensor.offset] ^= 1
    wanted = {name: bytes(content) for name, content in new.items()}
    try:
        both_ways(tmp_path / "case", base, wanted)
    except UnknownFormat:  # A file that is known when it is named, and is not looked for in a folder.
        with (
            open_checkpoint(tmp_path / "case/base" / first) as one,
            open_checkpoint(tmp_path / "case/new" / first) as two,
        ):
            make(one, two, tmp_path / "delta")
            apply(one, read_delta(tmp_path / "delta"), tmp_path / "out")
        assert contents(tmp_path / "out")[first] == wanted[first]


def _floats(rng: np.random.Generator, *shape: int, scale: float = 0.02) -> Any:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def _saved(folder: Path, tensors: dict[str, Any]) -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "saved")
    return {"model.safetensors": (folder / "saved").read_bytes()}


def test_each_kind_of_change_is_told_in_its_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bf16 = ml_dtypes.bfloat16
    base = {name: _floats(rng, 512, 512).astype(bf16) for name in "abcdefg"}
    new = dict(base)
    new["b"] = (base["b"].astype(np.float32) + _floats(rng, 512, 512, scale=1e-4)).astype(bf16)
    new["c"] = base["c"].copy()
    new["c"].reshape(-1)[rng.integers(0, 512 * 512, 500)] = 1
    low_rank = _floats(rng, 512, 4, scale=0.05) @ _floats(rng, 4, 512, scale=0.05)
    new["d"] = (base["d"].astype(np.float32) + low_rank).astype(bf16)
    new["renamed"] = new.pop("e")
    new["f"] = base["f"].astype(np.float16)
    new["g"] = np.concatenate([base["g"], base["a"][:3]])
    new["h"] = _floats(rng, 8, 8)
    found = both_ways(tmp_path / "case", _saved(tmp_path, base), _saved(tmp_path, new))
    delta = read_delta(tmp_path / "case/delta.safetensors")
    how = {key.removeprefix("tensor:"): told for key, told in found.plan.pieces.items()}
    cost = {name: delta.stored_bytes(f"tensor:{name}") for name in how if not name.startswith("file:")}
    assert "a" not in how
    assert {method for method, _ in how["b"].segments} == {Method.DIFFERENCE}
    assert {method for method, _ in how["c"].segments} == {Method.SPARSE}
    assert how["d"].rank == 4
    assert how["renamed"].base == "tensor:e"
    assert (cost["renamed"], cost["f"]) == (0, 0)
    assert cost["b"] < 0.35 * how["b"].nbytes
    assert cost["c"] < 500 * 8
    assert cost["d"] < 0.15 * how["d"].nbytes
    assert cost["g"] < 3 * 512 * 2 * 1.1


def test_rows_put_in_or_taken_out_cost_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    table = _floats(rng, 5000, 2048).astype(ml_dtypes.bfloat16)
    more = _floats(rng, 1, 2048).astype(ml_dtypes.bfloat16)
    found = both_ways(
        tmp_path / "case", _saved(tmp_path, {"w": table}), _saved(tmp_path, {"w": np.insert(table, 2500, more, axis=0)})
    )
    assert found.nbytes > 20_000_000
    assert found.size < 100_000
    assert found.plan.pieces["tensor:w"].moves == ((2501, 2500),)
    # Some rows left, others changed places, two are of a fine-tune.
    small = table[:900]
    tuned = np.concatenate([small[100:500], small[520:], small[:100]])
    tuned[[50, 700]] = (tuned[[50, 700]].astype(np.float32) * 1.01).astype(tuned.dtype)
    found = both_ways(tmp_path / "case", _saved(tmp_path, {"w": small}), _saved(tmp_path, {"w": tuned}))
    assert found.size < 20_000
    assert found.plan.pieces["tensor:w"].moves == ((0, 100), (400, 520), (780, 0))


def test_rows_that_are_all_alike_are_not_looked_for(tmp_path: Path) -> None:
    base, new = np.zeros((400, 64), np.float32), np.zeros((500, 64), np.float32)
    new[250] = 1
    found = both_ways(tmp_path / "case", _saved(tmp_path, {"w": base}), _saved(tmp_path, {"w": new}))
    assert found.plan.pieces["tensor:w"].moves == ()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("bound", [0.3, 0.05, 0.01])
def test_the_error_stays_within_its_bound(tmp_path: Path, dtype: str, bound: float) -> None:
    rng = np.random.default_rng(2)
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    base = {name: _floats(rng, 256, 320).astype(kind) for name in "ab"} | {"count": np.arange(5)}
    low_rank = _floats(rng, 256, 3, scale=0.1) @ _floats(rng, 3, 320, scale=0.1) + _floats(rng, 256, 320, scale=1e-5)
    new = {
        "a": (base["a"].astype(np.float32) + low_rank).astype(kind),
        "b": (base["b"].astype(np.float32) + _floats(rng, 256, 320, scale=1e-3)).astype(kind),
        "count": np.arange(5) + 1,
    }
    written(tmp_path / "base", _saved(tmp_path, base))
    written(tmp_path / "new", _saved(tmp_path, new))
    found = made(tmp_path, bound)
    applied(tmp_path)
    result = load_file(tmp_path / "out/model.safetensors")
    assert np.array_equal(result["count"], new["count"])
    for name in "ab":
        before, wanted, got = (found[name].astype(np.float64) for found in (base, new, result))
        error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted - before)
        assert error <= bound
        told = found.plan.pieces[f"tensor:{name}"].error
        assert error == pytest.approx(told[0] if told else 0, abs=1e-12)
        assert np.abs(got - wanted).max() == (told[1] if told else 0)
    if bound >= 0.3:
        assert found.plan.pieces["tensor:a"].error


def test_a_change_of_full_rank_stays_exact_whatever_the_bound(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    base = {"a": _floats(rng, 256, 256), "b": _floats(rng, 256, 256)}
    new = {"a": base["a"] + _floats(rng, 256, 256, scale=1e-4), "b": base["b"].copy()}
    new["b"][3, 4] = np.nan
    written(tmp_path / "base", _saved(tmp_path, base))
    written(tmp_path / "new", _saved(tmp_path, new))
    made(tmp_path, 0.01)
    assert applied(tmp_path).is_exact
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_a_bound_that_rounding_does_not_allow_leaves_the_tensor_exact(tmp_path: Path) -> None:
    """Steps as small as those of bfloat16: the factors are found, and miss a few per cent of the change."""
    rng = np.random.default_rng(7)
    bf16 = ml_dtypes.bfloat16
    base = {"a": _floats(rng, 256, 256).astype(bf16)}
    low_rank = _floats(rng, 256, 4, scale=0.01) @ _floats(rng, 4, 256, scale=0.01)
    written(tmp_path / "base", _saved(tmp_path, base))
    written(tmp_path / "new", _saved(tmp_path, {"a": (base["a"].astype(np.float32) + low_rank).astype(bf16)}))
    found = made(tmp_path, 0.001).plan.pieces["tensor:a"]
    assert (found.rank, found.error) == (4, None)
    assert applied(tmp_path).is_exact
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_shards_may_be_cut_otherwise(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    tensors = {name: _floats(rng, 64, 64) for name in "abcd"}
    shards = {"model-00001-of-00002.safetensors": "ab", "model-00002-of-00002.safetensors": "cd"}
    new = {
        name: _saved(tmp_path, {t: tensors[t] for t in inside})["model.safetensors"] for name, inside in shards.items()
    }
    index = {"metadata": {}, "weight_map": {t: name for name, inside in shards.items() for t in inside}}
    new["model.safetensors.index.json"] = json.dumps(index).encode()
    found = both_ways(tmp_path / "case", _saved(tmp_path, tensors), new)
    assert found.size < 5000


def test_two_single_files_need_not_have_one_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    one, other = ({"a": _floats(rng, 9, 9), "b": np.arange(999)} for _ in range(2))
    save_file(one, tmp_path / "one.safetensors")
    save_file(other, tmp_path / "other.safetensors")
    with open_checkpoint(tmp_path / "one.safetensors") as base, open_checkpoint(tmp_path / "other.safetensors") as new:
        make(base, new, tmp_path / "delta")
    shutil.copy(tmp_path / "one.safetensors", tmp_path / "got.safetensors")
    with open_checkpoint(tmp_path / "got.safetensors") as base:
        apply(base, read_delta(tmp_path / "delta"), tmp_path / "out")
    assert contents(tmp_path / "out") == {"other.safetensors": (tmp_path / "other.safetensors").read_bytes()}


def test_nothing_there_is_written_over(tmp_path: Path) -> None:
    tensors = _saved(tmp_path, {"a": np.arange(3)})
    both_ways(tmp_path / "case", tensors, tensors)
    with pytest.raises(DeltaRefused, match="there already"):
        made(tmp_path / "case")
    with pytest.raises(DeltaRefused, match="there already"):
        applied(tmp_path / "case")


def test_products_are_summed_in_order_of_rank() -> None:
    rng = np.random.default_rng(6)
    left, right = _floats(rng, 7, 5), _floats(rng, 5, 11)
    wanted = np.zeros((7, 11), np.float32)
    for row in range(7):
        for column in range(11):
            total = np.float32(0)
            for rank in range(5):
                total = np.float32(total + np.float32(left[row, rank] * right[rank, column]))
            wanted[row, column] = total
    assert expectation.product(left, right).tobytes() == wanted.tobytes()
