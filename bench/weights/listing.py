"""Listing tensors: a model of 100 shards by its headers, and one file beside the safetensors library."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from bench.figures import Figure, Result, Table, Verdict, contest, times
from bench.weights.models import Values, shapes_of, write, write_sparse_shards
from bench.weights.running import Options, run

OURS = """
import json, sys, time
from openshelf import open_checkpoint
times = []
for _ in range(int(sys.argv[2])):
    began, wall = time.process_time(), time.perf_counter()
    with open_checkpoint(sys.argv[1]) as checkpoint:
        found = [(tensor.name, tensor.dtype, tensor.shape) for tensor in checkpoint]
    times.append((time.process_time() - began, time.perf_counter() - wall))
print(json.dumps([*min(times), len(found)]))
"""
LIBRARY = """
import json, pathlib, sys, time
from safetensors import safe_open
path, times = pathlib.Path(sys.argv[1]), []
for _ in range(int(sys.argv[2])):
    began, wall, found = time.process_time(), time.perf_counter(), []
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    for file in files:
        with safe_open(file, "np") as opened:
            for name in opened.keys():
                part = opened.get_slice(name)
                found.append((name, part.get_dtype(), part.get_shape()))
    times.append((time.process_time() - began, time.perf_counter() - wall))
print(json.dumps([*min(times), len(found)]))
"""
_REPEATS = 5


def measure(options: Options, folder: Path) -> Result:
    """Name, type and shape of every tensor; each program reads the same files five times, and its best counts."""
    shards = folder / "shards"
    shards.mkdir()
    tensors = write_sparse_shards(shards, options.sparse_size, 100)
    size = sum(file.stat().st_size for file in shards.iterdir())
    single = folder / "single.safetensors"
    many = {f"model.layers.{number}.weight": (8,) for number in range(10_000)}
    write(single, shapes_of(4_000_000) | many, Values())
    model, shapes = folder / "model.safetensors", shapes_of(options.size)
    write(model, shapes, Values())
    cases = {
        f"{size / 1e9:.0f} GB in 100 shards, {tensors} tensors": shards,
        f"one file of {model.stat().st_size / 1e9:.1f} GB, {len(shapes)} tensors": model,
        f"one file, {len(many) + len(shapes_of(4_000_000)):,} tensors": single,
    }
    rows, result = [], Result()
    for title, path in cases.items():
        found = contest(options.rounds, {
            "openshelf.open_checkpoint": partial(_listed, OURS, path),
            "safetensors library": partial(_listed, LIBRARY, path),
        })  # fmt: skip
        ours, library = found["openshelf.open_checkpoint"], found["safetensors library"]
        for name, rounds in found.items():
            shown = [rounds.spread(lambda f: f.cpu, ".1f", 1e3), rounds.spread(lambda f: f.seconds, ".1f", 1e3)]
            cells = shown if rounds.figures else [f"failed: {rounds.failure}", ""]
            rows.append((title, name, *cells, times(library.ratio(rounds))))
        result.verdicts.append(
            Verdict(f"listing {title}, CPU", library.ratio(ours), 1.0, "times as fast as safetensors", at_least=True)
        )
        if path is shards and ours.figures:
            seconds = ours.of(lambda figure: figure.seconds)
            result.verdicts.insert(0, Verdict(f"listing {title}", seconds, 1.0, "s"))
    columns = ("model", "program", "CPU ms", "wall ms", "times as fast as the library")
    result.tables.append(
        Table("Listing tensors", columns, rows, "Shards are sparse files: only headers are on the disk.")
    )
    for file in shards.iterdir():
        os.unlink(file)
    return result


def _listed(program: str, path: Path) -> Figure:
    return run(program, path, _REPEATS).figure
