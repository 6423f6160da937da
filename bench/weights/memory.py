"""The private memory of a merge at growing sizes of the models."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bench.figures import Result, Table, Verdict
from bench.weights.models import Values, shapes_of, write, write_hollow
from bench.weights.running import Options, run

LIMIT = 300_000_000
SIZES = (1_000_000_000, 4_000_000_000, 8_000_000_000)
METHODS = ("task-arithmetic", "ties")
_SMALL = 100_000_000
_ROOMY = Path("/var/tmp")
MERGE = """
import json, sys, time
import openshelf
folder, method = sys.argv[1:]
began, wall = time.process_time(), time.perf_counter()
openshelf.merge(f"{folder}/base", f"{folder}/a", f"{folder}/b", out=f"{folder}/out", method=method, threads=2)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall, 0]))
"""


def measure(options: Options, folder: Path) -> Result:
    """Peak private memory at 1, 4 and 8 GB, or at the size asked for where that is a small one.

    The base has values throughout, and every tensor of the result is computed and written; its descendants have one
    value in each tensor, and holes that take no room after it. Models lie on the disk where that is larger than
    ``folder``, for files in shared memory would keep others out.
    """
    rows: list[tuple[str, ...]] = []
    peaks: list[int] = []
    roomy = max((folder, _ROOMY), key=lambda each: shutil.disk_usage(each).free if each.is_dir() else 0)
    for wanted in SIZES if options.size >= _SMALL else (options.size,):
        with tempfile.TemporaryDirectory(prefix="openshelf-memory-", dir=roomy) as made:
            free = shutil.disk_usage(made).free
            if free < 2.2 * wanted:
                rows.append((f"{wanted / 1e9:.1f} GB", f"not measured: {free / 1e9:.0f} GB are free", "", "", ""))
                continue
            label, figures, cells = _measured(Path(made), wanted)
            rows.append((label, *cells))
            peaks += figures
    columns: tuple[str, ...] = (
        "model",
        *(f"{method}, {what}" for method in METHODS for what in ("private memory", "wall s")),
    )
    return Result(
        [Table("Private memory of a merge by size of model, 2 threads", columns, rows, "Inputs are hashed (BLAKE3).")],
        [Verdict("private memory of a merge", max(peaks) / 1e6 if peaks else None, LIMIT / 1e6, "MB")],
    )


def _measured(folder: Path, wanted: int) -> tuple[str, list[int], list[str]]:
    shapes = shapes_of(wanted)
    for side in ("base", "a", "b"):
        (folder / side).mkdir()
    size = write(folder / "base" / "model.safetensors", shapes, Values())
    for number, side in enumerate(("a", "b")):
        write_hollow(folder / side / "model.safetensors", shapes, bytes([number, 0x3D]))
    peaks, cells = [], []
    for method in METHODS:
        found = run(MERGE, folder, method)
        peaks.append(found.private)
        cells += [f"{found.private / 1e6:,.0f} MB", f"{found.figure.seconds:.0f}"]
        shutil.rmtree(folder / "out")
    return f"{size / 1e9:.1f} GB", peaks, cells
