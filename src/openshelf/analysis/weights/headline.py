"""One sentence that says how two models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openshelf.analysis.weights.difference import BlockSummary, Structure, TensorDifference, Totals

_HIGH_ENERGY, _WIDE_GAP = 0.9, 4.0


def headline(
    structure: Structure, totals: Totals, blocks: Sequence[BlockSummary], tensors: Sequence[TensorDifference]
) -> str:
    """The sentence, or a few, most important first."""
    if totals.equal == totals.tensors and not structure.renamed:
        return f"All {counted(totals.tensors, 'tensor')} are the same.{_container(structure)}"
    parts = [_changed(structure, totals, blocks)]
    if structure.renamed:
        parts.append(f"{counted(len(structure.renamed), 'tensor')} renamed.")
    if totals.added or totals.removed:
        parts.append(f"{totals.added:,} added, {totals.removed:,} removed.")
    if totals.not_compared:
        parts.append(f"{counted(totals.not_compared, 'tensor')} could not be compared.")
    if totals.nan_after or totals.inf_after:
        parts.append(f"The later model has {totals.nan_after:,} NaN and {totals.inf_after:,} infinite values.")
    if evidence := _low_rank(tensors):
        parts.append(evidence)
    return " ".join(parts) + _container(structure)


def counted(number: int, noun: str) -> str:
    """``1 tensor``, ``12 tensors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent, with two digits that say something; never 0 or 100 where it is not."""
    if share == 0:
        return "0 %"
    if share >= 1:
        return ("100 %" if share == 1 else f"{share * 100:,.0f} %") if share < 10 else f"{share:,.3g} times"
    if share > 0.9995:
        return f"{int(share * 10_000) / 100:.2f} %"
    return f"{share * 100:#.2g} %" if share < 0.095 else f"{share * 100:.1f} %"


def _changed(structure: Structure, totals: Totals, blocks: Sequence[BlockSummary]) -> str:
    cast = len(structure.cast)
    if not totals.changed:
        return f"No values of {counted(totals.equal, 'tensor')} changed."
    if cast == totals.changed:
        return f"{cast:,} of {counted(totals.tensors, 'tensor')} were cast to another type, with no other change."
    found = f"{totals.changed:,} of {counted(totals.tensors, 'tensor')} changed{_where(blocks)}"
    if totals.relative_l2 is not None:
        found += f"; relative change {percent(totals.relative_l2)}"
    found += f" ({percent(totals.changed_share)} of all values)."
    return found + (f" {cast:,} of them were only cast to another type." if cast else "")


def _where(blocks: Sequence[BlockSummary]) -> str:
    """``, all in layers.10 to 15`` where they lie together."""
    moved = [block for block in blocks if block.changed_tensors]
    same = {block.series for block in moved}
    others = sum(block.series in same for block in blocks)
    if not moved or len(same) > 1 or moved[0].number is None or len(moved) == others == len(blocks):
        return ""
    numbers = [block.number or 0 for block in moved]
    name = moved[0].series
    if len(numbers) == 1:
        return f", all in {name}.{numbers[0]}"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f", all in {name}.{numbers[0]} to {numbers[-1]}"
    return f", all in {len(numbers)} of {others} {name}"


def _low_rank(tensors: Sequence[TensorDifference]) -> str:
    looked = [one for one in tensors if one.low_rank]
    low = [one.low_rank for one in looked if one.low_rank and _is_low(one.low_rank.energy, one.low_rank.gap)]
    if not low or len(low) < len(looked):
        return ""
    k = max(_enough(found.energy) for found in low)
    gap = min(found.gap for found in low)
    return (
        f"Looks like an update of low rank: {percent(min(found.energy[k] for found in low))} of the change lies in "
        f"{k} directions or fewer, with a drop of {gap:,.3g} times after them, in each of "
        f"{counted(len(low), 'matrix').replace('matrixs', 'matrices')} looked at."
    )


def _is_low(energy: Mapping[int, float], gap: float) -> bool:
    return gap >= _WIDE_GAP and any(share >= _HIGH_ENERGY for k, share in energy.items() if k <= 32)


def _enough(energy: Mapping[int, float]) -> int:
    return min((k for k, share in energy.items() if share >= _HIGH_ENERGY), default=max(energy))


def _container(structure: Structure) -> str:
    found = ""
    if structure.format_changed:
        found += f" The format changed from {structure.format_before} to {structure.format_after}."
    if structure.is_resharded:
        before, after = counted(structure.files_before, "file"), counted(structure.files_after, "file")
        found += f" The tensors are divided otherwise among files ({before} before, {after} now)."
    return found
