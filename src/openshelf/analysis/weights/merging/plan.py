"""What is done with each tensor: taken from one input as it is, computed, left out; or a conflict.

The rules for one tensor, O being the base's:

1. No side changed it: O. All that changed it agree: theirs. Byte for byte, and nothing is computed.
2. One side alone changed it: that side's, byte for byte, where ``three_way`` holds.
3. Deleted by a side and changed by none: deleted. Added by one side: added.
4. Else the method, over the sides that changed it (over all of them where they vote).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from openshelf.analysis.weights.merging.conflicts import Conflict, Kind
from openshelf.analysis.weights.merging.inputs import Inputs
from openshelf.analysis.weights.merging.methods.method import Method, method
from openshelf.analysis.weights.merging.operands import Folded, Operand, Stored, is_merged, is_quantised
from openshelf.analysis.weights.merging.recipe import KEEP, Choice, Recipe, side_index, word

_VOCABULARY = re.compile(
    r"(?:.*\.)?(?:embed_tokens|word_embeddings|wte|tok_embeddings|embeddings|shared|lm_head|output)\.\w+\Z"
)


@dataclass(frozen=True, slots=True)
class Take:
    """The tensor of one input: -1 is the base. ``why`` is one word for the report."""

    name: str
    side: int
    why: str


@dataclass(frozen=True, slots=True)
class Combine:
    """A tensor to be computed over ``sides``, on ``base`` where there is one.

    ``tail``: the side that has more rows than the rest (new vocabulary); they are taken from it.
    """

    name: str
    method: str
    parameters: dict[str, float]
    sides: tuple[int, ...]
    weights: tuple[float, ...]
    with_base: bool
    dtype: str
    shape: tuple[int, ...]
    elements: int
    tail: int | None = None


Step = Take | Combine


@dataclass(slots=True)
class Plan:
    """``steps`` in the order of the output; ``dropped`` are names that are left out."""

    steps: list[Step] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    hard: list[Conflict] = field(default_factory=list)


def make_plan(recipe: Recipe, inputs: Inputs) -> Plan:
    """The plan for every tensor, in the order of the base, then of what the sides add."""
    plan = Plan()
    for name in _names(inputs):
        found = _Tensor(name, recipe, inputs).decide()
        if isinstance(found, Conflict):
            plan.hard.append(found)
        elif found is None:
            plan.dropped.append(name)
        else:
            plan.steps.append(found)
    return plan


def _names(inputs: Inputs) -> Iterator[str]:
    first = [inputs.base] if inputs.base is not None else []
    yield from dict.fromkeys(name for each in (*first, *inputs.sides) for name in each.tensors)


@dataclass(slots=True)
class _Tensor:
    """One name, seen over all inputs."""

    name: str
    recipe: Recipe
    inputs: Inputs

    def decide(self) -> Step | Conflict | None:
        choice = self.recipe.choice_for(self.name)
        if choice.side is not None:
            return self._take_by_rule(choice.side)
        known = method(choice.method or "")
        sides = self.inputs.sides
        present = [index for index, side in enumerate(sides) if self.name in side.tensors]
        base = self.inputs.base
        if base is None:
            if len(present) < len(sides):
                return self._conflict(
                    Kind.NO_BASE, f"only {_words(present)} has it, and no base tells whether it was added or deleted"
                )
            return self._settle(known, choice, present, present)
        if self.name not in base.tensors:
            return self._added(known, choice, present)
        changed = [index for index in present if not sides[index].same(self.name, base)]
        if len(present) < len(sides):
            missing = [index for index in range(len(sides)) if index not in present]
            if changed:
                return self._conflict(Kind.DELETION, f"deleted by {_words(missing)}, changed by {_words(changed)}")
            return None
        if not changed:
            return Take(self.name, -1, "unchanged")
        return self._settle(known, choice, changed, present)

    def _take_by_rule(self, side: str) -> Step | None:
        index = side_index(side, self.recipe)
        held = self.inputs.base if index < 0 else self.inputs.sides[index]
        if held is None or self.name not in held.tensors:
            return None
        if isinstance(held.tensors[self.name], Folded):
            return self._combine(method("task-arithmetic"), Choice("task-arithmetic", {"lambda": 1.0}), [index], (1.0,))
        return Take(self.name, index, "by rule")

    def _added(self, known: Method, choice: Choice, holders: list[int]) -> Step | Conflict:
        if self._agree(holders):
            return Take(self.name, holders[0], "added")
        if known.needs_base:
            text = f"added by {_words(holders)} with different values, and {known.name} needs a common ancestor"
            return self._conflict(Kind.NO_BASE, text)
        return self._settle(known, choice, holders, holders)

    def _settle(self, known: Method, choice: Choice, changed: list[int], present: list[int]) -> Step | Conflict:
        """What to do with a tensor that at least one side changed."""
        sides = self.inputs.sides
        agreed = self._agree(changed)
        votes = self._every_side_counts(known)
        operand = sides[changed[0]].tensors[self.name]
        stored, bounded = isinstance(operand, Stored), known.runs_alone and is_merged(operand.dtype)
        everyone = len(changed) == len(sides)
        settled = not votes or (everyone and not known.needs_base)
        if stored and agreed and not bounded and len(sides) > 1 and settled:
            return Take(self.name, changed[0], "changed by one" if len(changed) == 1 else "agreed")
        counted = changed if not votes else present
        return self._misfit(known, changed, counted) or self._computed(known, choice, counted, votes)

    def _every_side_counts(self, known: Method) -> bool:
        if self.recipe.three_way is not None:
            return not self.recipe.three_way
        return len(self.recipe.sides) == 1 or (known.votes and len(self.recipe.sides) >= 3)

    def _computed(self, known: Method, choice: Choice, counted: list[int], votes: bool) -> Step | Conflict:
        weights = tuple(self.recipe.sides[index].share for index in counted)
        if len(counted) == 1 and not votes:
            # A lone change comes in whole, as it would if it were stored.
            weights = (1.0,)
            if not known.runs_alone:
                known, choice = method("task-arithmetic"), Choice("task-arithmetic", {"lambda": 1.0})
        return self._combine(known, choice, counted, weights)

    def _combine(self, known: Method, choice: Choice, counted: list[int], weights: tuple[float, ...]) -> Step:
        operands = [self.inputs.sides[index].tensors[self.name] for index in counted]
        base = self.inputs.base.tensors.get(self.name) if self.inputs.base is not None else None
        largest = max(range(len(counted)), key=lambda place: operands[place].elements)
        elements = min(operand.elements for operand in operands)
        grown = operands[largest].elements > elements
        held = operands[0].dtype
        dtype = held if self.recipe.dtype == KEEP else self.recipe.dtype
        return Combine(
            self.name, known.name, dict(choice.parameters), tuple(counted), weights,
            base is not None and (known.needs_base or any(isinstance(each, Folded) for each in operands)),
            dtype, operands[largest].shape, elements, counted[largest] if grown else None,
        )  # fmt: skip

    def _misfit(self, known: Method, changed: list[int], counted: list[int]) -> Conflict | None:
        """Why the tensor cannot be computed; None where it can be."""
        sides, recipe = self.inputs.sides, self.recipe
        operands = [sides[index].tensors[self.name] for index in counted]
        base = self.inputs.base.tensors.get(self.name) if self.inputs.base is not None else None
        kinds = {operand.dtype for operand in operands}
        if len(kinds) > 1:
            told = ", ".join(
                f"{operand.dtype} in {word(index)}" for index, operand in zip(counted, operands, strict=True)
            )
            return self._conflict(Kind.DTYPE, f"changed on both sides, in different types: {told}")
        dtype = operands[0].dtype
        if is_quantised(dtype):
            return self._conflict(
                Kind.QUANTISED,
                f"changed on both sides, and its type {dtype} holds rounded codes: merge the models that they were "
                "made from, and quantise the result",
            )
        if not is_merged(dtype):
            return self._conflict(
                Kind.INTEGER,
                f"changed differently by {_words(changed)}, and values of the type {dtype} are not averaged",
            )
        if base is not None and not is_merged(base.dtype):
            return self._conflict(Kind.DTYPE, f"its type was {base.dtype} in the base and is {dtype} now")
        if base is None and known.needs_base:
            return self._conflict(Kind.NO_BASE, f"{known.name} needs a common ancestor, and there is none")
        if recipe.dtype != KEEP and not is_merged(recipe.dtype):
            return self._conflict(Kind.DTYPE, f"cannot be written as {recipe.dtype}")
        if len(counted) < known.least and len(counted) > 1:
            return self._conflict(Kind.SIDES, f"{known.name} needs {known.least} sides, and {len(counted)} changed it")
        return self._shape_misfit(base, counted, operands) or self._statistics_misfit(known, counted, operands[0])

    def _shape_misfit(self, base: Operand | None, counted: list[int], operands: Sequence[Operand]) -> Conflict | None:
        shapes = {operand.shape for operand in operands}
        told = ", ".join(f"{list(each.shape)} in {word(index)}" for index, each in zip(counted, operands, strict=True))
        if base is None:
            return None if len(shapes) == 1 else self._conflict(Kind.SHAPE, f"has different shapes: {told}")
        if shapes == {base.shape}:
            return None
        told = f"{list(base.shape)} in base, {told}"
        grown = [each for each in operands if each.shape != base.shape]
        rows = all(_is_longer(each.shape, base.shape) for each in grown)
        if rows and _VOCABULARY.match(self.name):
            if len(grown) == 1 and len(operands) > 1:
                return None
            if len(grown) > 1:
                return self._conflict(Kind.VOCABULARY, f"vocabulary was added on several sides: {told}")
        return self._conflict(Kind.SHAPE, f"changed on both sides, in different shapes: {told}")

    def _statistics_misfit(self, known: Method, counted: list[int], operand: Operand) -> Conflict | None:
        if known.statistics is None:
            return None
        held = [self.inputs.statistics[index] for index in counted]
        lacking = [
            index for index, found in zip(counted, held, strict=True) if found is None or self.name not in found.tensors
        ]
        is_gram = known.statistics == "gram"
        if is_gram and (len(operand.shape) != 2 or len(lacking) == len(counted)):
            if any(found is None for found in held):
                return self._conflict(Kind.STATISTICS, f"regmean needs statistics of {_words(lacking)}")
            return None
        if lacking:
            return self._conflict(Kind.STATISTICS, f"{known.name} needs its statistic of {_words(lacking)}")
        wanted = (operand.shape[1], operand.shape[1]) if is_gram else operand.shape
        for index, found in zip(counted, held, strict=True):
            statistic = found.tensors[self.name] if found is not None else None
            if statistic is None or statistic.shape != wanted or not is_merged(statistic.dtype):
                there = list(statistic.shape) if statistic is not None else None
                text = f"its statistic of {word(index)} is of {there}; it must be floats of {list(wanted)}"
                return self._conflict(Kind.STATISTICS, text)
            if statistic.non_finite():
                return self._conflict(Kind.STATISTICS, f"its statistic of {word(index)} has NaN or infinite values")
        return None

    def _agree(self, indices: Sequence[int]) -> bool:
        sides = self.inputs.sides
        first = sides[indices[0]]
        return all(sides[index].same(self.name, first) for index in indices[1:])

    def _conflict(self, kind: Kind, text: str) -> Conflict:
        return Conflict(kind, self.name, text)


def _is_longer(shape: tuple[int, ...], than: tuple[int, ...]) -> bool:
    return bool(shape) and len(shape) == len(than) and shape[1:] == than[1:] and shape[0] > than[0]


def _words(indices: Sequence[int]) -> str:
    return ", ".join(word(index) for index in indices)
