"""What is said of bytes that were stored already: exact where it is known, nothing that a private repo tells."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import AddBlob, Blob
from openshelf.services import arrivals, push, repos
from openshelf.services.chunk_blob import chunk_blob
from openshelf.services.hub import Hub
from openshelf.services.stored import record_whole
from tests.hubs import actor, add_user, make_hub

LARGE = 400_000


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = make_hub(tmp_path)
    add_user(hub, "alice")
    add_user(hub, "bob")
    yield hub
    hub.storage.close()


def make(hub: Hub, name: str, owner: str = "alice", *, private: bool = False) -> Repo:
    visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
    return repos.create(hub, actor(hub, owner), RepoKind.MODEL, name, visibility=visibility)


def send(hub: Hub, repo: Repo, content: bytes) -> Blob:
    """As an upload by LFS ends."""
    blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
    writer = hub.storage.blobs.writer()
    writer.write(content)
    record_whole(hub, repo, writer.keep(blob))
    return blob


def known(hub: Hub, repo: Repo, blob: Blob) -> int | None:
    return arrivals.find(hub, repo, [blob.sha256])[blob.sha256].known_bytes


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_large_blob_is_known_once_it_is_cut(hub: Hub) -> None:
    repo = make(hub, "r")
    first = send(hub, repo, noise(2 * LARGE))
    assert known(hub, repo, first) is None
    chunk_blob(hub, first.sha256)
    assert known(hub, repo, first) == 0
    second = send(hub, repo, noise(2 * LARGE) + noise(LARGE, 2))
    chunk_blob(hub, second.sha256)
    found = arrivals.find(hub, repo, [second.sha256])[second.sha256]
    assert found.known_bytes is not None
    assert LARGE < found.known_bytes <= 2 * LARGE
    assert found.percent == 100 * found.known_bytes // second.size
    assert arrivals.saved(hub, repo) == arrivals.Saved(first.size + second.size, found.known_bytes)


def test_what_came_first_stays_said(hub: Hub) -> None:
    repo = make(hub, "r")
    blob = send(hub, repo, noise(LARGE))
    chunk_blob(hub, blob.sha256)
    send(hub, repo, noise(LARGE))
    chunk_blob(hub, blob.sha256)
    assert known(hub, repo, blob) == 0


def test_a_blob_of_a_public_repo_was_stored_already(hub: Hub) -> None:
    one, other = make(hub, "one"), make(hub, "other", "bob")
    small, large = send(hub, one, b"small" * 50), send(hub, one, noise(LARGE))
    assert known(hub, one, small) == 0
    push.commit(hub, actor(hub, "bob"), other, "main", [AddBlob("a", small.sha256), AddBlob("b", large.sha256)], "m")
    assert known(hub, other, small) == small.size
    assert known(hub, other, large) == large.size
    chunk_blob(hub, large.sha256)
    assert known(hub, other, large) == large.size
    assert known(hub, one, large) == 0


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_private_repo_is_not_told_of(hub: Hub, is_cut: bool) -> None:
    """What bob sees of his file is the same whether or not alice has it in private."""
    private, mine = make(hub, "private", private=True), make(hub, "mine", "bob")
    said = []
    for seed, is_there in ((5, True), (6, False)):
        content = noise(LARGE, seed)
        if is_there:
            blob = send(hub, private, content)
            if is_cut:
                chunk_blob(hub, blob.sha256)
        blob = send(hub, mine, content)
        chunk_blob(hub, blob.sha256)
        said.append(known(hub, mine, blob))
    assert said == [0, 0]


def test_what_came_before_it_was_kept_is_unknown(hub: Hub) -> None:
    repo = make(hub, "r")
    blob = send(hub, repo, b"small" * 50)
    with hub.storage.catalogue.write() as tx:
        tx.execute(sa.text("DELETE FROM arrivals"))
    send(hub, repo, b"small" * 50)
    assert known(hub, repo, blob) is None
    assert arrivals.find(hub, repo, [blob.sha256])[blob.sha256].percent is None
    assert arrivals.find(hub, make(hub, "none"), [blob.sha256]) == {}
    assert arrivals.saved(hub, repo) == arrivals.Saved(0, 0)
