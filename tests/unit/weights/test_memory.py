"""The memory of a diff does not grow with the models, and block types are compared without decoding them whole."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

import openshelf
from openshelf.analysis.weights.comparing import diff
from tests.unit.weights.merge_models import random_tensor, write_model

_PROGRAM = """
import re, sys, threading, time, pathlib
import openshelf
peak = 0
def watch():
    global peak
    while True:
        found = pathlib.Path("/proc/self/status").read_text()
        own, held = (int(re.search(name + r":\\s+(\\d+)", found)[1]) for name in ("RssAnon", "VmRSS"))
        peak = max(peak, own)
        time.sleep(0.005)
openshelf.diff
threading.Thread(target=watch, daemon=True).start()
found = openshelf.diff(sys.argv[1], sys.argv[2], threads=2)
whole = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print(found.totals.changed, peak // 1024, int(whole) // 1024)
"""


def _sparse(path: Path, gigabytes: float, mark: bytes) -> None:
    """A model of bfloat16 zeros that takes no room, but for ``mark`` at the end of each tensor."""
    width, tensors = 8192, round(gigabytes * 1e9 / 2 / 8192 / 8192)
    nbytes = 2 * width * width
    entries = {
        f"layers.{n}.w": {"dtype": "BF16", "shape": [width, width], "data_offsets": [n * nbytes, (n + 1) * nbytes]}
        for n in range(tensors)
    }
    text = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        os.truncate(path, start + tensors * nbytes)
        for number in range(tensors):
            file.seek(start + (number + 1) * nbytes - len(mark))
            file.write(mark)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_four_gigabytes_take_no_more_memory_than_a_little(tmp_path: Path) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    _sparse(before, 4, b"\x80\x3f")
    _sparse(after, 4, b"\x00\x40")
    words = [sys.executable, "-c", _PROGRAM, str(before), str(after)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=200)
    changed, private, whole = map(int, re.findall(r"\d+", done.stdout))
    assert changed == 30
    assert private < 150, "megabytes of private memory"
    assert whole < 300, "megabytes with pages of mapped files"


def _peak(folders: list[Path], statistics: list[Path], method: str) -> int:
    """Bytes that NumPy and Python held at most while a merge ran on one thread."""
    tracemalloc.start()
    try:
        options: dict[str, Any] = {"method": method, "statistics": statistics, "threads": 1, "hashing": "none"}
        openshelf.merge(*folders, out=folders[0].parent / method, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sides", [2, 4])
def test_methods_with_statistics_hold_what_their_page_says(tmp_path: Path, sides: int) -> None:
    columns = 1200
    folders = [write_model(tmp_path / f"m{n}", {"w": random_tensor(n, (2000, columns))}) for n in range(sides + 1)]
    fisher = [write_model(tmp_path / f"f{n}", {"w": np.ones((2000, columns), np.float32)}) for n in range(sides)]
    tiles = _peak(folders, fisher, "fisher")
    assert tiles < 8_000_000  # one model has 9.6 MB
    grams = [write_model(tmp_path / f"g{n}", {"w": np.eye(columns) * (n + 1)}) for n in range(sides)]
    assert _peak(folders, grams, "regmean") < (32 + 4 * sides) * columns * columns + tiles


def _gguf(path: Path, values: np.ndarray) -> Path:
    writer = gguf.GGUFWriter(str(path), "llama")
    stored = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.w", stored, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_block_types_are_measured_on_what_they_stand_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openshelf.analysis.weights.comparison.JOB_BYTES", 1000)
    values = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
    moved = values.copy()
    moved[40] *= 3
    before, after = _gguf(tmp_path / "a.gguf", values), _gguf(tmp_path / "b.gguf", moved)
    assert diff(before, _gguf(tmp_path / "c.gguf", values)).tensors[0].settled_by == "bytes"
    (one,) = diff(before, after).tensors
    first, second = (gguf.quants.dequantize(gguf.quants.quantize(side, kind), kind) for kind in
                     (gguf.GGMLQuantizationType.Q8_0,) for side in (values, moved))  # fmt: skip
    assert one.values is not None
    assert one.values.changed == int((first != second).sum())
    assert one.values.l2 == pytest.approx(float(np.linalg.norm(second - first)), rel=1e-5)
