"""What is taken as it is, what is added and deleted, and every kind of hard and soft conflict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import openshelf
from openshelf.analysis.weights.merging.methods.method import methods
from openshelf.analysis.weights.merging.recipe import Thresholds
from tests.unit.weights.merge_models import Array, random_tensor, read_model, stored, write_model

SHARED = {f"shared.{index}": np.full(3, index, np.float32) for index in range(4)}


def three(
    tmp_path: Path, base: Mapping[str, Array], ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> list[Path]:
    named = zip(("base", "ours", "theirs"), (base, ours, theirs), strict=True)
    return [write_model(tmp_path / name, {**SHARED, **tensors}) for name, tensors in named]


def refused(folders: list[Path], **options: Any) -> list[tuple[str, str]]:
    out = folders[0].parent / "out"
    with pytest.raises(openshelf.MergeRefused) as caught:
        openshelf.merge(*folders, out=out, **options)
    assert not out.exists()
    assert not list(out.parent.glob(".out*"))
    report = openshelf.merge(*folders, check=True, **options)
    assert [str(one) for one in report.hard] == [str(one) for one in caught.value.conflicts]
    return [(one.kind.value, one.where) for one in caught.value.conflicts]


@pytest.mark.parametrize("method", [name for name in methods() if name not in ("trimmed-mean",)])
def test_sides_that_changed_nothing_pass_to_the_byte(tmp_path: Path, method: str) -> None:
    old = {"a": random_tensor(0), "b": random_tensor(1, (5,), "bfloat16"), "c": np.arange(6), "d": random_tensor(2)}
    ours = {**old, "a": random_tensor(3), "d": random_tensor(5)}
    theirs = {**old, "b": random_tensor(4, (5,), "bfloat16"), "c": np.arange(6)[::-1].copy(), "d": random_tensor(5)}
    folders = three(tmp_path, old, ours, theirs)
    openshelf.merge(*folders, out=tmp_path / "out", method=method)
    found = stored(tmp_path / "out")
    wanted = {"a": ours["a"], "b": theirs["b"], "c": theirs["c"], "d": ours["d"], **SHARED}
    if method == "norm-clip":
        wanted.pop("d")
    for name, values in wanted.items():
        assert found[name] == values.tobytes(), name


def test_additions_and_deletions_of_one_side_are_taken(tmp_path: Path) -> None:
    old = {"gone": random_tensor(0), "kept": random_tensor(1)}
    folders = three(tmp_path, old, {"kept": old["kept"]}, {**old, "new": random_tensor(2)})
    report = openshelf.merge(*folders, out=tmp_path / "out")
    assert sorted(read_model(tmp_path / "out")) == sorted([*SHARED, "kept", "new"])
    assert report.dropped == ("gone",)


def test_conflicts_of_each_kind_are_listed_together(tmp_path: Path) -> None:
    base = {
        "shape": random_tensor(0, (4, 4)), "gone": random_tensor(0), "type": random_tensor(0), "count": np.arange(4),
        "nan": random_tensor(0),
    }  # fmt: skip
    ours = {
        "shape": random_tensor(1, (4, 5)), "type": random_tensor(1, dtype="float16"), "count": np.arange(4) + 1,
        "nan": random_tensor(1), "added": random_tensor(1),
    }  # fmt: skip
    theirs = {
        "shape": random_tensor(2, (4, 6)), "gone": random_tensor(2), "type": random_tensor(2),
        "count": np.arange(4) + 2, "nan": random_tensor(2), "added": random_tensor(2),
    }  # fmt: skip
    theirs["nan"][3, 3] = np.inf
    folders = three(tmp_path, base, ours, theirs)
    assert sorted(refused(folders)) == [
        ("deletion", "gone"), ("dtype", "type"), ("integer", "count"), ("no common ancestor", "added"),
        ("non-finite", "nan"), ("shape", "shape"),
    ]  # fmt: skip


def test_a_lone_change_to_nan_is_refused_and_what_nobody_touched_is_not(tmp_path: Path) -> None:
    broken = np.array([1, np.nan], np.float16)
    folders = three(tmp_path, {"x": np.ones(2, np.float16)}, {"x": np.ones(2, np.float16)}, {"x": broken})
    assert refused(folders) == [("non-finite", "x")]
    folders = three(tmp_path / "same", {"mask": broken}, {"mask": broken}, {"mask": broken, "new": np.ones(2)})
    openshelf.merge(*folders, out=tmp_path / "same" / "out")
    assert stored(tmp_path / "same" / "out")["mask"] == broken.tobytes()


@pytest.mark.parametrize("method", sorted(name for name, method in methods().items() if method.needs_base))
def test_methods_that_need_an_ancestor_say_so(tmp_path: Path, method: str) -> None:
    sides = [write_model(tmp_path / name, {"x": random_tensor(seed)}) for seed, name in enumerate(("a", "b"))]
    with pytest.raises(openshelf.MergeRefused, match="needs a common ancestor") as caught:
        openshelf.merge(None, *sides, out=tmp_path / "out", method=method)
    assert caught.value.conflicts[0].kind == "no common ancestor"


def test_without_an_ancestor_a_tensor_of_one_side_is_a_conflict(tmp_path: Path) -> None:
    sides = [write_model(tmp_path / name, {**SHARED, name: random_tensor(0)}) for name in ("a", "b")]
    with pytest.raises(openshelf.MergeRefused) as caught:
        openshelf.merge(None, *sides, out=tmp_path / "out", method="linear")
    assert [one.where for one in caught.value.conflicts] == ["a", "b"]


def test_another_model_is_refused(tmp_path: Path) -> None:
    folders = three(tmp_path, {"x": random_tensor(0)}, {"x": random_tensor(1)}, {"x": random_tensor(2)})
    other = write_model(tmp_path / "other", {f"other.{index}": random_tensor(index) for index in range(9)})
    assert ("architecture", str(other)) in refused([folders[0], folders[1], other])


def test_models_of_different_kinds_and_quantised_ones_are_refused(tmp_path: Path) -> None:
    folders = three(tmp_path, {"x": random_tensor(0)}, {"x": random_tensor(1)}, {"x": random_tensor(2)})
    for folder, kind in zip(folders, ("llama", "llama", "mistral"), strict=True):
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    assert refused(folders) == [("architecture", "config.json")]
    (folders[2] / "config.json").write_text(json.dumps({"model_type": "llama", "quantization_config": {"bits": 4}}))
    assert refused(folders) == [("quantised", "config.json")]


def _gguf(path: Path, seed: int, kind: gguf.GGMLQuantizationType) -> Path:
    writer = gguf.GGUFWriter(str(path), "llama")
    values = random_tensor(seed, (8, 64))
    writer.add_tensor("blk.0.w", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_gguf_is_merged_where_it_holds_numbers_and_refused_where_it_holds_blocks(tmp_path: Path) -> None:
    blocks = [_gguf(tmp_path / f"{seed}.gguf", seed, gguf.GGMLQuantizationType.Q8_0) for seed in range(3)]
    conflicts = refused(blocks)
    assert {kind for kind, _ in conflicts} == {"quantised"}
    assert {where for _, where in conflicts} >= {str(path) for path in blocks}
    with pytest.raises(openshelf.MergeRefused, match="merge the models it was made from, and quantise the result"):
        openshelf.merge(*blocks, out=tmp_path / "out")
    plain = [_gguf(tmp_path / f"{seed}-plain.gguf", seed, gguf.GGMLQuantizationType.F32) for seed in range(3)]
    openshelf.merge(*plain, out=tmp_path / "out")
    base, ours, theirs = (random_tensor(seed, (8, 64)) for seed in range(3))
    assert np.allclose(read_model(tmp_path / "out")["blk.0.w"], ours + theirs - base, atol=1e-6)


def test_tensors_of_codes_are_refused_with_advice(tmp_path: Path) -> None:
    folders = three(
        tmp_path, *({"x": random_tensor(seed, dtype="float32").astype("float8_e4m3fn")} for seed in range(3))
    )
    with pytest.raises(openshelf.MergeRefused, match="quantise the result"):
        openshelf.merge(*folders, out=tmp_path / "out")


def test_missing_statistics_are_a_conflict(tmp_path: Path) -> None:
    folders = three(tmp_path, {"x": random_tensor(0)}, {"x": random_tensor(1)}, {"x": random_tensor(2)})
    assert refused(folders, method="fisher") == [("statistics", "x")]
    assert refused(folders, method="regmean") == [("statistics", "x")]
    wrong = write_model(tmp_path / "wrong", {"x": np.ones((2, 2), np.float32)})
    assert refused(folders, method="fisher", statistics=[wrong, wrong]) == [("statistics", "x")]
    broken = write_model(tmp_path / "broken", {"x": np.full((37, 41), np.nan, np.float32)})
    assert refused(folders, method="fisher", statistics=[broken, broken]) == [("statistics", "x")]


def test_vocabulary_of_one_side_is_kept_and_of_both_refused(tmp_path: Path) -> None:
    name = "model.embed_tokens.weight"
    old, grown = random_tensor(0, (10, 4)), random_tensor(1, (12, 4))
    folders = three(tmp_path, {name: old}, {name: random_tensor(2, (10, 4))}, {name: grown})
    openshelf.merge(*folders, out=tmp_path / "out")
    found = read_model(tmp_path / "out")[name]
    assert found[10:].tobytes() == grown[10:].tobytes()
    assert np.allclose(found[:10], random_tensor(2, (10, 4)) + grown[:10] - old, atol=1e-5)
    folders = three(tmp_path / "both", {name: old}, {name: random_tensor(3, (12, 4))}, {name: grown})
    assert refused(folders) == [("vocabulary", name)]


def test_opposed_directions_are_reported_with_their_numbers(tmp_path: Path) -> None:
    base, change = random_tensor(0), random_tensor(1)
    folders = three(tmp_path, {"x": base}, {"x": base + change}, {"x": base - change * np.float32(0.5)})
    report = openshelf.merge(*folders, out=tmp_path / "out")
    (found,) = report.soft
    assert (found.kind, found.where) == ("opposed directions", "x")
    assert found.numbers["cosine"] == pytest.approx(-1, abs=1e-3)
    assert found.numbers["sign_disagreement"] == pytest.approx(1, abs=1e-3)
    with pytest.raises(openshelf.MergeRefused, match="opposed"):
        openshelf.merge(*folders, out=tmp_path / "strict", strict=True)


def test_changes_that_have_nothing_to_do_with_each_other_are_no_conflict(tmp_path: Path) -> None:
    base, first, second = (random_tensor(seed, (64, 64)) for seed in range(3))
    folders = three(tmp_path, {"x": base}, {"x": base + first}, {"x": base + second})
    assert openshelf.merge(*folders, check=True).soft == ()
    pulling = (second - first).astype(np.float32)
    folders = three(tmp_path / "pulling", {"x": base}, {"x": base + first}, {"x": base + pulling})
    assert [found.where for found in openshelf.merge(*folders, check=True).soft] == ["x"]


def test_directions_are_those_of_a_plain_reckoning(tmp_path: Path) -> None:
    first, second = random_tensor(1).astype(np.float64), random_tensor(2).astype(np.float64)
    folders = three(tmp_path, {"x": np.zeros((37, 41))}, {"x": first}, {"x": second})
    limits = Thresholds(1.0, 0.0, 0.2)
    (found,) = openshelf.merge(*folders, check=True, thresholds=limits).soft
    x, y = first.ravel(), second.ravel()
    size = np.abs(x) + np.abs(y)
    top = np.argsort(-size)[: round(0.2 * len(size))]
    against = size[top][x[top] * y[top] < 0].sum() / size[top].sum()
    assert found.numbers["cosine"] == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-6)
    assert found.numbers["sign_disagreement"] == pytest.approx(against, abs=1e-6)


def test_rules_choose_a_method_or_a_side_by_name(tmp_path: Path) -> None:
    names = ("a.x", "b.x", "c.x", "d.x")
    models = [{name: random_tensor(10 * side + index) for index, name in enumerate(names)} for side in range(3)]
    folders = three(tmp_path, models[0], models[1], models[2])
    rules = [("a.*", "ours"), ("b.*", "base"), ("c.*", "theirs"), ("*.x", "linear")]
    report = openshelf.merge(*folders, out=tmp_path / "out", rules=rules)
    found = stored(tmp_path / "out")
    assert found["a.x"] == models[1]["a.x"].tobytes()
    assert found["b.x"] == models[0]["b.x"].tobytes()
    assert found["c.x"] == models[2]["c.x"].tobytes()
    assert found["d.x"] == ((models[1]["d.x"] + models[2]["d.x"]) / 2).tobytes()
    assert report.steps == {"unchanged": 4, "by rule": 3, "linear": 1}
