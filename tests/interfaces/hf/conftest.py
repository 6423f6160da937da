"""A hub in this process with alice, bob and nobody asking it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor, TokenRole
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import AddBlob, AddInline, Blob, Change
from openshelf.services import push, repos, tokens
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs
from tests import hubs

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Here:
    """The hub and who asks; alice is an ordinary user, and has a token that only reads too."""

    hub: Hub
    alice: TestClient
    alice_reads: TestClient
    bob: TestClient
    anonymous: TestClient

    def actor(self, name: str = "alice") -> Actor:
        return hubs.actor(self.hub, name)

    def repo(
        self, files: Mapping[str, bytes] | None = None, *, private: bool = False, kind: RepoKind = RepoKind.MODEL
    ) -> Repo:
        """A new repo of alice with ``files`` in it."""
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        repo = repos.create(self.hub, self.actor(), kind, f"r{next(_NUMBERS)}", visibility=visibility)
        if files:
            self.commit(repo, *(AddInline(path, content) for path, content in files.items()))
        return repos.find(self.hub, self.actor(), kind, repo.repo_id)

    def commit(self, repo: Repo, *changes: Change, revision: str = "main", title: str = "a change") -> str:
        return push.commit(self.hub, self.actor(), repo, revision, changes, title).commit

    def blob(self, repo: Repo, content: bytes) -> Blob:
        """Bytes outside git that ``repo`` may use."""
        writer = self.hub.storage.blobs.writer()
        writer.write(content)
        blob = writer.keep()
        with self.hub.storage.catalogue.write() as tx:
            blobs.save(tx, blob, now(), is_whole=True)
            blobs.link(tx, repo.id, [blob.sha256], now())
        return blob

    def add_blob(self, repo: Repo, path: str, content: bytes) -> Blob:
        blob = self.blob(repo, content)
        self.commit(repo, AddBlob(path, blob.sha256, blob.size))
        return blob


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    hub = hubs.make_hub(tmp_path_factory.mktemp("hub"), rate_limit_requests=0, rate_limit_anonymous=0)
    hubs.add_user(hub, "root-admin")
    account, alice = hubs.add_user(hub, "alice")
    _, bob = hubs.add_user(hub, "bob")
    reading = tokens.create(hub, account, "reading", TokenRole.READ)[1]
    clients = (hubs.client_of(hub, token) for token in (alice, reading, bob, None))
    yield Here(hub, *clients)
    hub.storage.close()


def error_of(response: Any) -> tuple[int, str | None, str]:
    """Status, X-Error-Code and message of an answer; its header must hold the message too."""
    message = response.json()["error"]
    assert response.headers["x-error-message"] == " ".join(message.split())[:1000]
    return response.status_code, response.headers.get("x-error-code"), message


def ndjson(*items: tuple[str, dict[str, Any]], title: str = "a change", **header: Any) -> bytes:
    """The body of a commit: its header, then ``items`` as (key, value)."""
    lines = [("header", {"summary": title, "description": "", **header}), *items]
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in lines)
