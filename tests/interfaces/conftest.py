"""A running hub with three people, for the tests of protocols that need real clients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.people import TokenRole
from openshelf.domain.repos import Repo, Visibility
from openshelf.services import accounts, repos, tokens
from openshelf.services.hub import Hub
from tests.hubs import actor, add_user
from tests.interfaces.git.working_copy import WorkingCopy
from tests.served import Served, serve

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class World:
    """The running hub; alice owns what ``repo`` makes, bob is somebody else, and alice has a reading token too."""

    served: Served
    alice: str
    alice_reads: str
    bob: str

    @property
    def hub(self) -> Hub:
        return self.served.hub

    def repo(self, *, private: bool = False, kind: RepoKind = RepoKind.MODEL) -> Repo:
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        return repos.create(self.hub, actor(self.hub, "alice"), kind, f"r{next(_NUMBERS)}", visibility=visibility)

    def remote(self, repo: Repo, token: str | None = None) -> str:
        """The address of ``repo`` for git, with alice's token if no other is given."""
        return self.served.remote(token or self.alice, repo.url_path)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("served"), max_inline_bytes=1_000_000, lfs_part_bytes=3_000_000) as served:
        _, admin = add_user(served.hub, "root-admin")
        _, alice = add_user(served.hub, "alice")
        _, bob = add_user(served.hub, "bob")
        account = accounts.find(served.hub, "alice")
        reading = tokens.create(served.hub, account, "reading", TokenRole.READ)[1]
        assert admin
        yield World(served, alice, reading, bob)


@pytest.fixture
def here(tmp_path: Path) -> WorkingCopy:
    home = tmp_path / "home"
    home.mkdir()
    return WorkingCopy(tmp_path, home)
