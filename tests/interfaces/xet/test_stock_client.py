"""The stock client, hf_xet 1.8.0 as it comes, against a running hub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from openshelf.domain.repos import Repo
from openshelf.services import chunked
from openshelf.storage.catalogue import blobs, events, garbage, xorbs
from openshelf.xet.hashes import from_hex, to_hex
from openshelf.xet.segments import unpack_segments
from tests.interfaces.conftest import World
from tests.interfaces.xet.proxy import proxy
from tests.interfaces.xet.stock_client import StockClient

_CACHES = count(1)
LARGE = 140_000_000


@pytest.fixture
def alice(world: World, tmp_path: Path) -> StockClient:
    return StockClient(world.served.url, world.alice, tmp_path / f"cache{next(_CACHES)}")


@pytest.fixture(scope="module")
def large() -> bytes:
    """Weights that do not compress, of three xorbs."""
    return np.random.default_rng(7).bytes(LARGE)


def _fresh(client: StockClient) -> StockClient:
    """The same person on another machine."""
    return StockClient(client.url, client.token, client.cache.with_name(f"cache{next(_CACHES)}"))


def _xorb_bytes(world: World) -> int:
    return sum(info.size for info in world.hub.storage.xorbs.list())


def test_files_of_many_sizes_come_back(world: World, alice: StockClient, large: bytes) -> None:
    repo = world.repo()
    noise = np.random.default_rng(8).bytes(3_000_000)
    files = {"empty": b"", "small": b"x" * 100, "middle": noise, "text": b"weights and more " * 200_000, "large": large}
    sent = alice.upload(repo, files)
    reader = _fresh(alice)
    for name, data in files.items():
        assert reader.download(repo, sent[name], len(data)) == data, name
    for start, end in ((0, 1), (LARGE - 1, LARGE), (66_000_000, 68_000_000), (1_234_567, 1_234_568)):
        assert reader.download(repo, sent["large"], LARGE, start, end) == large[start:end]
    with world.hub.storage.catalogue.read() as tx:
        linked = blobs.linked(tx, repo.id, [sent[name].sha256 for name in files if name != "empty"])
    assert {row.size for row in linked.values()} == {len(data) for data in files.values() if data}
    middle = from_hex(sent["middle"].hash)
    assert b"".join(chunked.read(world.hub, middle, 1_000_000, 2_000_000)) == noise[1_000_000:2_000_000]


def test_a_changed_file_sends_and_stores_little(world: World, alice: StockClient, large: bytes) -> None:
    first, second = world.repo(), world.repo(private=True)
    data = bytearray(large[:100_000_000])
    alice.upload(first, {"model": bytes(data)})
    before = _xorb_bytes(world)
    data[50_000_000:51_000_000] = np.random.default_rng(9).bytes(1_000_000)
    for repo in (first, second):
        done = _fresh(alice).upload(repo, {"model": bytes(data)})
        assert done["sent"] < len(data) // 20
    assert _xorb_bytes(world) - before < len(data) // 20
    # Where the first chunk is another, the client asks next for one chunk in a thousand: here that is after 24 MB.
    done = _fresh(alice).upload(first, {"model": b"a new first line" + bytes(data) + b"a new last line"})
    assert done["sent"] < len(data) // 4


def test_the_same_file_again_sends_nothing(world: World, alice: StockClient) -> None:
    repo, data = world.repo(), np.random.default_rng(10).bytes(2_000_000)
    first = alice.upload(repo, {"model": data})
    again = _fresh(alice).upload(repo, {"model": data})
    assert again["model"].hash == first["model"].hash
    assert again["sent"] < 10_000 < first["sent"]


def test_a_hub_without_the_second_version(world: World, alice: StockClient) -> None:
    repo, data = world.repo(), np.random.default_rng(11).bytes(2_500_000)
    asked: list[str] = []

    def refuse(path: str) -> int | None:
        asked.append(path)
        return 404 if "/v2/" in path else None

    with proxy(world.served.url, refuse) as url:
        client = StockClient(url, alice.token, alice.cache)
        sent = client.upload(repo, {"model": data})
        assert client.download(repo, sent["model"], len(data)) == data
        assert client.download(repo, sent["model"], len(data), 700_000, 800_000) == data[700_000:800_000]
    assert any("/v1/shards" in path for path in asked)
    assert any("/v1/reconstructions/" in path for path in asked)


def test_an_address_that_ended_is_asked_for_anew(world: World, alice: StockClient) -> None:
    # The client asks for a new address at once and waits a second or more before it uses it, so addresses must hold
    # for longer than that. That they end is shown in test_data.py.
    repo, data = world.repo(), np.random.default_rng(12).bytes(1_000_000)
    asked: list[str] = []

    def end_the_first(path: str) -> int | None:
        asked.append(path)
        return 403 if "/data/" in path and sum("/data/" in other for other in asked) == 1 else None

    sent = alice.upload(repo, {"model": data})
    with proxy(world.served.url, end_the_first) as url:
        client = StockClient(url, alice.token, alice.cache)
        assert client.download(repo, sent["model"], len(data)) == data
    assert sum("/reconstructions/" in path for path in asked) == 2


def test_a_false_sha256_is_refused_with_its_reason(world: World, alice: StockClient) -> None:
    repo, data = world.repo(), np.random.default_rng(13).bytes(500_000)
    with pytest.raises(RuntimeError, match="was announced with sha256 1111"):
        alice.upload(repo, {"model": data}, sha256="11" * 32)
    with world.hub.storage.catalogue.read() as tx:
        assert blobs.get(tx, "11" * 32) is None


def test_what_the_hub_lost_is_told_and_a_new_generation_mends_it(world: World, alice: StockClient) -> None:
    repo, data = world.repo(), np.random.default_rng(14).bytes(600_000)
    sent = alice.upload(repo, {"model": data})
    _lose(world, repo, sent["model"].hash)
    with pytest.raises(RuntimeError, match=r"Delete ~/\.cache/huggingface/xet"):
        alice.upload(repo, {"model": data})
    with world.hub.storage.catalogue.write() as tx:
        before = int(events.get_meta(tx, events.GENERATION_KEY) or 1)
        events.set_meta(tx, events.GENERATION_KEY, str(before + 1))
    again = alice.upload(repo, {"model": data})
    assert _fresh(alice).download(repo, again["model"], len(data)) == data


def _lose(world: World, repo: Repo, file_hash: str) -> None:
    """Remove a file and its xorbs as garbage collection does, but tell no client by a new generation."""
    with world.hub.storage.catalogue.write() as tx:
        row = xorbs.file(tx, from_hex(file_hash))
        assert row is not None
        for blob in blobs.by_xet_hash(tx, row.hash):
            blobs.unlink(tx, repo.id, blob.sha256)
            blobs.delete(tx, blob.sha256)
        later = datetime.now(UTC) + timedelta(days=1)
        used = {segment.xorb_hash for segment in unpack_segments(row.segments)}
        garbage.remove_xet_files(tx, later)
        gone = {name for name, _ in garbage.remove_xorbs(tx, later)}
        assert used <= gone
        for name in gone:
            world.hub.storage.xorbs.delete(to_hex(name))
