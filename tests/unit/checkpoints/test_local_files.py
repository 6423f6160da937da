"""Files of this machine: what leads out or is no file is refused, what changes is told, what is open is let go of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from openshelf import open_checkpoint
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.local_files import LocalFiles

CONTENT = bytes(range(256)) * 100


def folder_with(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.bin").write_bytes(CONTENT)
    (folder / "inner" / "b.bin").write_bytes(CONTENT[:10])
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.bin").write_bytes(b"secret")
    return folder


def test_ranges_and_views_before_and_after_mapping(tmp_path: Path) -> None:
    file = LocalFiles(folder_with(tmp_path)).open("a.bin")
    ranges = [(0, 0), (0, 9), (8_000, 9_000), (20_000, 25_600), (25_600, 25_600)]
    before = [file.read(*one) for one in ranges]
    assert before == [bytes(file.view(*one)) for one in ranges] == [CONTENT[start:end] for start, end in ranges]
    assert [file.read(*one) for one in ranges] == before
    for start, end in ((-1, 5), (5, 3), (0, 25_601), (25_601, 25_601)):
        with pytest.raises(UnreadableCheckpoint, match="are asked for"):
            file.read(start, end)
        with pytest.raises(UnreadableCheckpoint, match="are asked for"):
            file.view(start, end)


def test_names_of_a_folder_and_its_links(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "near.bin").symlink_to("inner/b.bin")
    (folder / "far.bin").symlink_to(tmp_path / "outside" / "secret.bin")
    (folder / "gone.bin").symlink_to("nowhere")
    (folder / "far").symlink_to(tmp_path / "outside")
    (folder / "near").symlink_to("inner")
    files = LocalFiles(folder)
    assert files.sizes() == {"a.bin": 25_600, "inner/b.bin": 10, "near.bin": 10}
    assert files.open("near.bin").read(0, 3) == files.open("near/b.bin").read(0, 3) == CONTENT[:3]
    for name in ("far.bin", "far/secret.bin"):
        with pytest.raises(UnreadableCheckpoint, match="leads out of"):
            files.open(name)
    for name in ("gone.bin", "none.bin", "inner/none.bin", "a.bin/x", "none/x", "x" * 300):
        with pytest.raises(UnreadableCheckpoint, match=r"no such file|too long"):
            files.open(name)
    for name in ("", "/etc/passwd", "../outside/secret.bin", "inner/../a.bin", "./a.bin", "a\0b"):
        with pytest.raises(UnreadableCheckpoint, match="leads outside"):
            files.open(name)


def test_what_is_no_file_is_refused_and_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    os.mkfifo(folder / "pipe.safetensors")
    files = LocalFiles(folder)
    assert "pipe.safetensors" not in files.sizes()
    for name in ("pipe.safetensors", "inner"):
        with pytest.raises(UnreadableCheckpoint, match="no file"):
            files.open(name)
    with pytest.raises(UnreadableCheckpoint, match="no file"):
        open_checkpoint(folder / "pipe.safetensors")


def test_a_single_file_may_be_a_link_but_what_it_names_may_not_lead_out(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "given.bin").symlink_to(tmp_path / "outside" / "secret.bin")
    (folder / "beside.bin").symlink_to(tmp_path / "outside" / "secret.bin")
    files = LocalFiles(folder / "given.bin")
    assert files.open("given.bin").read(0, 6) == b"secret"
    assert files.open("a.bin").size == len(CONTENT)
    with pytest.raises(UnreadableCheckpoint, match="leads out of"):
        files.open("beside.bin")


def test_a_file_that_was_made_shorter_is_an_error_and_no_crash(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    file = LocalFiles(folder).open("a.bin")
    os.truncate(folder / "a.bin", 100)
    with pytest.raises(UnreadableCheckpoint, match="was made shorter"):
        file.read(10_000, 10_010)
    with pytest.raises(UnreadableCheckpoint, match="was made shorter"):
        file.view(0, 10)


def test_no_file_stays_open(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(save({"w": np.ones((50, 50), np.float32)}))

    def descriptors() -> set[str]:
        return {str(found.readlink()) for found in Path("/proc/self/fd").iterdir() if found.is_symlink()}

    with open_checkpoint(tmp_path / "m.safetensors") as checkpoint:
        assert str(tmp_path / "m.safetensors") in descriptors()
        assert checkpoint.array("w").sum() == 2500
    assert checkpoint.facts.parameters == 2500
    assert str(tmp_path / "m.safetensors") not in descriptors()
