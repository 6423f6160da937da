"""A hub with alice, its administrator, and bob."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from openshelf.services.hub import Hub
from tests.hubs import add_user, make_hub
from tests.interfaces.web.visitors import Visitor


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hub to copy: hashing passwords is slow by design."""
    folder = tmp_path_factory.mktemp("furnished")
    hub = make_hub(folder)
    add_user(hub, "alice")
    add_user(hub, "bob")
    hub.storage.close()
    return folder


@pytest.fixture
def hub(furnished: Path, tmp_path: Path) -> Iterator[Hub]:
    shutil.copytree(furnished / "data", tmp_path / "data")
    hub = make_hub(tmp_path)
    yield hub
    hub.storage.close()


@pytest.fixture
def alice(hub: Hub) -> Visitor:
    return Visitor(hub, "alice")


@pytest.fixture
def bob(hub: Hub) -> Visitor:
    return Visitor(hub, "bob")


@pytest.fixture
def stranger(hub: Hub) -> Visitor:
    return Visitor(hub)
