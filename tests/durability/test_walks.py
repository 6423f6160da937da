"""A fault between every two durable effects: `make soak` walks them all, here some points of each kind are visited."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_SKIPPED = 77


def walk(*arguments: str) -> tuple[dict[str, Any], list[str]]:
    """The summary of a walk and what it found, from a process of its own: it forks and must be free of threads."""
    command = [sys.executable, "-m", "tests.durability.walk", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    last = json.loads(lines[-1])
    if done.returncode == _SKIPPED:
        pytest.skip(last["skipped"])
    assert isinstance(last, dict), done.stderr
    return last, [str(json.loads(line)) for line in lines[:-1]]


@pytest.mark.parametrize(
    "operation", ["lfs-parts", "xet", "commit", "push-many", "gc", "chunk-blob", "upgrade", "backup"]
)
def test_a_kill_and_a_power_cut_lose_nothing(operation: str) -> None:
    summary, found = walk(operation, "--sample", "2", "--cuts", "kill,all")
    assert found == []
    assert summary["kills"] > 0


@pytest.mark.parametrize("operation", ["lfs", "xet", "commit", "push"])
def test_a_full_disk_is_said_and_loses_nothing(operation: str) -> None:
    _, found = walk(operation, "--sample", "2", "--errno", "ENOSPC", "--kinds", "write,create,make", "--forever")
    assert found == []


@pytest.mark.parametrize("operation", ["lfs", "commit"])
def test_a_sync_that_fails_is_not_acknowledged(operation: str) -> None:
    _, found = walk(operation, "--sample", "2", "--errno", "EIO", "--kinds", "sync")
    assert found == []


def test_a_read_that_fails_gives_an_error_and_never_wrong_bytes() -> None:
    _, found = walk("download", "--sample", "3", "--errno", "EIO", "--kinds", "read")
    assert found == []


@pytest.mark.parametrize(
    ("fault", "operation", "match"),
    [
        ("no_folder_is_synced", "lfs", r"ftruncate data/catalogue"),
        ("no_object_of_git_is_synced", "commit", r"(ftruncate|pwrite64) data/catalogue.db$"),
        ("bytes_are_not_synced", "lfs", r"ftruncate data/catalogue"),
        ("locks_of_git_stay", "commit", r"main.lock"),
        ("bytes_go_before_their_rows", "gc", r"fdatasync data/catalogue.db-wal"),
        ("whole_forms_go_before_chunks_are_recorded", "chunk-blob", r"fdatasync data/catalogue.db-wal"),
    ],
)
def test_the_walk_finds_faults_that_are_put_in(fault: str, operation: str, match: str) -> None:
    _, found = walk(operation, "--plant", fault, "--match", match, "--cuts", "kill,all,bytes")
    assert found != []
