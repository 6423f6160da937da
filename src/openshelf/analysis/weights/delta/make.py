"""Making a delta: what of a new model a base does not already say."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.weights.delta import low_rank, rows, segments
from openshelf.analysis.weights.delta.container import DeltaWriter, Factors, factor_type
from openshelf.analysis.weights.delta.errors import DeltaRefused
from openshelf.analysis.weights.delta.expectation import Expectation
from openshelf.analysis.weights.delta.measuring import error_of
from openshelf.analysis.weights.delta.pieces import BETWEEN, CutModel, Piece
from openshelf.analysis.weights.delta.plan import (
    FileIdentity,
    ModelIdentity,
    Needed,
    Plan,
    ResultFile,
    Told,
    check_name,
    content_of,
    segment_of,
)  # fmt: skip
from openshelf.analysis.weights.delta.segments import REACH, Method

Progress = Callable[[str, int, int], None]
_SAMPLED = 8
"""Segments that are tried, to tell whether a low-rank change is shorter."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Made:
    """``size`` of the delta and ``nbytes`` of the model it makes."""

    plan: Plan
    size: int

    @property
    def nbytes(self) -> int:
        return self.plan.nbytes


def make(
    base: Checkpoint, new: Checkpoint, out: Path, *, max_error: float | None = None, progress: Progress | None = None
) -> Made:
    """Write to ``out`` what turns ``base`` into ``new``: both with all files of their folders.

    Without ``max_error`` the result is ``new``, byte for byte. With it, floating-point tensors whose change is nearly
    of low rank may come out otherwise, with ``|result - new| <= max_error * |new - base|`` (Euclidean norms over each
    tensor); which, and by how much, the plan says. Memory does not depend on the size of the models. Raises
    UnreadableCheckpoint, DeltaRefused, OSError; ``out`` is written whole or not at all.
    """
    if max_error is not None and not 0 < max_error < 1:
        raise DeltaRefused("the largest error must lie between 0 and 1: it is a share of the change of each tensor")
    if out.exists():
        raise DeltaRefused(f"{out} is there already; give the delta another name")
    before, after = CutModel.of(base), CutModel.of(new)
    for name in after.files:
        try:
            check_name(name)
        except ValueError as error:
            raise DeltaRefused(f"{new.source.label}: {error}") from None
    with (
        tempfile.TemporaryFile(dir=out.parent) as spool,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ThreadPoolExecutor(1) as hashing,
    ):
        sums = {label: _sha256_of(hashing, model) for label, model in (("base", before), ("new", after))}
        making = _Making(before, after, DeltaWriter(spool), pool, max_error, progress or (lambda *_: None))
        try:
            result = {name: making.file(name, pieces) for name, pieces in after.files.items()}
            plan = making.plan(result, {label: {n: s.result() for n, s in of.items()} for label, of in sums.items()})
        except BaseException:
            pool.shutdown(cancel_futures=True)
            hashing.shutdown(cancel_futures=True)
            raise
        return Made(plan, making.writer.save(out, plan))


