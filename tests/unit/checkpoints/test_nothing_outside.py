"""Whatever a file says, nothing but the given files is opened, and nothing is started, connected or unpickled."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.files.ranges import UnreadableFile
from tests.fuzz.inside import damage_inside
from tests.fuzz.watch import watched
from tests.unit.checkpoints.folder_makers import FOLDERS
from tests.unit.checkpoints.makers import every

MAKERS = every()
# Each opening of these starts a process.
SLOW = ("keras",)
ESCAPES = ("../secret.safetensors", "/etc/passwd", "x/../../secret.safetensors", "..\\secret.safetensors", "link", "")


def _written(folder: Path, made: Mapping[str, bytes]) -> list[str]:
    """The files in ``folder``, and every path that may be opened or listed when they are read."""
    for name, content in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [str(folder), *map(str, folder.rglob("*"))]


def _read(path: Path, given: list[str]) -> None:
    """All tensors are listed, and the values of the first few are decoded."""
    with watched(given), contextlib.suppress(UnreadableFile), open_checkpoint(path) as found:
        for tensor in found.tensors[:5]:
            if max(tensor.nbytes, tensor.elements * 8) <= 1 << 20:
                with contextlib.suppress(UnreadableFile):
                    found.array(tensor)


@pytest.mark.parametrize("label", MAKERS)
def test_damaged_files(label: str, tmp_path: Path) -> None:
    made = MAKERS[label]()
    first, content = next(iter(made.items()))
    random = Random(1)
    given = _written(tmp_path, made)
    for _ in range(2 if label.startswith(SLOW) else 15):
        (tmp_path / first).write_bytes(damage_inside(random, content, list(made.values())))
        _read(tmp_path / first, given)


@pytest.mark.parametrize("label", FOLDERS)
def test_damaged_folders(label: str, tmp_path: Path) -> None:
    made = FOLDERS[label]()
    random = Random(1)
    given = _written(tmp_path, made)
    for _ in range(5):
        for name, content in made.items():
            (tmp_path / name).write_bytes(damage_inside(random, content, list(made.values())))
            _read(tmp_path, given)
            (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize("place", ESCAPES)
def test_names_that_lead_outside(place: str, tmp_path: Path) -> None:
    """A right shard lies outside, so that whoever follows the name would read it."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    secret = tmp_path / "secret.safetensors"
    secret.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    folder = tmp_path / "model"
    given = _written(folder, {"model.safetensors.index.json": json.dumps({"weight_map": {"w": place}}).encode()})
    (folder / "link").symlink_to(secret)
    with watched(given), pytest.raises(UnreadableFile):
        open_checkpoint(folder)
