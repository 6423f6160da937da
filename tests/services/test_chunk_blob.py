"""Blobs that came whole are kept as chunks afterwards, share what they can, and are never lost on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import Blob
from openshelf.errors import StorageFault
from openshelf.services import chunk_blob as module
from openshelf.services import chunk_runs, chunked, fetch, repos
from openshelf.services.chunk_blob import chunk_blob
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs, garbage, xorbs
from openshelf.storage.catalogue.blobs import BlobRow
from openshelf.xet.chunking import iter_chunks
from openshelf.xet.hashes import chunk_hash, file_hash
from openshelf.xet.segments import unpack_segments
from tests.hubs import actor, make_hub
from tests.services.bytes_in_hub import start, store


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    opened = make_hub(tmp_path)
    yield opened
    opened.storage.close()


@pytest.fixture
def repo(hub: Hub) -> Repo:
    return start(hub)[1]


def _noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def _row(hub: Hub, blob: Blob) -> BlobRow:
    with hub.storage.catalogue.read() as tx:
        row = blobs.get(tx, blob.sha256)
    assert row is not None
    return row


def _read(hub: Hub, blob: Blob) -> bytes:
    row = _row(hub, blob)
    return b"".join(fetch.stored_content(hub, row).read(0, row.size))


def _stored(hub: Hub) -> tuple[int, int]:
    """Bytes in xorbs and in whole blobs."""
    return sum(x.size for x in hub.storage.xorbs.list()), sum(x.size for x in hub.storage.blobs.objects.list())


def _segments(hub: Hub, blob: Blob) -> int:
    with hub.storage.catalogue.read() as tx:
        file = xorbs.file(tx, _row(hub, blob).xet_hash or b"")
    assert file is not None
    return len(unpack_segments(file.segments))


def test_a_blob_becomes_chunks(hub: Hub, repo: Repo) -> None:
    data = _noise(3_000_000) + b"some text that compresses " * 20_000
    blob = store(hub, repo, data)
    chunk_blob(hub, blob.sha256)
    row = _row(hub, blob)
    nodes = [(chunk_hash(chunk), len(chunk)) for chunk in iter_chunks([data])]
    assert (row.is_whole, row.xet_hash) == (False, file_hash(nodes)), "the hash that clients give it"
    assert _read(hub, blob) == data
    assert _stored(hub)[1] == 0
    assert _stored(hub)[0] < len(data)
    chunk_blob(hub, blob.sha256)
    assert _read(hub, blob) == data


def test_what_changed_little_adds_little(hub: Hub, repo: Repo) -> None:
    data = _noise(8_000_000)
    first = store(hub, repo, data)
    chunk_blob(hub, first.sha256)
    before = _stored(hub)[0]
    second = store(hub, repo, data[:5_000_000] + b"an insertion" + data[5_000_000:])
    chunk_blob(hub, second.sha256)
    assert _stored(hub)[0] - before < 400_000
    assert _segments(hub, second) == 3
    assert _read(hub, second) == data[:5_000_000] + b"an insertion" + data[5_000_000:]
    assert _read(hub, first) == data


def test_short_runs_are_stored_again(hub: Hub, repo: Repo) -> None:
    data = _noise(3_000_000)
    chunks = list(iter_chunks([data]))
    store_first = store(hub, repo, data)
    chunk_blob(hub, store_first.sha256)
    mixed = b"".join(chunks[:4]) + _noise(2_000_000, 2) + b"".join(chunks[4:9])
    blob = store(hub, repo, mixed)
    chunk_blob(hub, blob.sha256)
    assert _read(hub, blob) == mixed
    assert _segments(hub, blob) == 1
    small = store(hub, repo, b"".join(chunks[:4]))
    before = _stored(hub)[0]
    chunk_blob(hub, small.sha256)
    assert _stored(hub)[0] == before, "a short file that is known as a whole needs nothing new"


def test_many_windows_and_xorbs(hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_CHUNKS", 7)
    monkeypatch.setattr("openshelf.xet.xorb_builder.MAX_XORB_RAW_LENGTH", 500_000)
    data = _noise(2_000_000) + bytes(1_000_000) + _noise(500_000) + b"end"
    blob = store(hub, repo, data)
    chunk_blob(hub, blob.sha256)
    assert _read(hub, blob) == data
    assert len(list(hub.storage.xorbs.list())) > 3


def test_private_xorbs_are_not_referred_to(hub: Hub, repo: Repo) -> None:
    ada = actor(hub, "ada")
    private = repos.create(hub, ada, RepoKind.MODEL, "private", visibility=Visibility.PRIVATE)
    data = _noise(2_000_000)
    hidden = store(hub, private, data)
    chunk_blob(hub, hidden.sha256)
    before = _stored(hub)[0]
    shown = store(hub, repo, data + b"more")
    chunk_blob(hub, shown.sha256)
    assert _stored(hub)[0] - before > 1_900_000, "as much as if the private one were not there"
    both = store(hub, private, data + b"yet more")
    with hub.storage.catalogue.write() as tx:
        blobs.link(tx, repo.id, [both.sha256], now())
    middle = _stored(hub)[0]
    chunk_blob(hub, both.sha256)
    assert _stored(hub)[0] - middle < 200_000, "the public one serves both"


def test_a_blob_of_two_repos_refers_to_what_both_may_use(hub: Hub, repo: Repo) -> None:
    private = repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, "private", visibility=Visibility.PRIVATE)
    data = _noise(2_000_000)
    chunk_blob(hub, store(hub, private, data).sha256)
    both = store(hub, private, data + b"more")
    with hub.storage.catalogue.write() as tx:
        blobs.link(tx, repo.id, [both.sha256], now())
    before = _stored(hub)[0]
    chunk_blob(hub, both.sha256)
    assert _stored(hub)[0] - before > 1_900_000


def test_nothing_to_do(hub: Hub, repo: Repo) -> None:
    chunk_blob(hub, "0" * 64)
    empty = store(hub, repo, b"")
    chunk_blob(hub, empty.sha256)
    unused = store(hub, repo, b"x" * 100_000)
    with hub.storage.catalogue.write() as tx:
        blobs.unlink(tx, repo.id, unused.sha256)
    chunk_blob(hub, unused.sha256)
    assert (_row(hub, empty).is_whole, _row(hub, unused).is_whole) == (True, True)


def test_a_damaged_blob_keeps_both_forms(hub: Hub, repo: Repo) -> None:
    blob = store(hub, repo, _noise(1_000_000))
    path = hub.storage.blobs.local_path(blob.sha256)
    assert path is not None
    damaged = bytearray(path.read_bytes())
    damaged[500_000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(StorageFault, match="damaged"):
        chunk_blob(hub, blob.sha256)
    row = _row(hub, blob)
    assert (row.is_whole, row.xet_hash, path.exists()) == (True, None, True)


def test_a_xet_form_that_is_known_is_read_before_the_whole_one_goes(hub: Hub, repo: Repo) -> None:
    data = _noise(1_000_000)
    blob = store(hub, repo, data)
    chunk_blob(hub, blob.sha256)
    assert store(hub, repo, data) == blob
    (info,) = hub.storage.xorbs.list()
    path = hub.storage.xorbs.local_path(info.key)
    assert path is not None
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(StorageFault):
        chunk_blob(hub, blob.sha256)
    assert _row(hub, blob).is_whole
    path.write_bytes(good)
    chunk_blob(hub, blob.sha256)
    assert not _row(hub, blob).is_whole
    assert _read(hub, blob) == data


def test_a_reader_that_looked_before_reads_on(hub: Hub, repo: Repo) -> None:
    data = _noise(2_500_000)
    blob = store(hub, repo, data)
    content = fetch.stored_content(hub, _row(hub, blob))
    begun = content.read(0, len(data))
    head = next(begun)
    chunk_blob(hub, blob.sha256)
    assert head + b"".join(begun) == data
    assert b"".join(content.read(1_000_000, 1_100_000)) == data[1_000_000:1_100_000]


def test_an_interrupted_run_is_taken_up(hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _noise(1_000_000)
    blob = store(hub, repo, data)
    with monkeypatch.context() as broken:
        broken.setattr(module, "_verify", _crash)
        with pytest.raises(KeyboardInterrupt):
            chunk_blob(hub, blob.sha256)
    assert _row(hub, blob).is_whole
    before = _stored(hub)[0]
    chunk_blob(hub, blob.sha256)
    assert (_stored(hub), _read(hub, blob)) == ((before, 0), data)


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_garbage_collection_leaves_it_be(hub: Hub, repo: Repo) -> None:
    blob = store(hub, repo, _noise(1_000_000))
    chunk_blob(hub, blob.sha256)
    with hub.storage.catalogue.write() as tx:
        later = now() + timedelta(days=1)
        assert garbage.remove_xet_files(tx, later) == 0
        assert garbage.remove_xorbs(tx, later) == []


def test_the_scope_of_deduplication_holds_here_too(hub: Hub, repo: Repo) -> None:
    narrow = replace(hub, settings=replace(hub.settings, dedup_scope="repo"))
    other = repos.create(hub, actor(hub, "ada"), RepoKind.MODEL, "other")
    data = _noise(2_000_000)
    chunk_blob(narrow, store(hub, repo, data).sha256)
    chunk_blob(narrow, store(hub, other, data + b"!").sha256)
    assert _stored(hub)[0] > 3_900_000


def test_chunked_reading_refuses_what_is_not_there(hub: Hub, repo: Repo) -> None:
    data = _noise(1_000_000)
    blob = store(hub, repo, data)
    chunk_blob(hub, blob.sha256)
    xet_hash = _row(hub, blob).xet_hash
    assert xet_hash is not None
    assert b"".join(chunked.read(hub, xet_hash, 0, 0)) == b""
    assert b"".join(chunked.read(hub, xet_hash, 999_999, 1_000_000)) == data[-1:]
    for start_, end in ((0, 1_000_001), (5, 4), (-1, 3)):
        with pytest.raises(StorageFault):
            chunked.read(hub, xet_hash, start_, end)
    with pytest.raises(StorageFault):
        chunked.read(hub, bytes(range(32)), 0, 1)
    assert hashlib.sha256(b"".join(chunked.read(hub, xet_hash, 0, len(data)))).hexdigest() == blob.sha256
    assert chunk_runs.MIN_RUN == 8


def test_damage_is_never_served(hub: Hub, repo: Repo) -> None:
    blob = store(hub, repo, _noise(1_000_000))
    chunk_blob(hub, blob.sha256)
    (info,) = hub.storage.xorbs.list()
    path = hub.storage.xorbs.local_path(info.key)
    assert path is not None
    damaged = bytearray(path.read_bytes())
    damaged[600_000] ^= 1
    path.write_bytes(damaged)
    xet_hash = _row(hub, blob).xet_hash or b""
    assert b"".join(chunked.read(hub, xet_hash, 0, 300_000))
    with pytest.raises(StorageFault, match="damaged"):
        b"".join(chunked.read(hub, xet_hash, 0, 1_000_000))
    path.unlink()
    with pytest.raises(StorageFault, match="missing"):
        b"".join(chunked.read(hub, xet_hash, 0, 1))