@dataclass(slots=True)
class _Making:
    base: CutModel
    new: CutModel
    writer: DeltaWriter
    pool: ThreadPoolExecutor
    max_error: float | None
    progress: Progress
    needed: dict[str, Needed] = field(default_factory=dict)
    pieces: dict[str, Told] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(init=False)
    done: int = 0

    def __post_init__(self) -> None:
        self.renamed = _renamed(self.base, self.new)

    def file(self, name: str, pieces: tuple[Piece, ...]) -> ResultFile:
        told = blake3()
        for piece in pieces:
            before = self.base.by_key.get(self.renamed.get(piece.key, piece.key))
            if before is not None and before.key == piece.key and self._is_unchanged(piece, before):
                digest = self._hash(piece, told.update)
                self.needed[piece.key] = Needed(before.nbytes, before.dtype, digest)
            else:
                self._tell(piece, before, told.update)
            self.done += piece.nbytes
            self.progress("comparing", self.done // _BLOCK, self.new.nbytes // _BLOCK)
        return ResultFile(sum(piece.nbytes for piece in pieces), told.hexdigest(), tuple(p.key for p in pieces))

    def _is_unchanged(self, piece: Piece, before: Piece) -> bool:
        if (piece.nbytes, piece.dtype, piece.shape) != (before.nbytes, before.dtype, before.shape):
            return False
        return all(
            np.array_equal(self.new.read(piece, start, start + _BLOCK), self.base.read(before, start, start + _BLOCK))
            for start in range(0, piece.nbytes, _BLOCK)
        )

    def _hash(self, piece: Piece, also: Callable[[memoryview], Any] = lambda _: None) -> str:
        digest = _hash_of(self.new, piece, also)
        self.hashes[piece.key] = digest
        return digest

    def _tell(self, piece: Piece, before: Piece | None, also: Callable[[memoryview], Any]) -> None:
        if before is not None and before.key not in self.needed:
            self.needed[before.key] = Needed(before.nbytes, before.dtype, _hash_of(self.base, before))
        plain = Expectation(self.base, before, piece.nbytes, piece.dtype, piece.width, piece.shape)
        expected, error = self._best(piece, plain)
        stored = blake3()
        for name, factor in zip(("low-rank-a:", "low-rank-b:"), expected.factors or (), strict=False):
            dtype, held = factor_type(piece.dtype)
            content = factor.astype(held).tobytes()
            stored.update(content)
            self.writer.spool.write(content)
            self.writer.add(name + piece.key, dtype, factor.shape, len(content))
        if error is None:
            digest = self._hash(piece, also)
            told = list(self._segments(piece, expected, stored))
        else:
            digest = _hash_expected(expected, piece.nbytes, also)
            self._hash(piece)
            told = [(Method.SAME, -(-piece.nbytes // segment_of(piece.key)))]
        rank = 0 if expected.factors is None else expected.factors[0].shape[1]
        self.pieces[piece.key] = Told(
            None if before is None else before.key, piece.nbytes, piece.width, piece.dtype, piece.shape, digest,
            stored.hexdigest(), tuple(told), rank, error, expected.moves,
        )  # fmt: skip

    def _best(self, piece: Piece, plain: Expectation) -> tuple[Expectation, tuple[float, float] | None]:
        """What to build on, and the error where that alone is to be the result."""
        shifted = replace(plain, moves=rows.find(self.new, piece, self.base, plain.piece))
        if shifted.moves and self._estimate(piece, shifted) <= self._estimate(piece, plain):
            return shifted, None
        if not piece.is_weight or not plain.can_move:
            return plain, None
        factors = low_rank.find(self.new, piece, plain, self.max_error)
        if factors is None:
            return plain, None
        moved = replace(plain, factors=factors)
        if self.max_error is not None:
            error = error_of(self.new, piece, plain, moved)
            if (
                error is not None
                and error[0] <= self.max_error
                and _bytes_of(factors, piece) < self._estimate(piece, plain)
            ):
                return moved, error
        shorter = self._estimate(piece, moved) + _bytes_of(factors, piece) < self._estimate(piece, plain)
        return (moved if shorter else plain), None

    def _estimate(self, piece: Piece, expected: Expectation) -> float:
        """Bytes that telling ``piece`` takes, from some segments of it."""
        starts = range(0, piece.nbytes, segments.SEGMENT)
        tried = starts[:: max(1, len(starts) // _SAMPLED)]
        return sum(len(self._encode(piece, expected, start)[1]) for start in tried) * len(starts) / len(tried)

    def _encode(self, piece: Piece, expected: Expectation, start: int) -> tuple[Method, bytes]:
        end = min(start + segment_of(piece.key), piece.nbytes)
        around = expected.around(start - REACH, end + REACH) if piece.key.startswith(BETWEEN) else b""
        return segments.encode(self.new.read(piece, start, end), expected.take(start, end), piece.width, around)

    def _segments(self, piece: Piece, expected: Expectation, stored: Any) -> Iterator[tuple[Method, int]]:
        """Writes what is stored, and gives how; runs of ``same`` as one."""
        same = size = 0
        starts = range(0, piece.nbytes, segment_of(piece.key))
        for method, content in _in_order(self.pool, lambda start: self._encode(piece, expected, start), starts):
            if method is Method.SAME:
                same += 1
                continue
            if same:
                yield Method.SAME, same
                same = 0
            stored.update(content)
            self.writer.spool.write(content)
            size += len(content)
            yield method, len(content)
        if same:
            yield Method.SAME, same
        self.writer.add("data:" + piece.key, "U8", (size,), size)

    def plan(self, result: Mapping[str, ResultFile], sums: Mapping[str, Mapping[str, FileIdentity]]) -> Plan:
        def identity(label: str, model: CutModel, known: Mapping[str, str]) -> ModelIdentity:
            tensors = [
                (piece.key, piece.dtype, piece.shape, known.get(piece.key) or _hash_of(model, piece))
                for piece in model.by_key.values()
                if piece.dtype
            ]
            return ModelIdentity(model.format, content_of(tensors), sums[label])

        known = {key: one.blake3 for key, one in self.needed.items()}
        return Plan(
            identity("base", self.base, known), identity("new", self.new, self.hashes), self.needed, result,
            self.pieces, self.max_error,
        )  # fmt: skip


def _renamed(base: CutModel, new: CutModel) -> dict[str, str]:
    """Keys of ``new`` that are pieces of ``base`` under another name: the only file, or tensors of the same content."""
    found: dict[str, str] = {}
    if len(base.files) == len(new.files) == 1:
        (old,), (name,) = base.files, new.files
        for key in new.by_key:
            if key.startswith(BETWEEN) and key.endswith(":" + name):
                found[key] = f"{key[: -len(name)]}{old}"
    gone: dict[tuple[int, str], list[Piece]] = {}
    for piece in base.by_key.values():
        if piece.dtype and piece.key not in new.by_key:
            gone.setdefault((piece.nbytes, piece.dtype), []).append(piece)
    hashes: dict[str, str] = {}
    for piece in new.by_key.values():
        likely = gone.get((piece.nbytes, piece.dtype), ()) if piece.key not in base.by_key else ()
        if likely:
            digest = _hash_of(new, piece)
            for before in likely:
                if before.key not in hashes:
                    hashes[before.key] = _hash_of(base, before)
                if hashes[before.key] == digest:
                    found[piece.key] = before.key
                    break
    return found


def _hash_of(model: CutModel, piece: Piece, also: Callable[[memoryview], Any] = lambda _: None) -> str:
    told = blake3()
    for start in range(0, piece.nbytes, _BLOCK):
        content = model.read(piece, start, start + _BLOCK).data
        told.update(content)
        also(content)
    return told.hexdigest()


def _hash_expected(expected: Expectation, nbytes: int, also: Callable[[memoryview], Any]) -> str:
    told = blake3()
    for start in range(0, nbytes, segments.SEGMENT):
        content = expected.take(start, min(start + segments.SEGMENT, nbytes))
        assert content is not None  # there is a base where there are factors
        told.update(content.data)
        also(content.data)
    return told.hexdigest()


def _bytes_of(factors: Factors, piece: Piece) -> int:
    return (factors[0].size + factors[1].size) * factor_type(piece.dtype)[1].itemsize


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[int], tuple[Method, bytes]], starts: range
) -> Iterator[tuple[Method, bytes]]:
    """``work`` of all, in order, some ahead in other threads."""
    ahead: deque[Future[tuple[Method, bytes]]] = deque()
    for start in starts:
        ahead.append(pool.submit(work, start))
        if len(ahead) >= 16:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _sha256_of(pool: ThreadPoolExecutor, model: CutModel) -> dict[str, Future[FileIdentity]]:
    return {name: pool.submit(_identity, model.source, name) for name in model.files}


def _identity(source: Files, name: str) -> FileIdentity:
    file, told = source.open(name), hashlib.sha256()
    for start in range(0, file.size, _BLOCK):
        told.update(file.view(start, min(start + _BLOCK, file.size)))
    return FileIdentity(file.size, told.hexdigest())
