"""Applying a delta: a base and a contribution make the new model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.weights.delta import segments
from openshelf.analysis.weights.delta.container import Delta
from openshelf.analysis.weights.delta.errors import DeltaRefused, WrongBase
from openshelf.analysis.weights.delta.expectation import Expectation
from openshelf.analysis.weights.delta.pieces import BETWEEN, CutModel, Piece
from openshelf.analysis.weights.delta.plan import ResultFile, Told, segment_of
from openshelf.analysis.weights.delta.segments import REACH, BadSegment, Bytes, Method

Progress = Callable[[str, int, int], None]
_BLOCK = 1 << 20
_REPEATED, _INFLATED = 4, 1100
"""How many times over a result may have the bytes of its base, and those of the delta (deflate gives 1032 for one)."""


@dataclass(frozen=True, slots=True)
class Applied:
    folder: Path
    files: tuple[str, ...]
    nbytes: int
    is_exact: bool


def apply(base: Checkpoint, delta: Delta, out: Path, *, progress: Progress | None = None) -> Applied:
    """Write the files of the new model into the folder ``out``, which is made, whole or not at all.

    First everything is checked that is known: that nothing in the delta changed, that the base is the right one, and
    that there is room; in the end that every file came out as it should. Memory does not depend on the size of the
    model. Raises UnreadableCheckpoint, WrongBase, DeltaRefused, OSError.
    """
    told = progress or (lambda *_: None)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DeltaRefused(f"{out} is there already; give --out a folder that is not, or an empty one")
    model = CutModel.of(base)
    _check_room(model, delta, out)
    for key in delta.plan.pieces:
        delta.check_stored(key)
    found = _check_base(model, delta, told)
    with _folder_whole(out) as folder:
        applying = _Applying(model, found, delta, told)
        for name, file in delta.plan.result.items():
            applying.write(folder, name, file)
    return Applied(
        out, tuple(delta.plan.result), delta.plan.nbytes, all(t.error is None for t in delta.plan.pieces.values())
    )


def _check_room(model: CutModel, delta: Delta, out: Path) -> None:
    wanted = delta.plan.nbytes
    if wanted > _REPEATED * model.nbytes + _INFLATED * delta.size:
        raise DeltaRefused(
            f"{delta.name} says to make {wanted:,} bytes of a base of {model.nbytes:,} and of {delta.size:,} bytes of "
            "its own; no honest delta does"
        )
    free = shutil.disk_usage(out.parent).free
    if wanted > free:
        raise DeltaRefused(f"the result takes {wanted:,} bytes, and {free:,} are free in {out.parent}; make room first")


def _check_base(model: CutModel, delta: Delta, progress: Progress) -> dict[str, Piece]:
    """The pieces that are needed, by their key in the plan. Raises WrongBase, which says what differs."""
    plan = delta.plan
    other: dict[str, str] = {}
    if len(model.files) == len(plan.base.files) == 1:
        (here,), (there,) = model.files, plan.base.files
        other = {key: key[: -len(there)] + here for key in plan.needed if key.startswith(BETWEEN)}
    found: dict[str, Piece] = {}
    wrong: list[str] = []
    done, total = 0, sum(one.nbytes for one in plan.needed.values())
    for key, needed in plan.needed.items():
        piece = model.by_key.get(other.get(key, key))
        what = key.partition(":")[2]
        if piece is None:
            wrong.append(f"it has no {what}")
        elif (piece.nbytes, piece.dtype) != (needed.nbytes, needed.dtype):
            wrong.append(
                f"{what} has {piece.nbytes:,} bytes of {piece.dtype or 'text'}, not {needed.nbytes:,} of "
                f"{needed.dtype or 'text'}"
            )
        elif _hash_of(model, piece) != needed.blake3:
            wrong.append(f"{what} has other values")
        else:
            found[key] = piece
        done += needed.nbytes
        progress("checking the base", done // _BLOCK, total // _BLOCK)
    if wrong:
        files = ", ".join(f"{name} (sha256 {file.sha256})" for name, file in list(plan.base.files.items())[:3])
        raise WrongBase(
            f"{model.source.label} is not the base that {delta.name} was made for: of {len(plan.needed):,} pieces "
            f"{len(wrong):,} differ. First: {'; '.join(wrong[:3])}. The right one has the files {files}"
            f"{' and others' if len(plan.base.files) > 3 else ''}; get that revision, and apply to it"
        )
    return found


@dataclass(slots=True)
class _Applying:
    base: CutModel
    found: dict[str, Piece]
    delta: Delta
    progress: Progress
    done: int = 0

    def write(self, folder: Path, name: str, file: ResultFile) -> None:
        path = folder.joinpath(*name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = blake3()
        with path.open("xb") as out:
            for key in file.pieces:
                digest = self._write_piece(out, key, whole)
                wanted = self.delta.plan.pieces.get(key) or self.delta.plan.needed[key]
                if digest != wanted.blake3:
                    raise UnreadableCheckpoint(self.delta.name, f"{key[:200]} did not come out as it should")
                self.done += wanted.nbytes
                self.progress("writing", self.done // _BLOCK, self.delta.plan.nbytes // _BLOCK)
            out.flush()
            os.fsync(out.fileno())
        if whole.hexdigest() != file.blake3:
            raise UnreadableCheckpoint(self.delta.name, f"the file {name} did not come out as it should")

    def _write_piece(self, out: BinaryIO, key: str, whole: Any) -> str:
        digest = blake3()
        for content in self._contents(key):
            out.write(content.data)
            digest.update(content.data)
            whole.update(content.data)
        return digest.hexdigest()

    def _contents(self, key: str) -> Iterator[Bytes]:
        told = self.delta.plan.pieces.get(key)
        if told is not None:
            return self._told(key, told)
        piece = self.found[key]
        return (self.base.read(piece, start, start + _BLOCK) for start in range(0, piece.nbytes, _BLOCK))

    def _told(self, key: str, told: Told) -> Iterator[Bytes]:
        before = None if told.base is None else self.found[told.base]
        expected = Expectation(self.base, before, told.nbytes, told.dtype, told.width, told.shape)
        if told.rank:
            if not expected.can_move:
                raise UnreadableCheckpoint(self.delta.name, f"{key[:200]} cannot have a change of low rank")
            expected = Expectation(
                self.base, before, told.nbytes, told.dtype, told.width, told.shape, self.delta.factors(key)
            )
        elif told.moves:
            if before is None or expected.is_cast:
                raise UnreadableCheckpoint(self.delta.name, f"{key[:200]} cannot have rows that moved")
            expected = replace(expected, moves=told.moves)
        elif expected.is_cast and told.nbytes % told.width:
            raise UnreadableCheckpoint(self.delta.name, f"{key[:200]} is not a whole number of elements")
        stored, place, start, step = self.delta.stored(key), 0, 0, segment_of(key)
        for method, number in told.segments:
            for _ in range(number if method is Method.SAME else 1):
                size = 0 if method is Method.SAME else number
                end = min(start + step, told.nbytes)
                yield self._segment(key, method, stored[place : place + size], start, end, expected)
                place, start = place + size, end
        if place != len(stored):
            raise UnreadableCheckpoint(self.delta.name, f"for {key[:200]} it holds more than its plan says")

    def _segment(
        self, key: str, method: Method, stored: memoryview, start: int, end: int, expected: Expectation
    ) -> Bytes:
        around = expected.around(start - REACH, end + REACH) if method is Method.PATCH else b""
        known = None if method in (Method.RAW, Method.WHOLE, Method.PATCH) else expected.take(start, end)
        try:
            return segments.decode(method, bytes(stored), end - start, known, expected.width, around)
        except BadSegment as error:
            raise UnreadableCheckpoint(self.delta.name, f"bytes {start:,} to {end:,} of {key[:200]}: {error}") from None


def _hash_of(model: CutModel, piece: Piece) -> str:
    told = blake3()
    for start in range(0, piece.nbytes, _BLOCK):
        told.update(model.read(piece, start, start + _BLOCK).data)
    return told.hexdigest()


@contextmanager
def _folder_whole(out: Path) -> Iterator[Path]:
    """A folder that gets its name when the block ends well, and is gone otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}.", suffix=".part", dir=out.parent))
    try:
        yield part
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o777 & ~mask)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
