"""What watches the fuzzers' targets sees what it should: files, processes, imports of pickles, time and memory."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import time
from pathlib import Path

import pytest

from tests.fuzz import mutation_run
from tests.fuzz.mutation_run import TooLarge, TooSlow, bounded
from tests.fuzz.target import Target
from tests.fuzz.watch import OutsideReached, watched


def test_a_file_that_was_not_given(tmp_path: Path) -> None:
    with pytest.raises(OutsideReached, match="secret"), watched():
        (tmp_path / "secret").write_text("x")
    with watched([str(tmp_path / "given")]):
        (tmp_path / "given").write_text("x")


def test_links_within_what_was_given(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "given"
    secret.write_text("x")
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    with watched([str(folder)]):
        with pytest.raises(FileNotFoundError):
            (folder / "absent").read_text()
        with pytest.raises(OSError, match="symbolic"):
            os.open(folder / "link", os.O_RDONLY | os.O_NOFOLLOW)
    with pytest.raises(OutsideReached, match="link"), watched([str(folder)]):
        (folder / "link").read_text()


def test_what_is_swallowed_is_told_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(OutsideReached, match="listdir"), watched(), contextlib.suppress(AssertionError):
        list(tmp_path.iterdir())


def test_a_process() -> None:
    with pytest.raises(OutsideReached, match="Popen"), watched():
        subprocess.run(["true"], check=True)


def test_an_import_of_a_pickle() -> None:
    with pytest.raises(OutsideReached, match="find_class"), watched():
        pickle.loads(b"cbuiltins\nlen\n.")


def test_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation_run, "SECONDS_FOR_ONE", 0.02)
    with pytest.raises(TooSlow):
        bounded(Target(lambda data: time.sleep(5), list), b"")


def test_memory() -> None:
    held = []
    with pytest.raises(TooLarge):
        bounded(Target(lambda data: held.append(b"x" * (256 << 20)), list), b"")
