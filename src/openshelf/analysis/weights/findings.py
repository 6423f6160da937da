"""From sums to findings: figures of each tensor and of each layer, totals, and the sentence on top."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
from openshelf.analysis.weights.blocks import Place, place_of
from openshelf.analysis.weights.comparison import Comparison, Way
from openshelf.analysis.weights.difference import (
    BlockSummary,
    LowRank,
    ModelDifference,
    Row,
    RowChange,
    Settled,
    Status,
    Structure,
    TensorDifference,
    Totals,
    ValueChange,
)
from openshelf.analysis.weights.headline import headline
from openshelf.analysis.weights.pairing import Pairs
from openshelf.analysis.weights.tiles import Sums
from openshelf.analysis.weights.vocabulary import tokens_of

MOST_ROWS = 10
"""How many of the rows that changed most are named."""


def model_difference(
    before: Checkpoint,
    after: Checkpoint,
    pairs: Pairs,
    structure: Structure,
    comparisons: Sequence[Comparison],
    evidence: Mapping[str, LowRank],
    left_out: int,
) -> ModelDifference:
    """Put together what was found."""
    tensors = [_of_pair(one, evidence.get(one.after.tensor.name)) for one in comparisons]
    tensors += [_alone(tensor, Status.ADDED) for tensor in pairs.added]
    tensors += [_alone(tensor, Status.REMOVED) for tensor in pairs.removed]
    cast = tuple(one.name for one in tensors if one.is_cast)
    structure = replace(structure, cast=cast, retyped=tuple(set_minus(structure.retyped, cast)))
    sums = {one.after.tensor.name: one.sums for one in comparisons}
    totals, blocks = _totals(tensors, sums), _blocks(tensors, sums)
    is_equal = totals.equal == totals.tensors and not structure.renamed
    return ModelDifference(
        before.source.label, after.source.label, is_equal, headline(structure, totals, blocks, tensors), structure,
        totals, blocks, tuple(tensors), left_out, (*before.problems, *after.problems),
    )  # fmt: skip


def set_minus(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """``names`` in their order, without ``others``."""
    without = set(others)
    return [name for name in names if name not in without]


def _alone(tensor: Tensor, status: Status) -> TensorDifference:
    place = place_of(tensor.name)
    found = TensorDifference(tensor.name, status, tensor.role.value, place.block, place.kind)
    if status is Status.ADDED:
        return replace(found, dtype_after=tensor.dtype, shape_after=tensor.shape)
    return replace(found, dtype_before=tensor.dtype, shape_before=tensor.shape)


def _of_pair(one: Comparison, evidence: LowRank | None) -> TensorDifference:
    a, b = one.before.tensor, one.after.tensor
    place = place_of(b.name)
    is_cast = one.way is Way.VALUES and a.dtype != b.dtype and not (one.sums.changed and one.sums.unrounded)
    is_cast = is_cast and one.before.elements == one.after.elements
    has_values = one.way is Way.VALUES and _status(one) is not Status.EQUAL and not one.is_same
    values = _values(one) if has_values else None
    return TensorDifference(
        b.name,
        _status(one),
        b.role.value,
        place.block,
        place.kind,
        a.name if a.name != b.name else None,
        a.dtype,
        b.dtype,
        a.shape,
        b.shape,
        a.shape != b.shape and one.before.elements == one.after.elements,
        is_cast,
        _settled(one),
        values,
        _rows(one),
        evidence,
        one.note or ("the former values are the later ones rounded" if is_cast and one.sums.changed else ""),
    )


def _status(one: Comparison) -> Status:
    if one.way is Way.NOTHING:
        return Status.NOT_COMPARED
    a, b = one.before.tensor, one.after.tensor
    is_equal = (one.is_same or not one.sums.changed) and a.dtype == b.dtype and a.shape == b.shape
    return Status.EQUAL if is_equal else Status.CHANGED


def _settled(one: Comparison) -> Settled | None:
    if one.way is Way.NOTHING:
        return None
    if one.is_same and not one.sums.elements:
        return Settled.BYTES if one.was_read else Settled.IDENTITY
    return Settled.BYTES if one.way is Way.BYTES else Settled.VALUES


def _values(one: Comparison) -> ValueChange:
    sums = one.sums
    share = sums.changed / sums.elements if sums.elements else 0.0
    if not _is_float(one):
        return ValueChange(sums.elements, sums.changed, share, sums.max_abs)
    if not sums.changed and not sums.squares_before:
        return ValueChange(sums.elements, 0, 0.0, 0.0, 0.0, 0.0)
    before, after, change = (_root(total) for total in (sums.squares_before, sums.squares_after, sums.squares_change))
    return ValueChange(
        sums.elements,
        sums.changed,
        share,
        sums.max_abs if sums.finite else None,
        _ratio(change, before),
        change,
        before,
        after,
        _cosine(sums),
        sums.flips / sums.finite if sums.finite else None,
        sums.shift / sums.finite if sums.finite else None,
        sums.nan_before,
        sums.nan_after,
        sums.inf_before,
        sums.inf_after,
    )


def _root(total: float) -> float:
    """The square root of a sum that may lie outside what float64 holds."""
    return float(np.sqrt(np.longdouble(total)))


def _ratio(change: float, before: float) -> float | None:
    found = float(np.longdouble(change) / np.longdouble(before)) if before else math.inf
    return found if math.isfinite(found) else None


def _is_float(one: Comparison) -> bool:
    names = (one.before.tensor.dtype, one.after.tensor.dtype)
    return not all(name.startswith(("int", "uint", "bool")) for name in names)


def _cosine(sums: Sums) -> float | None:
    """From the product; where the vectors are nearly the same by the law of cosines, which keeps its digits there."""
    before, after, change, product = (
        np.longdouble(total) for total in (sums.squares_before, sums.squares_after, sums.squares_change, sums.product)
    )
    if not (before and after and np.isfinite(before + after)):
        return None
    lengths = np.sqrt(before) * np.sqrt(after)
    if change < before / 100:
        apart = np.sqrt(before) - np.sqrt(after)
        found = 1 - (change - apart * apart) / (2 * lengths)
    else:
        found = product / lengths
    return max(-1.0, min(1.0, float(found)))


def _rows(one: Comparison) -> RowChange | None:
    if one.row_squares is None or one.row_changed is None or one.way is not Way.VALUES:
        return None
    rows = len(one.row_squares)
    squares = np.where(one.row_changed, np.nan_to_num(one.row_squares), -1)
    first = np.argsort(-squares, kind="stable")[:MOST_ROWS]
    changed = [int(index) for index in first if one.row_changed[index]]
    tokens = tokens_of(one.after.checkpoint, one.after.tensor, changed) if changed else {}
    most = tuple(_row(one, index, tokens.get(index)) for index in changed)
    sides = (one.before.tensor.shape[0], one.after.tensor.shape[0])
    return RowChange(rows, int(one.row_changed.sum()), max(sides[1] - rows, 0), max(sides[0] - rows, 0), most)


def _row(one: Comparison, index: int, token: str | None) -> Row:
    assert one.row_squares is not None
    length = math.sqrt(max(float(np.nan_to_num(one.row_squares[index])), 0.0))
    if not one.before.streams:
        return Row(index, length, None, token)
    former = one.before.read(index * one.columns, (index + 1) * one.columns).astype(np.float64)
    norm = float(np.linalg.norm(former))
    return Row(index, length, length / norm if norm and math.isfinite(norm) else None, token)


def _totals(tensors: Sequence[TensorDifference], sums: Mapping[str, Sums]) -> Totals:
    counts = {status: sum(one.status is status for one in tensors) for status in Status}
    pooled = _pooled(tensors, sums)
    return Totals(
        len(tensors),
        counts[Status.EQUAL],
        counts[Status.CHANGED],
        counts[Status.ADDED],
        counts[Status.REMOVED],
        counts[Status.NOT_COMPARED],
        pooled.elements,
        pooled.changed,
        pooled.changed / pooled.elements if pooled.elements else 0.0,
        pooled.relative_l2,
        sum(one.values.nan_after for one in tensors if one.values),
        sum(one.values.inf_after for one in tensors if one.values),
    )


@dataclass(frozen=True, slots=True)
class _Pooled:
    elements: int
    changed: int
    relative_l2: float | None


def _pooled(tensors: Sequence[TensorDifference], sums: Mapping[str, Sums]) -> _Pooled:
    """All changes over all former values. None where a norm was never needed: of tensors that did not change."""
    compared = [one for one in tensors if one.status in (Status.EQUAL, Status.CHANGED)]
    elements = sum(math.prod(one.shape_after or ()) for one in compared)
    changed = sum(sums[one.name].changed for one in compared)
    moved = [sums[one.name] for one in compared if one.status is Status.CHANGED]
    base, change = sum(one.squares_before for one in moved), sum(one.squares_change for one in moved)
    if not moved:
        return _Pooled(elements, changed, 0.0 if compared else None)
    return _Pooled(elements, changed, _ratio(_root(change), _root(base)))


def _blocks(tensors: Sequence[TensorDifference], sums: Mapping[str, Sums]) -> tuple[BlockSummary, ...]:
    """Layers in the order of the model: series as they first come, numbers rising within."""
    members: dict[str, list[TensorDifference]] = {}
    places: dict[str, Place] = {}
    for one in tensors:
        members.setdefault(one.block, []).append(one)
        places.setdefault(one.block, place_of(one.name))
    order = {series: number for number, series in enumerate(dict.fromkeys(p.series for p in places.values()))}
    names = sorted(members, key=lambda block: (order[places[block].series], places[block].number or 0))
    return tuple(_block(places[name], members[name], sums) for name in names)


def _block(place: Place, tensors: Sequence[TensorDifference], sums: Mapping[str, Sums]) -> BlockSummary:
    pooled = _pooled(tensors, sums)
    return BlockSummary(
        place.block,
        place.series,
        place.number,
        len(tensors),
        sum(one.status is Status.CHANGED for one in tensors),
        sum(one.status is Status.ADDED for one in tensors),
        sum(one.status is Status.REMOVED for one in tensors),
        pooled.elements,
        pooled.changed / pooled.elements if pooled.elements else 0.0,
        pooled.relative_l2,
    )
