"""What tests of every kind may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openshelf.services.hub import Hub
from tests.hubs import make_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """An empty hub in this process; folders that need another define their own."""
    made = make_hub(tmp_path)
    yield made
    made.storage.close()
