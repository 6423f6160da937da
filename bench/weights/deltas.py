"""Sizes of contributions, and what making and applying them costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np

from bench.figures import Result, Table, Verdict
from bench.weights.models import Array, Values, shapes_of, write
from bench.weights.running import Options, megabytes, run

MAKE = """
import json, os, sys, time
from pathlib import Path
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.weights.delta.make import make
began, wall = time.process_time(), time.perf_counter()
with open_checkpoint(sys.argv[1]) as base, open_checkpoint(sys.argv[2]) as new:
    made = make(base, new, Path(sys.argv[3]), max_error=float(sys.argv[4]) or None)
worst = max((told.error[0] for told in made.plan.pieces.values() if told.error), default=0)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, [made.size, worst]]))
"""
APPLY = """
import json, sys, time
from pathlib import Path
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.weights.delta.apply import apply
from openshelf.analysis.weights.delta.container import read_delta
began, wall = time.process_time(), time.perf_counter()
with open_checkpoint(sys.argv[1]) as base:
    done = apply(base, read_delta(Path(sys.argv[2])), Path(sys.argv[3]))
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, done.is_exact]))
"""
CHANGE = 2e-4
RANK = 16
PRIVATE = 300_000_000


def measure(options: Options, folder: Path) -> Result:
    """One base, and a contribution of each kind to it; each is applied and compared byte for byte."""
    shapes = shapes_of(options.size)
    base = folder / "base.safetensors"
    size = write(base, shapes, Values())
    few = {name for name in shapes if "q_proj" in name and int(name.split(".")[2]) < max(1, round(len(shapes) / 100))}
    low_rank = _LowRank(shapes)
    kinds: list[tuple[str, Callable[[str, int], Array], float]] = [
        ("1 % of the tensors", lambda name, count: Values(CHANGE if name in few else 0)(name, count), 0),
        ("1 % of the elements of every tensor", _sparse, 0),
        ("every element, a small fine-tune", Values(CHANGE), 0),
        (f"every matrix, LoRA of rank {RANK} folded in", low_rank, 0),
        ("the same, within 20 % of the change", low_rank, 0.2),
    ]
    rows, sizes, private = [], dict[str, int](), 0
    for title, values, bound in kinds:
        new, delta, out = (folder / name for name in ("new.safetensors", "delta", "out"))
        write(new, shapes, values)
        made = run(MAKE, base, new, delta, bound)
        applied = run(APPLY, base, delta, out)
        (stored, worst), exact = made.answer, applied.answer
        if exact and not _equal(new, out / new.name):
            raise RuntimeError(f"{title}: what was applied is not what was contributed")
        sizes[title], private = stored, max(private, made.private, applied.private)
        rows.append(
            (
                title,
                f"{stored / 1e6:,.1f} MB",
                f"{stored / size:.1%}",
                "byte for byte" if exact else f"within {worst:.1%} of the change",
                f"{made.figure.cpu:.1f}",
                f"{applied.figure.cpu:.1f}",
                megabytes([made.private, applied.private]),
            )
        )
        for path in (new, delta, out / new.name):
            path.unlink()
        out.rmdir()
    columns = ("what changed", "delta", "of the model", "result", "make CPU-s", "apply CPU-s", "private memory")
    note = "Making takes the sha256 of both models too, by which a hub knows them."
    table = Table(
        f"Contributions to a model of {size / 1e9:.2f} GB, bfloat16, {len(shapes)} tensors", columns, rows, note
    )
    return Result(
        [table],
        [
            Verdict(
                "delta of 1 % of the tensors", sizes[kinds[0][0]] / size * 100, 1.0, "% of the model", at_least=False
            ),
            Verdict("memory of deltas", private / 1e6, PRIVATE / 1e6, "MB", at_least=False),
        ],
    )


def _sparse(name: str, count: int) -> Array:
    base = Values()(name, count)
    rng = np.random.default_rng(crc32(name.encode()))
    places = rng.integers(0, count, max(1, count // 100))
    base[places] = rng.standard_normal(len(places), np.float32) * np.float32(0.02)
    return base


class _LowRank:
    """The base moved by a product of two factors, which by itself has the standard deviation ``CHANGE``."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes

    def __call__(self, name: str, count: int) -> Array:
        base = Values()(name, count)
        shape = self.shapes[name]
        if len(shape) < 2 or "embed" in name:
            return base
        rng = np.random.default_rng(crc32(name.encode()))
        left, right = (rng.standard_normal(one, np.float32) for one in ((shape[0], RANK), (RANK, shape[1])))
        moved: Array = base + (left @ right).reshape(-1) * np.float32(CHANGE / RANK**0.5)
        return moved


def _equal(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        while content := first.read(1 << 24):
            if second.read(1 << 24) != content:
                return False
        return not second.read(1)
