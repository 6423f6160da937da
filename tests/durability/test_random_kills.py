"""Real clients and a server that is killed while they upload; `make soak` does so a thousand times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability import random_kills


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_clients_finish_and_nothing_is_lost(tmp_path: Path) -> None:
    missing = random_kills.available()
    if missing:
        pytest.skip(missing)
    found = random_kills.run(tmp_path, 4, seed=4)
    assert found.faults == []
    assert found.kills.total() == 4
    assert set(found.uploads) == set(random_kills.CLIENTS)
