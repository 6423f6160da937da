"""Answers about chunks: to those who may use the xorb, in hashes that reveal nothing."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from openshelf.services import xet_dedup
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import xorbs
from openshelf.xet.hashes import hmac_hash
from openshelf.xet.shards import parse_shard
from tests.interfaces.xet.material import Packed, Person, build_xorb, describe, noise, pack, shard_of


@pytest.fixture
def file() -> Packed:
    return pack(noise(1_500_000, 1))


def test_the_first_chunk_of_a_file_leads_to_its_xorb(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.xorb(file.xorb)
    assert cas.chunk(file.xorb).status_code == 404
    cas.send(file)
    answer = cas.chunk(file.xorb)
    assert answer.status_code == 200
    assert cas.chunk(file.xorb, prefix="default-merkledb").content[:48] == answer.content[:48]
    assert cas.chunk(file.xorb, prefix="other").status_code == 404
    assert cas.chunk(file.xorb, 1).status_code == 404, "only chunks that clients ask about are indexed"
    shard = parse_shard(answer.content)
    assert shard.hmac_key is not None
    assert shard.expires is not None
    assert time.time() + 5 * 24 * 3600 <= shard.expires + 1 <= time.time() + 10 * 24 * 3600 + 1
    (xorb,) = shard.xorbs
    index = file.xorb.index
    keyed = b"".join(hmac_hash(shard.hmac_key, index.chunk_hash(number)) for number in range(len(index)))
    assert (xorb.xorb_hash, xorb.hashes, xorb.raw_ends) == (file.xorb.xorb_hash, keyed, index.raw_ends)
    assert not any(index.chunk_hash(number) in answer.content for number in range(len(index)))


def test_neighbours_in_a_file_come_along(ada: Person) -> None:
    cas = ada.cas(ada.repo("m"))
    parts = [noise(60_000, seed) for seed in range(50)]
    built = [build_xorb(part) for part in parts]
    for xorb in built:
        assert cas.xorb(xorb).status_code == 200
    file = describe(b"".join(parts), *((xorb, 0, len(xorb.index)) for xorb in built))
    assert cas.shard(shard_of([file], built)) == {"type": "result"}
    found = [xorb.xorb_hash for xorb in parse_shard(cas.chunk(built[0]).content).xorbs]
    assert found == [xorb.xorb_hash for xorb in built[:28]]


def test_files_that_begin_alike_all_count(ada: Person) -> None:
    cas = ada.cas(ada.repo("m"))
    start = noise(140_000, 1)
    files = [pack(start + noise(60_000, seed)) for seed in range(2, 7)]
    for file in files:
        cas.send(file)
    found = [xorb.xorb_hash for xorb in parse_shard(cas.chunk(files[0].xorb).content).xorbs]
    assert found == [file.xorb.xorb_hash for file in reversed(files[-3:])]


def test_answers_are_bounded(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xet_dedup, "_MOST_CHUNKS", 3)
    cas = ada.cas(ada.repo("m"))
    parts = [noise(8_192, seed) for seed in range(6)]
    built = [build_xorb(part) for part in parts]
    for xorb in built:
        cas.xorb(xorb)
    file = describe(b"".join(parts), *((xorb, 0, 1) for xorb in built))
    assert cas.shard(shard_of([file], built)) == {"type": "result"}
    assert len(parse_shard(cas.chunk(built[0]).content).xorbs) == 3


def test_a_private_xorb_is_unknown_to_others(ada: Person, bob: Person, file: Packed) -> None:
    ada.cas(ada.repo("private", private=True)).send(file)
    other = bob.cas(bob.repo("m"))
    absent = pack(noise(9_000, 5))
    assert (other.chunk(file.xorb).status_code, other.chunk(file.xorb).text) == (404, other.chunk(absent.xorb).text)
    assert ada.cas(ada.repo("second")).chunk(file.xorb).status_code == 200


def test_a_newer_private_xorb_does_not_hide_an_older_one(ada: Person, bob: Person, file: Packed) -> None:
    ada.cas(ada.repo("public")).send(file)
    first = file.data[: file.xorb.index.raw_ends[0]]
    newer = pack(first + noise(300_000, 7))
    assert newer.xorb.index.chunk_hash(0) == file.xorb.index.chunk_hash(0)
    bob.cas(bob.repo("private", private=True)).send(newer)
    (found,) = parse_shard(ada.cas(ada.repo("other")).chunk(file.xorb).content).xorbs
    assert found.xorb_hash == file.xorb.xorb_hash


def test_a_reference_shows_nobody_the_rest_of_a_xorb(ada: Person, bob: Person, file: Packed) -> None:
    """Ada publishes a file that shares a few chunks with a private one: the others stay unknown."""
    ada.cas(ada.repo("private", private=True)).send(file)
    public = ada.repo("public")
    shared = describe(file.data[: file.xorb.index.raw_ends[2]], (file.xorb, 0, 3))
    assert ada.cas(public).shard(shard_of([shared])) == {"type": "result"}
    reader = bob.cas(public, "read")
    (entries,) = reader.plan(shared).json()["xorbs"].values()
    assert [part["chunks"] for part in entries[0]["ranges"]] == [{"start": 0, "end": 3}]
    beyond = f"bytes={file.xorb.index.body_ends[2]}-{file.xorb.index.body_ends[3] - 1}"
    assert bob.http.get(entries[0]["url"], headers={"range": beyond}).status_code == 403
    assert bob.cas(bob.repo("m")).chunk(file.xorb).status_code == 404
    assert bob.cas(bob.repo("n")).grant(file.xorb) == 404


def test_being_asked_about_keeps_a_xorb(hub: Hub, ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    for ask in (lambda: cas.chunk(file.xorb), lambda: cas.grant(file.xorb)):
        with hub.storage.catalogue.write() as tx:
            xorbs.touch(tx, [file.xorb.xorb_hash], now() - timedelta(days=20))
        ask()
        with hub.storage.catalogue.read() as tx:
            row = xorbs.get(tx, file.xorb.xorb_hash)
        assert row is not None
        assert now() - row.used_at < timedelta(minutes=1)


def test_a_fault_is_a_no(hub: Hub, ada: Person, file: Packed) -> None:
    """A 5xx would hold the client's upload for minutes."""
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    with hub.storage.catalogue.write() as tx:
        row = xorbs.get(tx, file.xorb.xorb_hash)
        assert row is not None
        xorbs.save(tx, xorbs.XorbRow(row.hash, 1, 1, b"damaged", row.created_at, row.used_at))
    assert cas.chunk(file.xorb).status_code == 404
