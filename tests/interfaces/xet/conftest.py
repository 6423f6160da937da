"""A hub in this process with an administrator and two people, for tests that speak the protocol themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openshelf.services.hub import Hub
from tests.hubs import add_user, make_hub
from tests.interfaces.xet.material import Person, person


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    opened = make_hub(tmp_path)
    add_user(opened, "root-admin")
    yield opened
    opened.storage.close()


@pytest.fixture
def ada(hub: Hub) -> Person:
    return person(hub, "ada")


@pytest.fixture
def bob(hub: Hub) -> Person:
    return person(hub, "bob")
