"""A disk that is really full: uploads are refused and told why, nothing is lost, and all goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openshelf.errors import DiskFull
from openshelf.services.hub import Hub
from tests.durability import scenes, state
from tests.durability.scenes import OPERATIONS, Refused

DISK_MEBIBYTES = 24
SAID = r"^(507:|500: unpack).*[Tt]he disk of this hub is full"
STAGED = ("lfs", "lfs-parts", "xet")
"""Uploads that no reader sees before a commit names them."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEBIBYTES}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Take all the room that is left, to the last byte."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                continue
    yield
    filler.unlink()


@pytest.mark.parametrize("name", ["lfs", "lfs-parts", "xet", "commit", "push", "create"])
def test_what_does_not_fit_is_refused_and_told_why(disk: Path, name: str) -> None:
    scene, operation = scenes.make(OPERATIONS[name], disk / "scene"), OPERATIONS[name]
    running = scene.open()
    before = seen(running)
    with full(disk):
        with pytest.raises(Refused, match=SAID):
            operation.work(scene)
        assert seen(running) == before
        assert scene.acknowledged() == []
    operation.work(scene)
    assert (seen(running) == before) == (name in STAGED)
    assert scene.acknowledged() != [] or name == "create"
    running.storage.close()


def test_a_hub_that_cannot_start_for_want_of_room_says_so(disk: Path) -> None:
    scene = scenes.make(OPERATIONS["lfs"], disk / "scene")
    with full(disk), pytest.raises(DiskFull, match="the catalogue cannot be used; make room first"):
        scene.open()
    hub = scene.open()
    assert seen(hub) != {}
    hub.storage.close()


def seen(hub: Hub) -> dict[str, object]:
    """What readers find, after all of it was found sound."""
    assert state.damage(hub) == []
    return state.look(hub)
