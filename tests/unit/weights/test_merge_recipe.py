"""Recipes: read with bounds, refused with the place, and replayed to the same bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import openshelf
from openshelf.analysis.weights.merging.recipe import Recipe
from openshelf.analysis.weights.merging.recipe_file import SCHEMA, RecipeError, read_recipe, write_recipe
from tests.unit.weights.merge_models import random_tensor, read_model, stored, write_model

GOOD = """\
openshelf_merge: 1
method: ties
parameters: {density: 0.3}
seed: 7
dtype: bfloat16
three_way: false
thresholds: {cosine: -0.2}
base: base
sides:
  - ours
  - {path: theirs, weight: 0.5}
  - {path: more, samples: 12, statistics: fisher.safetensors}
rules:
  - {match: "*.norm.*", take: ours}
  - {regex: 'model\\.layers\\.[0-3]\\..*', method: linear}
result: {anything: at all}
"""


def test_a_recipe_says_what_it_says() -> None:
    found = read_recipe(GOOD.encode())
    assert found.base is not None
    assert (found.base.path, [side.source.path for side in found.sides]) == ("base", ["ours", "theirs", "more"])
    assert found.choice.parameters == {"density": 0.3, "lambda": 1.0}
    assert [side.share for side in found.sides] == [1, 0.5, 12]
    assert (found.seed, found.dtype, found.three_way, found.thresholds.cosine) == (7, "bfloat16", False, -0.2)
    assert found.choice_for("a.norm.weight").side == "ours"
    assert found.choice_for("model.layers.2.mlp").method == "linear"
    assert found.choice_for("model.layers.4.mlp").method == "ties"


def test_what_is_written_is_read_again() -> None:
    found = read_recipe(GOOD.encode())
    assert read_recipe(write_recipe(found, {"tool": "test"}).encode()) == found


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("seed: 7", "sede: 7", "line 4, sede: this key is not known"),
        ("weight: 0.5", "wieght: 0.5", r"line 11, sides\[1\].wieght: this key is not known"),
        ("take: ours", "tkae: ours", r"line 14, rules\[0\].tkae"),
        ("method: linear", "method: liner", r"line 15, rules\[1\].method: there is no method 'liner'"),
        ("density: 0.3", "density: 3", r"line 2, method: density of ties is 3"),
        ("density: 0.3", "densty: 0.3", r"ties has no parameter 'densty'"),
        ("density: 0.3", "density: .nan", r"line 3, parameters.density: a number"),
        ("openshelf_merge: 1", "openshelf_merge: 2", "line 1, openshelf_merge: this version reads schema 1"),
        ("openshelf_merge: 1", "openshelf_merge: true", "openshelf_merge"),
        ("seed: 7", "seed: -1", "line 4, seed"),
        ("seed: 7", "seed: 1e3", "line 4, seed"),
        ("dtype: bfloat16", "dtype: int8", "line 5, dtype"),
        ("three_way: false", "three_way: 1", "line 6, three_way"),
        ("cosine: -0.2", "cosine: -2", "thresholds.cosine"),
        ("samples: 12", "samples: 12, weight: 3", "give a weight or a number of samples"),
        ("path: more", "path: ''", r"sides\[2\].path"),
        ("take: ours", "take: theirs-9", "takes tensors from theirs-9, and there are 2 sides beside ours"),
        ("take: ours", "take: ours, method: ties", r"rules\[0\]: say either method or take"),
        ("'model\\.layers\\.[0-3]\\..*'", "'(a+)+b'", r"rules\[1\].regex.*repeats a group"),
        ("'model\\.layers\\.[0-3]\\..*'", "'.*.*.*.*b'", "repeats in more than 3 places"),
        ("'model\\.layers\\.[0-3]\\..*'", "'['", "is not a regular expression"),
        ("base: base", "base: [base]", "line 8, base"),
        ("seed: 7", "seed: 7\nseed: 8", "said twice"),
        ("seed: 7", "seed: !!python/object:os.system 7", "the YAML tag"),
        ("rules:", "rules: 3\nold:", "line 14, old: this key is not known"),
        ("base: base\nsides:", "sides: 3\nbase:", "line 8, sides: a list"),
    ],
)
def test_mistakes_are_told_with_their_place(old: str, new: str, place: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=place):
        read_recipe(GOOD.replace(old, new, 1).encode())


def test_a_recipe_without_sides_is_refused() -> None:
    with pytest.raises(RecipeError, match="nothing to merge"):
        read_recipe(b"openshelf_merge: 1\nmethod: linear\n")


def test_every_key_of_the_schema_is_read() -> None:
    text = "openshelf_merge: 1\nmethod: linear\nsides: [a, b]\n"
    for key in SCHEMA["recipe"]:
        if key not in text:
            with pytest.raises(RecipeError) as caught:
                read_recipe(f"{text}{key}: [[]]\n".encode()) if key != "result" else read_recipe(b"a: 1")
            assert key == "result" or "is not known" not in str(caught.value)


words = st.sampled_from(
    ["openshelf_merge", "method", "sides", "rules", "base", "take", "ties", "ours", "1", "path", "regex"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=4), inner, max_size=5)
)


@settings(max_examples=300, deadline=None)
@given(trees)
def test_any_value_is_a_recipe_or_a_reason(value: Any) -> None:
    _reads_or_says_why(yaml.safe_dump(value).encode())
    _reads_or_says_why(
        yaml.safe_dump({"openshelf_merge": 1, "method": "linear", "sides": ["a"], "rules": value}).encode()
    )
    _reads_or_says_why(yaml.safe_dump({"openshelf_merge": 1, "method": "linear", "sides": value}).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"[" * 5000)
@example(b"{a: " * 3000)
@example(b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" * 40)
@example(b"\xff\xfe")
@example(b"? [a]\n: b\n")
def test_any_bytes_are_a_recipe_or_a_reason(content: bytes) -> None:
    _reads_or_says_why(content)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.text(max_size=6))
def test_a_damaged_recipe_is_a_recipe_or_a_reason(place: int, length: int, instead: str) -> None:
    _reads_or_says_why((GOOD[:place] + instead + GOOD[place + length :]).encode())


def _reads_or_says_why(content: bytes) -> None:
    try:
        found = read_recipe(content)
    except RecipeError as error:
        assert len(str(error)) < 5_000
    else:
        assert isinstance(found, Recipe)


def models(tmp_path: Path) -> list[Path]:
    def tensors(side: int) -> dict[str, np.ndarray[Any, Any]]:
        return {
            "big.weight": random_tensor(side, (1500, 1100), "bfloat16"),
            "small.weight": random_tensor(10 + side, (7, 3), "float16"),
            "wide.weight": random_tensor(20 + side, (300, 700)),
        }

    return [write_model(tmp_path / name, tensors(side)) for side, name in enumerate(("base", "a", "b", "c"))]


@pytest.mark.parametrize(
    "method", ["task-arithmetic", "ties", "dare-ties", "model-stock", "median", "norm-clip", "linear", "slerp"]
)
def test_a_replay_gives_the_same_bytes_whatever_the_threads_and_shards(tmp_path: Path, method: str) -> None:
    folders = models(tmp_path)[: 3 if method == "slerp" else 4]
    rules = [("small.*", "linear")]
    openshelf.merge(*folders, out=tmp_path / "out", method=method, rules=rules, seed=5, threads=1)
    record = tmp_path / "out" / "openshelf-merge.yaml"
    openshelf.merge(recipe=record, out=tmp_path / "two", threads=2)
    for name in ("model.safetensors", "openshelf-merge.yaml"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    openshelf.merge(recipe=record, out=tmp_path / "sharded", threads=2, shard_bytes=1_000_000)
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) == 2
    assert stored(tmp_path / "sharded") == stored(tmp_path / "out")


def test_inputs_in_shards_give_the_same_values(tmp_path: Path) -> None:
    folders = models(tmp_path)
    openshelf.merge(*folders, out=tmp_path / "out", method="ties")
    split = [write_model(tmp_path / "split" / each.name, read_model(each), shard_bytes=900_000) for each in folders]
    assert len(list(split[0].glob("*.safetensors"))) == 2
    openshelf.merge(*split, out=tmp_path / "again", method="ties")
    assert stored(tmp_path / "again") == stored(tmp_path / "out")


def test_dare_follows_its_seed(tmp_path: Path) -> None:
    folders = models(tmp_path)
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        openshelf.merge(*folders, out=tmp_path / name, method="dare-linear", seed=seed)
    assert stored(tmp_path / "one") == stored(tmp_path / "same")
    assert stored(tmp_path / "one") != stored(tmp_path / "other")


def test_a_replay_refuses_parents_that_changed(tmp_path: Path) -> None:
    folders = models(tmp_path)
    openshelf.merge(*folders, out=tmp_path / "out")
    record = tmp_path / "out" / "openshelf-merge.yaml"
    file = folders[1] / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(openshelf.MergeError, match=r"model\.safetensors of \.\./a is not the file"):
        openshelf.merge(recipe=record, out=tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_the_record_and_the_file_name_the_parents(tmp_path: Path) -> None:
    folders = models(tmp_path)
    openshelf.merge(*folders, out=tmp_path / "out", method="ties", seed=9)
    record = yaml.safe_load((tmp_path / "out" / "openshelf-merge.yaml").read_text())
    assert record["seed"] == 9
    assert record["result"]["tool"] == f"openshelf {openshelf.__version__}"
    with openshelf.open_checkpoint(tmp_path / "out") as merged:
        said = merged.metadata["openshelf_merge"]
    for each in (record["base"], *record["sides"]):
        (file,) = each["files"]
        assert re.fullmatch(r"[0-9a-f]{64}", file["sha256"])
        assert file["sha256"] in said
        assert each["tensors"] == 3
        assert str(tmp_path) not in said


@pytest.mark.parametrize(
    ("hashing", "kinds"), [("none", set()), ("blake3", {"blake3"}), ("sha256", {"blake3", "sha256"})]
)
def test_large_parents_are_hashed_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashing: str, kinds: set[str]
) -> None:
    monkeypatch.setattr("openshelf.analysis.weights.merging.inputs.SHA256_UP_TO", 0)
    folders = models(tmp_path)
    openshelf.merge(*folders, out=tmp_path / "out", hashing=hashing)
    record = yaml.safe_load((tmp_path / "out" / "openshelf-merge.yaml").read_text())
    (file,) = record["base"]["files"]
    assert file.keys() == {"name", "bytes"} | kinds
    openshelf.merge(recipe=tmp_path / "out" / "openshelf-merge.yaml", out=tmp_path / "again", hashing="none")
    assert stored(tmp_path / "again") == stored(tmp_path / "out")
    for name in ("model.safetensors", "openshelf-merge.yaml"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_values_stay_the_same_with_tiles_of_other_sizes_where_nothing_is_summed_over_a_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = models(tmp_path)
    for size in (1 << 16, 1 << 13):
        monkeypatch.setattr("openshelf.analysis.weights.merging.tiles.TILE", size)
        for method in ("task-arithmetic", "ties", "dare-ties", "median", "average"):
            openshelf.merge(*folders, out=tmp_path / f"{method}-{size}", method=method)
    for method in ("task-arithmetic", "ties", "dare-ties", "median", "average"):
        assert stored(tmp_path / f"{method}-{1 << 16}") == stored(tmp_path / f"{method}-{1 << 13}"), method
