"""One planned tensor computed and written: read, merged, rounded once, a tile at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.weights.merging.conflicts import Conflict, Kind
from openshelf.analysis.weights.merging.inputs import Inputs
from openshelf.analysis.weights.merging.methods.method import Aligned, Takes, method
from openshelf.analysis.weights.merging.operands import PIECE, Array, Operand, Stored, count_non_finite, is_merged, wide
from openshelf.analysis.weights.merging.plan import Combine, Take
from openshelf.analysis.weights.merging.recipe import KEEP, Recipe
from openshelf.analysis.weights.merging.tiles import Threads, Tile, Work
from openshelf.analysis.weights.rounding import sticky

Write = Callable[[str, int, memoryview], None]
"""Takes the bytes of a tensor from a byte of it on."""


@dataclass(frozen=True, slots=True)
class Merger:
    """What all tensors of one merge share."""

    recipe: Recipe
    inputs: Inputs
    threads: Threads
    write: Write

    def take(self, step: Take) -> Conflict | None:
        """Copy a tensor of one input; rounded only where another type is asked for."""
        return self._copy(step.name, taken(step, self.inputs), 0)

    def combine(self, step: Combine) -> Conflict | None:
        """Compute a tensor. A conflict where the result does not fit its type."""
        work = self.work(step)
        prepared = method(step.method).prepare(work)
        if isinstance(prepared, Takes):
            return self._copy(step.name, work.sides[prepared.side], 0)
        align, kernel = (prepared.align, prepared.kernel) if isinstance(prepared, Aligned) else (1, prepared)
        held = numpy_type(step.dtype)

        def merge(tile: Tile) -> int:
            return self._put(step.name, step.dtype, held, tile.start, kernel(tile))

        with np.errstate(all="ignore"):
            lost = sum(work.each(merge, align))
        if lost:
            return Conflict(Kind.NON_FINITE, step.name, f"{lost:,} merged values do not fit {step.dtype}")
        if step.tail is not None:
            return self._copy(step.name, self.inputs.sides[step.tail].tensors[step.name], step.elements)
        return None

    def work(self, step: Combine) -> Work:
        """The operands of a planned tensor, in an order that does not depend on theirs where the method allows."""
        known = method(step.method)
        sides = [self.inputs.sides[index].tensors[step.name] for index in step.sides]
        order = list(range(len(sides)))
        if known.symmetric and len(sides) > 2:
            order.sort(key=lambda place: (sides[place].digest(), step.weights[place]))
        statistics: list[Operand] = []
        if known.statistics is not None:
            held = [self.inputs.statistics[step.sides[place]] for place in order]
            found = [each.tensors.get(step.name) if each is not None else None for each in held]
            statistics = [each for each in found if each is not None]
        base = self.inputs.base.tensors[step.name] if step.with_base and self.inputs.base is not None else None
        return Work(
            step.name, step.dtype, step.shape, step.elements,
            np.dtype(np.float64 if "float64" in (sides[0].dtype, step.dtype) else np.float32),
            base, tuple(sides[place] for place in order), tuple(step.sides[place] for place in order),
            tuple(step.weights[place] for place in order), step.parameters, self.recipe.seed,
            tuple(statistics) if len(statistics) == len(sides) else (), self.threads,
        )  # fmt: skip

    def _put(self, name: str, dtype: str, held: np.dtype[Any], start: int, values: Array) -> int:
        """Round to the type of the output, the one rounding there is, and write; how many values did not fit."""
        if values.dtype == held:
            rounded = values
        else:
            space = self.threads.space(held)
            rounded = space.buffer(("rounded", 0), len(values))[: len(values)]
            np.copyto(rounded, sticky(values) if dtype == "bfloat16" else values, casting="unsafe")
        self.write(name, start * held.itemsize, rounded.view(np.uint8).data)
        return count_non_finite(rounded, dtype)

    def _copy(self, name: str, source: Operand, start: int) -> Conflict | None:
        dtype = written_type(source.dtype, self.recipe)
        if not isinstance(source, Stored):
            raise TypeError(name)
        if dtype == source.dtype:
            self._copy_bytes(name, source, start)
            return None
        held = numpy_type(dtype)
        lost = 0
        with np.errstate(all="ignore"):
            for at in range(start, source.elements, PIECE):
                values = source.values(at, min(at + PIECE, source.elements))
                lost += self._put(name, dtype, held, at, np.ascontiguousarray(values.astype(wide(source.dtype))))
        return Conflict(Kind.NON_FINITE, name, f"{lost:,} values do not fit {dtype}") if lost else None

    def _copy_bytes(self, name: str, source: Stored, start: int) -> None:
        tensor = source.tensor
        if tensor.is_plain:
            size = tensor.nbytes // tensor.elements if tensor.elements else 1
            step = 8 * PIECE

            def piece(begin: int) -> None:
                self.write(name, begin, source.checkpoint.raw(tensor, begin, min(begin + step, tensor.nbytes)))

            self.threads.map(piece, range(start * size, tensor.nbytes, step))
            return
        for at in range(start, source.elements, PIECE):
            values = np.ascontiguousarray(source.values(at, min(at + PIECE, source.elements)))
            self.write(name, at * values.itemsize, values.view(np.uint8).data)


def taken(step: Take, inputs: Inputs) -> Operand:
    """The tensor that a step takes."""
    held = inputs.base if step.side < 0 else inputs.sides[step.side]
    assert held is not None
    return held.tensors[step.name]


def written_type(dtype: str, recipe: Recipe) -> str:
    """The type that a tensor of ``dtype`` is written in."""
    return dtype if recipe.dtype == KEEP or not is_merged(dtype) else recipe.dtype


def numpy_type(dtype: str) -> np.dtype[Any]:
    found = dtypes.numpy_dtype(dtype)
    assert found is not None
    return found
