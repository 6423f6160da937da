"""Some elements of every side at a time, so that buffers stay in the caches near a core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from openshelf.analysis.weights.merging.operands import Array, Operand, Read

T = TypeVar("T")
TILE = 1 << 17
"""Elements of a tile of up to six sides. With smaller ones threads hinder each other: every call of NumPy on a tile
lets go of the interpreter and takes it back."""
_TILES_PER_JOB = 8
_BLOCK = 256


@dataclass(slots=True)
class Tile:
    """The elements ``[start, stop)`` of a tensor: of the base where there is one, and of each side.

    ``base``, ``sides`` and ``statistics`` are not to be changed; ``scratch`` lends room.
    """

    start: int
    stop: int
    base: Array | None
    space: Space
    size: int
    runs: Runs

    @property
    def sides(self) -> list[Array]:
        """The values of every side, all read at once."""
        return [self._read(run, "side", index) for index, run in enumerate(self.runs.sides)]

    @property
    def statistics(self) -> list[Array]:
        return [self._read(run, "statistics", index) for index, run in enumerate(self.runs.statistics)]

    def _read(self, run: Read, kind: str, number: int) -> Array:
        return run(self.start, self.stop, self.space.buffer((kind, number), self.size))

    def scratch(self, number: int) -> Array:
        """Room for a tile of values; the same number gives the same room."""
        return self.space.buffer(("scratch", number), self.size)[: self.stop - self.start]

    def scaled(self, side: int, factor: float, into: Array) -> Array:
        """A side times a number. It is read for this alone, so that a core still has it at hand."""
        np.multiply(self.runs.sides[side](self.start, self.stop, into), into.dtype.type(factor), out=into)
        return into

    def delta(self, side: int, into: Array) -> Array:
        """What a side changed; the side is read for this alone, as in ``scaled``."""
        assert self.base is not None
        return np.subtract(self.runs.sides[side](self.start, self.stop, into), self.base, out=into)


@dataclass(slots=True)
class Space:
    """The buffers of one thread for one type, kept from tile to tile."""

    held: np.dtype[Any]
    buffers: dict[tuple[str, int], Array] = field(default_factory=dict)

    def buffer(self, number: tuple[str, int], size: int) -> Array:
        found = self.buffers.get(number)
        if found is None or len(found) < size:
            found = self.buffers[number] = np.empty(size, self.held)
        return found


class Threads:
    """Workers that share the jobs of a tensor. Results come in the order of the jobs, however many there are."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or min(8, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(self.count) if self.count > 1 else None
        self._local = threading.local()

    def map(self, work: Callable[[T], Any], jobs: Sequence[T]) -> list[Any]:
        if self._pool is None or len(jobs) < 2:
            return [work(job) for job in jobs]
        return list(self._pool.map(work, jobs))

    def space(self, held: np.dtype[Any]) -> Space:
        """The buffers of the thread that calls."""
        spaces: dict[np.dtype[Any], Space] = self._local.__dict__.setdefault("spaces", {})
        return spaces.setdefault(held, Space(held))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def worker_threads(count: int | None) -> Iterator[Threads]:
    threads = Threads(count)
    try:
        yield threads
    finally:
        threads.close()


@dataclass(frozen=True, slots=True)
class Work:
    """All that a method needs to know of one tensor. ``positions`` are the places of the sides in the recipe.

    ``elements`` are computed; where vocabulary was added on one side they are fewer than that side has. Of
    ``statistics`` those come with the tiles that have a value for each element; a method reads smaller ones itself.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    held: np.dtype[Any]
    base: Operand | None
    sides: tuple[Operand, ...]
    positions: tuple[int, ...]
    weights: tuple[float, ...]
    parameters: Mapping[str, float]
    seed: int
    statistics: tuple[Operand, ...]
    threads: Threads

    def each(self, do: Callable[[Tile], T], align: int = 1) -> list[T]:
        """``do`` with every tile, each beginning at a multiple of ``align`` elements; what it gives, in their order."""
        size = tile_elements(len(self.sides), align)

        def job(begin: int) -> list[T]:
            space = self.threads.space(self.held)
            end = min(begin + size * _TILES_PER_JOB, self.elements)
            runs = self._runs(begin, end)
            return [do(_tile(runs, at, min(at + size, end), size, space)) for at in range(begin, end, size)]

        jobs = self.threads.map(job, range(0, self.elements, size * _TILES_PER_JOB))
        return [found for tiles in jobs for found in tiles]

    def _runs(self, begin: int, end: int) -> Runs:
        return Runs(
            self.base.run(begin, end) if self.base is not None else None,
            [side.run(begin, end) for side in self.sides],
            [found.run(begin, end) for found in self.statistics if found.elements >= self.elements],
        )


@dataclass(frozen=True, slots=True)
class Runs:
    """What reads the operands of a job."""

    base: Read | None
    sides: list[Read]
    statistics: list[Read]


def _tile(runs: Runs, start: int, stop: int, size: int, space: Space) -> Tile:
    base = runs.base(start, stop, space.buffer(("base", 0), size)) if runs.base is not None else None
    return Tile(start, stop, base, space, size, runs)


def tile_elements(sides: int, align: int = 1) -> int:
    """Elements of a tile: fewer for many sides, a multiple of ``align`` (of one ``align`` at least)."""
    size = TILE if sides <= 6 else max(4096, TILE * 6 // sides // 4096 * 4096)
    return max(1, size // align) * align


def product(first: Array, second: Array) -> float:
    """The scalar product, summed in blocks of float32 and then in float64: the same on every machine."""
    whole = len(first) // _BLOCK * _BLOCK
    blocks = np.einsum("ij,ij->i", first[:whole].reshape(-1, _BLOCK), second[:whole].reshape(-1, _BLOCK))
    rest = np.multiply(first[whole:], second[whole:], dtype=np.float64)
    return float(blocks.sum(dtype=np.float64)) + float(rest.sum())
