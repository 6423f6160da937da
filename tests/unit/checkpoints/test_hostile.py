"""Every reader takes right files, and says what is wrong with damaged ones, in bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.mutations import mutated
from tests.unit.checkpoints.folder_makers import FOLDERS
from tests.unit.checkpoints.hostile import take
from tests.unit.checkpoints.makers import every

MAKERS = every()
# Each opening of these starts a process.
SLOW = ("keras",)
MEMORY = 24 * 1024 * 1024
PER_BYTE = 100


@pytest.mark.parametrize("label", MAKERS)
def test_right_files_are_read(label: str) -> None:
    assert take(MAKERS[label]()) == "read"


@pytest.mark.parametrize("label", FOLDERS)
def test_right_folders_are_read(label: str) -> None:
    assert take(FOLDERS[label](), is_folder=True) == "read"


@pytest.mark.parametrize("label", MAKERS)
def test_damaged_files_are_read_or_refused(label: str) -> None:
    made = MAKERS[label]()
    first = next(iter(made))

    @settings(
        max_examples=5 if label.startswith(SLOW) else 80,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated([made[first]]))
    def run(data: bytes) -> None:
        tracemalloc.start()
        try:
            take({**made, first: data})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak <= MEMORY + PER_BYTE * sum(map(len, made.values()))

    run()


@pytest.mark.parametrize("label", MAKERS)
def test_files_cut_anywhere_are_read_or_refused(label: str) -> None:
    made = MAKERS[label]()
    first, content = next(iter(made.items()))
    step = max(1, len(content) // (5 if label.startswith(SLOW) else 100))
    for end in range(0, len(content), step):
        take({**made, first: content[:end]})
