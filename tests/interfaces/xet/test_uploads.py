"""Xorbs and shards that are not what they should be are refused, and leave nothing behind."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from anyio import CapacityLimiter

from openshelf.interfaces.xet import shards as shard_routes
from openshelf.services import chunked, xet_access, xet_upload
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import blobs, events, xorbs
from openshelf.xet.compression import Scheme
from openshelf.xet.hashes import to_hex
from openshelf.xet.shard_building import build_dedup_shard, build_upload_shard
from openshelf.xet.shards import ShardXorb
from openshelf.xet.xorb_builder import XorbBuilder
from openshelf.xet.xorbs import MAX_XORB_BODY, read_chunks, record_header
from tests.hubs import make_hub
from tests.interfaces.xet.material import (
    CAS,
    Cas,
    Packed,
    Person,
    build_xorb,
    describe,
    noise,
    pack,
    person,
    shard_of,
)
from tests.services.bytes_in_hub import store

MISSING = "Delete ~/.cache/huggingface/xet and upload again"


@pytest.fixture
def file() -> Packed:
    return pack(noise(700_000, 1))


@pytest.fixture
def cas(ada: Person) -> Cas:
    return ada.cas(ada.repo("m"))


def _is_known(hub: Hub, file: Packed) -> bool:
    with hub.storage.catalogue.read() as tx:
        return xorbs.file(tx, file.file.file_hash) is not None or blobs.get(tx, file.sha256) is not None


def test_a_xorb_is_inserted_once(hub: Hub, cas: Cas, file: Packed) -> None:
    assert cas.grant(file.xorb) == 404
    assert cas.xorb(file.xorb).json() == {"was_inserted": True}
    assert cas.grant(file.xorb) == 200
    assert cas.xorb(file.xorb).json() == {"was_inserted": False}
    assert [info.key for info in hub.storage.xorbs.list()] == [to_hex(file.xorb.xorb_hash)]
    assert not list((hub.storage.root / "temporary").iterdir())


def test_one_xorb_in_two_compressions(hub: Hub, cas: Cas, bob: Person) -> None:
    file = pack(b"weights that compress " * 20_000)
    plain = b"".join(
        record_header(Scheme.STORED, len(chunk), len(chunk)) + chunk for chunk in read_chunks(file.xorb.body)
    )
    assert len(plain) > 2 * len(file.xorb.body)
    cas.send(file)
    assert cas.xorb(file.xorb, plain).json() == {"was_inserted": False}
    other = bob.cas(bob.repo("private", private=True))
    assert other.xorb(file.xorb, plain).status_code == 200
    (info,) = hub.storage.xorbs.list()
    assert info.size == len(file.xorb.body)
    assert b"".join(chunked.read(hub, file.file.file_hash, 0, len(file.data))) == file.data


@pytest.mark.parametrize("at", [0, 4, 9, -1])
def test_a_tampered_xorb(hub: Hub, cas: Cas, file: Packed, at: int) -> None:
    body = bytearray(file.xorb.body)
    body[at] ^= 1
    answer = cas.xorb(file.xorb, bytes(body))
    assert answer.status_code == 400
    assert "was refused" in answer.json()["error"]
    assert not list(hub.storage.xorbs.list())
    assert not list((hub.storage.root / "temporary").iterdir())
    assert cas.grant(file.xorb) == 404


def test_a_xorb_under_another_name(cas: Cas, file: Packed) -> None:
    other = pack(noise(9000, 2))
    assert cas.xorb(other.xorb, file.xorb.body).status_code == 400


def test_a_xorb_that_is_too_large(cas: Cas, file: Packed) -> None:
    answer = cas.xorb(file.xorb, bytes(MAX_XORB_BODY + 1))
    assert answer.status_code == 413
    assert cas.xorb(file.xorb, b"\0").status_code == 400


def test_a_footer_is_not_kept(hub: Hub, cas: Cas, file: Packed) -> None:
    assert cas.xorb(file.xorb, file.xorb.body + b"XETBLOB" + bytes(96)).status_code == 200
    (info,) = hub.storage.xorbs.list()
    assert info.size == len(file.xorb.body)
    assert cas.shard(file.shard) == {"type": "result"}


def test_a_xorb_whose_bytes_were_lost_is_taken_again(hub: Hub, cas: Cas, file: Packed) -> None:
    cas.send(file)
    hub.storage.xorbs.delete(to_hex(file.xorb.xorb_hash))
    assert cas.grant(file.xorb) == 404
    assert cas.xorb(file.xorb).status_code == 200
    assert b"".join(chunked.read(hub, file.file.file_hash, 0, len(file.data))) == file.data


@pytest.mark.parametrize(
    "address", ["/v1/xorbs/other/HASH", "/v1/xorbs/default", "/v3/shards", "/v1/xorb-commits/default/HASH/grant/1", ""]
)
def test_unknown_addresses(cas: Cas, file: Packed, address: str) -> None:
    address = address.replace("HASH", to_hex(file.xorb.xorb_hash))
    for method in ("POST", "GET", "PUT", "HEAD"):
        assert cas.ask(method, address).status_code == 404, method


@pytest.mark.parametrize("name", ["x", "AB" * 32, "0" * 63, "0" * 65, "%00" * 64])
def test_what_is_not_a_hash(cas: Cas, name: str) -> None:
    assert cas.ask("POST", f"/v1/xorbs/default/{name}", content=b"x").status_code == 400
    assert cas.ask("GET", f"/v2/reconstructions/{name}").status_code == 400
    assert cas.ask("GET", f"/v1/chunks/default/{name}").status_code == 404


def test_a_shard_registers_its_files(hub: Hub, cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    answer = cas.ask("POST", "/v2/shards", content=file.shard)
    frames = [json.loads(line) for line in answer.text.splitlines()]
    assert frames[0]["type"] == "validating"
    assert frames[-1] == {"type": "result"}
    assert cas.ask("POST", "/v1/shards", content=file.shard).json() == {"result": 0}
    with hub.storage.catalogue.read() as tx:
        row = blobs.get(tx, file.sha256)
    assert row is not None
    assert (row.size, row.is_whole, row.xet_hash) == (len(file.data), False, file.file.file_hash)


def test_a_wrong_range_hash(hub: Hub, cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    wrong = replace(file.file, verification=(bytes(32),))
    frame = cas.shard(shard_of([wrong], [file.xorb]))
    assert (frame["type"], frame["retryable"]) == ("error", False)
    assert "verification hash" in frame["message"]
    assert cas.ask("POST", "/v1/shards", content=shard_of([wrong])).status_code == 400
    assert not _is_known(hub, file)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verification": None}, "lacks a verification hash"),
        ({"file_hash": b"\1" * 32}, "made of chunks that have the file hash"),
        ({"sha256": b"\1" * 32}, "was announced with sha256 0101"),
    ],
)
def test_wrong_claims(hub: Hub, cas: Cas, file: Packed, change: dict[str, bytes], reason: str) -> None:
    good = pack(noise(9000, 2))
    cas.xorb(file.xorb)
    cas.xorb(good.xorb)
    wrong = replace(file.file, **change)  # type: ignore[arg-type]
    frame = cas.shard(shard_of([good.file, wrong]))
    assert frame["type"] == "error"
    assert reason in frame["message"]
    assert not _is_known(hub, file)
    assert not _is_known(hub, good), "all files of a shard or none"


def test_segments_outside_their_xorb(cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    (segment,) = file.file.segments
    for wrong in (replace(segment, end_chunk=segment.end_chunk + 1), replace(segment, length=segment.length - 1)):
        assert "is wrong" in cas.shard(shard_of([replace(file.file, segments=(wrong,))]))["message"]


def test_a_list_of_chunks_that_the_xorb_does_not_have(cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    true = ShardXorb.from_index(file.xorb.xorb_hash, file.xorb.index)
    wrong = replace(true, hashes=true.hashes[32:] + true.hashes[:32])
    assert "lists chunks" in cas.shard(build_upload_shard([file.file], [wrong]))["message"]
    keyed = build_dedup_shard([true], b"k" * 32, 0, 2**40)
    assert cas.shard(keyed)["type"] == "error"


def test_trailing_bytes_and_nonsense(cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    for body in (file.shard + b"\0", b"", b"nonsense", file.shard[:-1], file.shard[:48]):
        assert cas.shard(body)["type"] == "error"


def test_a_shard_that_is_too_large(cas: Cas) -> None:
    assert "at most" in cas.shard(bytes(shard_routes.MAX_SHARD_BODY + 1))["message"]


def test_a_missing_xorb_and_a_hidden_one_are_told_alike(ada: Person, bob: Person, cas: Cas, file: Packed) -> None:
    hidden = bob.repo("private", private=True)
    shown = bob.repo("public")
    frame = cas.shard(shard_of([file.file]))
    assert MISSING in frame["message"]
    bob.cas(hidden).send(file)
    assert cas.shard(shard_of([file.file])) == frame
    assert cas.shard(file.shard) == frame
    # Nor do other faults of the same shard tell whether the xorb is there.
    assert cas.shard(shard_of([replace(file.file, verification=(bytes(32),))])) == frame
    assert cas.grant(file.xorb) == 404
    assert cas.xorb(file.xorb).json() == {"was_inserted": True}
    other = pack(noise(500_000, 3))
    bob.cas(shown).send(other)
    assert cas.grant(other.xorb) == 200
    assert cas.shard(shard_of([other.file])) == {"type": "result"}


def test_a_repo_may_be_kept_to_its_own_xorbs(tmp_path: Path, file: Packed) -> None:
    hub = make_hub(tmp_path, dedup_scope="repo")
    try:
        ada = person(hub, "ada")
        first, second = ada.cas(ada.repo("first")), ada.cas(ada.repo("second"))
        first.send(file)
        assert (first.grant(file.xorb), second.grant(file.xorb)) == (200, 404)
        assert (first.chunk(file.xorb).status_code, second.chunk(file.xorb).status_code) == (200, 404)
        assert MISSING in second.shard(shard_of([file.file]))["message"]
        second.send(file)
    finally:
        hub.storage.close()


def test_a_file_without_sha256_is_no_blob(hub: Hub, cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    for sha256 in (None, bytes(32)):
        assert cas.shard(shard_of([file.claiming(sha256)], [file.xorb])) == {"type": "result"}
    with hub.storage.catalogue.read() as tx:
        assert xorbs.file(tx, file.file.file_hash) is not None
        assert blobs.by_xet_hash(tx, file.file.file_hash) == []
    assert cas.plan(file.file).status_code == 404


def test_a_verified_pair_is_not_hashed_again(hub: Hub, ada: Person, bob: Person, file: Packed) -> None:
    mine, theirs = ada.cas(ada.repo("private", private=True)), bob.cas(bob.repo("m"))
    mine.send(file)
    theirs.xorb(file.xorb)
    hub.storage.xorbs.delete(to_hex(file.xorb.xorb_hash))
    assert mine.shard(file.shard) == {"type": "result"}
    # Whoever may not see the blob cannot tell by the time it takes that it is known.
    assert "cannot read what it has stored" in theirs.shard(file.shard)["message"]


def test_damage_at_rest_is_no_fault_of_the_client(hub: Hub, cas: Cas, file: Packed) -> None:
    cas.xorb(file.xorb)
    path = hub.storage.xorbs.local_path(to_hex(file.xorb.xorb_hash))
    assert path is not None
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    assert "damaged on disk" in cas.shard(file.shard)["message"]


def test_a_blob_that_came_whole_gets_its_xet_hash(hub: Hub, ada: Person, file: Packed) -> None:
    repo = ada.repo("m")
    blob = store(hub, repo, file.data)
    ada.cas(repo).send(file)
    with hub.storage.catalogue.read() as tx:
        row = blobs.get(tx, blob.sha256)
        waiting = [(job.job, job.key) for job in events.waiting(tx)]
    assert row is not None
    assert (row.is_whole, row.xet_hash) == (True, file.file.file_hash)
    assert ("chunk-blob", blob.sha256) in waiting


def test_a_quota(tmp_path: Path, file: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = make_hub(tmp_path, quota_bytes=1_000_000)
    try:
        ada = person(hub, "ada")
        cas = ada.cas(ada.repo("m"))
        cas.send(file)
        more = pack(noise(400_000, 2))
        assert cas.xorb(more.xorb).status_code == 200
        assert "does not fit" in cas.shard(more.shard)["message"]
        assert not _is_known(hub, more)
        cas.send(pack(noise(250_000, 4)))
        assert cas.shard(file.shard) == {"type": "result"}, "what is there already takes no more"
        monkeypatch.setattr(xet_upload, "PENDING_BYTES", 500_000)
        assert cas.xorb(pack(noise(90_000, 5)).xorb).status_code == 200
        assert cas.xorb(pack(noise(90_000, 6)).xorb).status_code == 413
    finally:
        hub.storage.close()


def test_the_size_of_one_file(tmp_path: Path, file: Packed) -> None:
    hub = make_hub(tmp_path, max_file_bytes=600_000)
    try:
        ada = person(hub, "ada")
        cas = ada.cas(ada.repo("m"))
        cas.xorb(file.xorb)
        assert "at most 600 kB" in cas.shard(file.shard)["message"]
        assert not _is_known(hub, file)
    finally:
        hub.storage.close()


def test_endless_repetition(cas: Cas) -> None:
    """Some kilobytes that claim to be a great many gigabytes would keep the hub hashing for hours."""
    xorb = build_xorb(bytes(60_000_000))
    assert cas.xorb(xorb).status_code == 200
    file = describe(b"", *[(xorb, 0, len(xorb.index))] * 1_200)
    assert sum(segment.length for segment in file.segments) == 72_000_000_000
    assert "nearly all of it repetitions" in cas.shard(shard_of([file], [xorb]))["message"]


def test_a_file_of_crumbs(cas: Cas) -> None:
    builder = XorbBuilder()
    for number in range(100):
        builder.append(bytes([number]))
    xorb = builder.finish()
    assert cas.xorb(xorb).status_code == 200
    crumbs = describe(bytes(range(100)), (xorb, 0, 100))
    assert "cut into 100 chunks" in cas.shard(shard_of([crumbs]))["message"]
    few = describe(bytes(range(10)), (xorb, 0, 10))
    assert cas.shard(shard_of([few])) == {"type": "result"}


def test_frames_keep_the_connection_alive(cas: Cas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_routes, "KEEP_ALIVE_SECONDS", 0.0)
    monkeypatch.setattr(shard_routes, "_REPORT_SECONDS", 0.005)
    files = [pack(noise(20_000_000, seed)) for seed in (1, 2)]
    for file in files:
        cas.xorb(file.xorb)
    body = shard_of([file.file for file in files], [file.xorb for file in files])
    frames = [json.loads(line) for line in cas.ask("POST", "/v2/shards", content=body).text.splitlines()]
    assert len(frames) > 5
    assert frames[-1] == {"type": "result"}
    shown = [frame for frame in frames if frame["type"] == "validating"]
    assert {frame["total"] for frame in shown} <= {0, 40_000_000}
    assert [frame["verified"] for frame in shown] == sorted(frame["verified"] for frame in shown)


def test_a_client_that_leaves_ends_the_work(hub: Hub, ada: Person) -> None:
    repo, file = ada.repo("m"), pack(noise(40_000_000, 1))
    cas = ada.cas(repo)
    cas.xorb(file.xorb)
    caller = xet_access.admit(hub, cas.token, write=True)
    staged = hub.storage.xorbs.stage()
    staged.write(file.shard)

    async def leave_early() -> None:
        frames = shard_routes._frames(hub, caller, staged, CapacityLimiter(1))
        assert json.loads(await anext(frames))["type"] == "validating"
        await frames.aclose()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(leave_early())
    assert not list((hub.storage.root / "temporary").iterdir())
    assert not _is_known(hub, file)


def test_telemetry_is_taken_and_dropped(ada: Person) -> None:
    for path in ("/v1/telemetry", f"{CAS}/v1/telemetry"):
        assert ada.http.post(path, json={"speed": 1}).status_code == 200
        assert ada.http.post(path, content=bytes(1024 * 1024 + 1)).status_code == 413


def test_metrics(cas: Cas, file: Packed) -> None:
    def values() -> dict[str, float]:
        lines = cas.http.get("/metrics").text.splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("openshelf_xet")}

    before = values()
    cas.send(file)
    cas.shard(shard_of([file.file]))
    after = {name: value - before[name] for name, value in values().items()}
    assert after["openshelf_xet_received_bytes_total"] == len(file.xorb.body)
    assert after["openshelf_xet_file_bytes_total"] == 2 * len(file.data)
    assert after["openshelf_xet_deduplicated_bytes_total"] == len(file.data)
