"""What a diff says of names, shapes, types, files and ties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import openshelf
from openshelf.analysis.checkpoints.checkpoint import Checkpoint, ModelFacts, Role, Tensor
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.weights.comparing import diff
from openshelf.analysis.weights.difference import ModelDifference, Renamed
from tests.unit.weights.models import BFLOAT16, Array, checkpoint, sharded, write

RNG = np.random.default_rng(7)


def weights(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


W, V, U = weights(6, 4), weights(6, 4), weights(3)


def compared(before: dict[str, Array], after: dict[str, Array]) -> ModelDifference:
    return diff(checkpoint(before), checkpoint(after), threads=1)


def test_the_same_model_is_equal() -> None:
    found = compared({"a.w": W, "b.w": V}, {"b.w": V, "a.w": W})
    assert found.is_equal
    assert found.headline == "All 2 tensors are the same."
    assert {one.status for one in found.tensors} == {"equal"}


def test_added_and_removed() -> None:
    found = compared({"a": W, "old": V}, {"a": W, "new": U})
    assert (found.structure.added, found.structure.removed) == (("new",), ("old",))
    assert not found.is_equal
    assert [(one.name, one.status) for one in found.tensors] == [("a", "equal"), ("new", "added"), ("old", "removed")]


def test_renamed_by_content_even_where_the_shape_changed_too() -> None:
    found = compared({"x.w": W, "x.v": V}, {"model.x.w": W, "model.x.v": V.reshape(4, 6)})
    assert set(found.structure.renamed) == {Renamed("x.w", "model.x.w"), Renamed("x.v", "model.x.v")}
    assert (found.structure.added, found.structure.removed) == ((), ())
    assert found.structure.reshaped == ("model.x.v",)
    assert not found.is_equal


def test_among_equal_contents_names_that_read_alike_pair() -> None:
    zero = np.zeros(4, np.float32)
    found = compared({"a.bias": zero, "b.bias": zero}, {"m.b.bias": zero, "m.a.bias": zero})
    assert set(found.structure.renamed) == {Renamed("a.bias", "m.a.bias"), Renamed("b.bias", "m.b.bias")}


def test_another_type_with_the_same_bytes_is_no_renaming() -> None:
    found = compared({"a": W}, {"b": W.view(np.int32)})
    assert (found.structure.renamed, found.structure.added) == ((), ("b",))


def test_reshaped_with_the_same_values() -> None:
    found = compared({"w": W}, {"w": W.reshape(8, 3)})
    (one,) = found.tensors
    assert one.is_reshaped
    assert one.values is not None
    assert one.values.changed == 0
    assert found.structure.reshaped == ("w",)
    assert not found.is_equal


def test_shapes_that_share_no_rows_are_not_compared() -> None:
    found = compared({"w": weights(6, 4)}, {"w": weights(6, 5)})
    (one,) = found.tensors
    assert one.status == "not compared"
    assert "[6, 4] and [6, 5]" in one.note
    assert found.structure.resized == ("w",)


@pytest.mark.parametrize("kind", [np.dtype(np.float16), BFLOAT16])
def test_a_cast_that_rounds_is_only_a_cast(kind: np.dtype) -> None:
    found = compared({"w": W, "v": V}, {"w": W.astype(kind), "v": (V * 1.5).astype(kind)})
    one, other = found.tensors
    assert one.is_cast
    assert one.values is not None
    assert one.values.changed == 0
    assert 0 < (one.values.relative_l2 or 0) < 0.01
    assert not other.is_cast
    assert (found.structure.cast, found.structure.retyped) == (("w",), ("v",))


# Just above the middle of two neighbours: float32 loses the last digit, and its rounding goes down to the even one.
@pytest.mark.parametrize(("kind", "bits"), [(np.dtype(np.float16), 11), (BFLOAT16, 8)])
def test_a_cast_of_float64_may_round_once_or_by_way_of_float32(kind: np.dtype, bits: int) -> None:
    before = np.array([1 + 2.0**-bits + 2.0**-40, -2 - 2.0 ** (1 - bits) - 2.0**-40, np.nan, np.inf])
    once = np.array([1 + 2.0 ** (1 - bits), -2 - 2.0 ** (2 - bits), np.nan, np.inf]).astype(kind)
    twice = before.astype(np.float32).astype(kind)
    assert (once != twice)[:2].all()
    for after in (once, twice):
        (one,) = compared({"w": before}, {"w": after}).tensors
        assert one.is_cast
    other = once.copy()
    other[0] = 1.5
    (one,) = compared({"w": before}, {"w": other}).tensors
    assert not one.is_cast


def test_a_cast_back_to_more_digits_is_seen_from_the_other_side() -> None:
    (one,) = compared({"w": W.astype(BFLOAT16)}, {"w": W}).tensors
    assert one.is_cast
    assert one.note == "the former values are the later ones rounded"


def test_a_truncated_cast_is_more_than_a_cast() -> None:
    truncated = (W.view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)
    assert (truncated != W.astype(BFLOAT16)).any()
    (one,) = compared({"w": W}, {"w": truncated}).tensors
    assert not one.is_cast


def test_division_into_files_alone_is_no_difference() -> None:
    one = sharded({"m-1.safetensors": {"a": W, "b": V}, "m-2.safetensors": {"c": U}})
    two = sharded({"m-1.safetensors": {"a": W}, "m-2.safetensors": {"b": V, "c": U}})
    found = diff(one, two)
    assert found.is_equal
    assert found.structure.is_resharded
    assert "divided otherwise" in found.headline


def test_another_format_alone_is_no_difference(tmp_path: Path) -> None:
    found = diff(checkpoint({"a": W, "b": V}), _other_format(checkpoint({"a": W, "b": V})))
    assert found.is_equal
    assert found.structure.format_changed
    assert "format changed from safetensors to other" in found.headline


def _other_format(held: Checkpoint) -> Checkpoint:
    held.format = "other"
    return held


def _tied(names: tuple[str, ...], values: Array, role: Role = Role.WEIGHT) -> Checkpoint:
    """A checkpoint whose names all point at the same bytes."""
    tensors = tuple(Tensor(name, "float32", values.shape, "f", 0, values.nbytes, role=role) for name in names)
    return Checkpoint("made", tensors, HeldFiles({"f": values.tobytes()}), ("f",), lambda: ModelFacts(0, {}))


def test_tied_and_untied() -> None:
    apart, tied = checkpoint({"embed": W, "head": W}), _tied(("embed", "head"), W)
    assert diff(apart, tied).structure.tied == (("embed", "head"),)
    assert diff(tied, apart).structure.untied == (("embed", "head"),)
    left_out = diff(tied, checkpoint({"embed": W}))
    assert left_out.structure.tied == (("embed", "head"),)
    assert left_out.structure.removed == ("head",)


def test_state_of_an_optimiser_is_left_out_unless_asked_for() -> None:
    before, after = (_tied(("step",), values, Role.OPTIMIZER) for values in (W, V))
    found = diff(before, after)
    assert (found.totals.tensors, found.left_out, found.is_equal) == (0, 1, True)
    assert diff(before, after, optimizer=True).totals.changed == 1


def test_vocabulary_rows() -> None:
    before = weights(50, 8)
    after = np.concatenate([before, weights(3, 8)])
    after[7] += 2
    after[11] += 0.5
    (one,) = compared({"model.embed_tokens.weight": before}, {"model.embed_tokens.weight": after}).tensors
    assert one.rows is not None
    assert (one.rows.common, one.rows.changed, one.rows.added, one.rows.removed) == (50, 2, 3, 0)
    assert [row.index for row in one.rows.most_changed] == [7, 11]
    assert one.rows.most_changed[0].l2 == pytest.approx(np.sqrt(8) * 2, rel=1e-5)
    assert one.rows.most_changed[0].relative_l2 == pytest.approx(np.sqrt(8) * 2 / np.linalg.norm(before[7]), rel=1e-5)
    assert one.values is not None
    assert (one.values.elements, one.values.changed) == (400, 16)


@pytest.mark.parametrize(
    ("tokenizer", "token"),
    [
        ({"model": {"vocab": {"a": 0, "moved": 3}}}, "moved"),
        ({"model": {"vocab": [["a", 0.0], ["b", 0.0], ["c", 0.0], ["fourth", 0.0]]}}, "fourth"),
        ({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 3, "content": "<new>"}]}, "<new>"),
        ({"model": {"vocab": {"a": "3"}}, "added_tokens": [{"id": "3"}, 7]}, None),
        ([1], None),
    ],
)
def test_rows_are_named_by_the_tokenizer(tmp_path: Path, tokenizer: object, token: str | None) -> None:
    after = V.copy()
    after[3] += 1
    write(tmp_path / "model.safetensors", {"wte.weight": after})
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (one,) = diff(checkpoint({"wte.weight": V}), tmp_path / "model.safetensors").tensors
    assert one.rows is not None
    assert [(row.index, row.token) for row in one.rows.most_changed] == [(3, token)]


def test_values_that_are_not_decoded_are_compared_by_bytes() -> None:
    def held(content: bytes) -> Checkpoint:
        tensor = Tensor("t", "mystery", (4,), "f", 0, len(content))
        return Checkpoint("made", (tensor,), HeldFiles({"f": content}), ("f",), lambda: ModelFacts(0, {}))

    assert diff(held(b"abcd"), held(b"abcd")).is_equal
    (one,) = diff(held(b"abcd"), held(b"abce")).tensors
    assert one.status == "changed"
    assert "bytes were compared" in one.note
    assert one.values is None


def test_what_is_known_to_be_equal_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checkpoint, "elements", lambda *_: pytest.fail("was read"))
    found = diff(checkpoint({"a": W}), checkpoint({"a": V}), known_equal=lambda a, b: a.name == b.name)
    assert found.is_equal
    assert found.tensors[0].settled_by == "identity"


def test_the_same_file_by_another_name_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "one.safetensors", {"a": W, "b": V})
    (tmp_path / "two.safetensors").hardlink_to(one)
    monkeypatch.setattr(Checkpoint, "elements", lambda *_: pytest.fail("was read"))
    assert diff(one, tmp_path / "two.safetensors").is_equal


def test_snapshots_of_a_cache_that_share_a_blob_are_settled_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of huggingface_hub: blobs are named by their SHA-256, and snapshots are links to them."""
    (tmp_path / "blobs").mkdir()
    blobs = [write(tmp_path / "blobs" / name, {"a": W, "b": V}) for name in ("aa", "bb")]
    snapshots = [tmp_path / "snapshots" / revision for revision in ("one", "two", "three")]
    for snapshot, blob in zip(snapshots, (blobs[0], blobs[0], blobs[1]), strict=True):
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").symlink_to(Path("../../blobs") / blob.name)
    assert {one.settled_by for one in diff(snapshots[0], snapshots[2]).tensors} == {"values"}
    monkeypatch.setattr(Checkpoint, "elements", lambda *_: pytest.fail("was read"))
    assert {one.settled_by for one in diff(snapshots[0], snapshots[1]).tensors} == {"identity"}


def test_low_rank_is_evidence_and_only_where_it_is() -> None:
    before = weights(200, 150) * 0.02
    low = before + (weights(200, 4) @ weights(4, 150) * 1e-3).astype(np.float32)
    full = before + weights(200, 150) * 1e-3
    found = compared({"l.0.a": before, "l.0.b": before}, {"l.0.a": low, "l.0.b": full})
    one, other = found.tensors
    assert one.low_rank is not None
    assert other.low_rank is not None
    assert one.low_rank.energy[4] > 0.999
    assert one.low_rank.gap_after == 4
    assert one.low_rank.gap > 100
    assert other.low_rank.energy[4] < 0.3
    exact = np.linalg.svd(low.astype(np.float64) - before, compute_uv=False)[:4]
    assert one.low_rank.singular_values[:4] == pytest.approx(exact, rel=1e-3)
    assert "low rank" not in found.headline
    assert "low rank" in compared({"l.0.a": before}, {"l.0.a": low}).headline
    for wanted, count in (("none", 0), ("all", 2), (1, 1), ("1", 1)):
        done = diff(checkpoint({"l.0.a": before, "l.0.b": before}), checkpoint({"l.0.a": low, "l.0.b": full}),
                    low_rank=wanted)  # fmt: skip
        assert sum(one.low_rank is not None for one in done.tensors) == count


def test_figures_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openshelf.analysis.weights.comparison.JOB_BYTES", 4096)
    before = {f"layers.{number}.w": weights(50, 70) for number in range(5)}
    after = {name: values + weights(50, 70) * 0.01 for name, values in before.items()}
    found = [diff(checkpoint(before), checkpoint(after), threads=threads).as_json() for threads in (1, 2, 5)]
    assert found[0] == found[1] == found[2]


def test_options_that_make_no_sense_are_refused() -> None:
    for options in ({"threads": 0}, {"low_rank": "some"}, {"low_rank": -1}):
        with pytest.raises(ValueError, match="must be"):
            diff(checkpoint({}), checkpoint({}), **options)
    assert openshelf.diff is diff


def test_no_tensors_at_all() -> None:
    assert compared({}, {}).is_equal
    assert compared({"a": np.empty((0, 4), np.float32)}, {"a": np.empty((0, 4), np.float32)}).is_equal
