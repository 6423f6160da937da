"""Reconstructions, and the addresses that they hand out: for just the bytes of files that the caller may read."""

from __future__ import annotations

import email
import email.policy
import hashlib
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from openshelf.services.hub import Hub
from openshelf.xet.hashes import EMPTY_FILE_HASH, to_hex
from openshelf.xet.xorbs import read_chunks
from tests.hubs import make_hub
from tests.interfaces.xet.material import (
    Cas,
    Packed,
    Person,
    anonymous,
    build_xorb,
    describe,
    fetch,
    noise,
    pack,
    person,
    shard_of,
)


@pytest.fixture
def file() -> Packed:
    return pack(noise(1_500_000, 1))


def _put_together(cas: Cas, plan: dict[str, Any]) -> bytes:
    """The file that a V2 plan describes, as the client puts it together."""
    raw: dict[tuple[str, int], bytes] = {}
    for name, entries in plan["xorbs"].items():
        for entry in entries:
            for part in entry["ranges"]:
                wanted = f"bytes={part['bytes']['start']}-{part['bytes']['end']}"
                answer = cas.http.get(entry["url"], headers={"range": wanted})
                assert answer.status_code == 206
                assert len(answer.content) == part["bytes"]["end"] - part["bytes"]["start"] + 1
                for number, chunk in enumerate(read_chunks(answer.content), part["chunks"]["start"]):
                    raw[name, number] = chunk
    chunks = (
        raw[term["hash"], number]
        for term in plan["terms"]
        for number in range(term["range"]["start"], term["range"]["end"])
    )
    return b"".join(chunks)[plan["offset_into_first_range"] :]


def test_the_whole_and_ranges(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    assert _put_together(cas, cas.plan(file.file).json()) == file.data
    for first, last in ((0, 0), (0, 10**9), (700_000, 700_001), (1_499_999, 1_499_999), (123_456, 1_234_567)):
        plan = cas.plan(file.file, f"bytes={first}-{last}").json()
        got = _put_together(cas, plan)[: last + 1 - first]
        assert got == file.data[first : last + 1]
    assert len(cas.plan(file.file, "bytes=0-0").content) < len(cas.plan(file.file).content)


def test_the_first_version_says_the_same(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    for wanted in (None, "bytes=500000-600000"):
        first, second = (cas.plan(file.file, wanted, version).json() for version in ("v1", "v2"))
        assert first["terms"] == second["terms"]
        assert first["offset_into_first_range"] == second["offset_into_first_range"]
        ((name, (entry,)),) = first["fetch_info"].items()
        (part,) = second["xorbs"][name][0]["ranges"]
        assert (entry["range"], entry["url_range"]) == (part["chunks"], part["bytes"])
        wanted_bytes = f"bytes={entry['url_range']['start']}-{entry['url_range']['end']}"
        assert cas.http.get(entry["url"], headers={"range": wanted_bytes}).status_code == 206


def test_ranges_beyond_the_end(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    for version in ("v1", "v2"):
        answer = cas.plan(file.file, "bytes=1500000-1500001", version)
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1500000")
    empty = replace(file.file, file_hash=EMPTY_FILE_HASH)
    assert cas.plan(empty).json() == {"offset_into_first_range": 0, "terms": [], "xorbs": {}}
    assert cas.plan(empty, "bytes=0-0").status_code == 416


def test_many_files_at_once(ada: Person, bob: Person, file: Packed) -> None:
    cas, other, hidden = ada.cas(ada.repo("m")), pack(noise(50_000, 2)), pack(noise(50_000, 3))
    cas.send(file, other)
    bob.cas(bob.repo("private", private=True)).send(hidden)
    names = [to_hex(item.file.file_hash) for item in (file, other, hidden)]
    for path in ("/v1/reconstructions", "/reconstructions"):
        answer = cas.ask("GET", path, params={"file_id": [*names, "0" * 63 + "1"]}).json()
        assert set(answer["files"]) == set(names[:2])
        assert set(answer["fetch_info"]) == {to_hex(item.xorb.xorb_hash) for item in (file, other)}
    assert cas.ask("GET", "/v1/reconstructions", params={"file_id": "x"}).status_code == 400


def test_a_private_file_is_not_there_for_others(hub: Hub, ada: Person, bob: Person, file: Packed) -> None:
    public, private = ada.repo("public"), ada.repo("private", private=True)
    ada.cas(private).send(file)
    absent = pack(noise(9000, 9))
    for other in (bob.cas(public, "read"), anonymous(hub).cas(public, "read"), bob.cas(bob.repo("own"))):
        seen, missing = other.plan(file.file), other.plan(absent.file)
        assert (seen.status_code, missing.status_code) == (404, 404)
        names = to_hex(file.file.file_hash), to_hex(absent.file.file_hash)
        assert seen.text.replace(names[0], "") == missing.text.replace(names[1], "")
    assert ada.cas(private, "read").plan(file.file).status_code == 200
    assert ada.cas(public, "read").plan(file.file).status_code == 200


def test_an_address_gives_its_ranges_only(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    (entries,) = cas.plan(file.file, "bytes=500000-600000").json()["xorbs"].values()
    url, allowed = entries[0]["url"], entries[0]["ranges"][0]["bytes"]
    start, end = allowed["start"], allowed["end"]
    body = file.xorb.body

    def get(wanted: str | None, address: str = url) -> tuple[int, bytes]:
        answer = cas.http.get(address, headers={"range": wanted} if wanted else {})
        return answer.status_code, answer.content

    assert get(f"bytes={start}-{end}") == (206, body[start : end + 1])
    assert get(f"bytes={start + 5}-{start + 9}") == (206, body[start + 5 : start + 10])
    for wanted in (f"bytes={start - 1}-{end}", f"bytes={start}-{end + 1}", "bytes=0-0", None):
        assert get(wanted)[0] == 403, wanted
    assert get(f"bytes={start}-{start + 1},{end + 1}-{end + 1}")[0] == 403
    for wanted in ("bytes=-5", f"bytes={start}-", "bytes=5-4", "items=0-1", "bytes=" + "0-1," * 500 + "0-1"):
        assert get(wanted)[0] in (400, 403), wanted
    other = pack(noise(1_500_000, 2))
    cas.send(other)
    name, foreign = to_hex(file.xorb.xorb_hash), to_hex(other.xorb.xorb_hash)
    assert get(f"bytes={start}-{end}", url.replace(name, foreign))[0] == 403
    assert get(f"bytes={start}-{end}", url[:-3] + "abc")[0] == 403
    assert get(f"bytes={start}-{end}", url.split("?")[0])[0] == 403
    absent = to_hex(bytes(range(32)))
    assert get("bytes=0-1", url.replace(name, absent)) == get("bytes=0-1", url.replace(name, foreign))


def test_an_address_ends(tmp_path: Path, file: Packed) -> None:
    hub = make_hub(tmp_path, signed_url_seconds=0)
    try:
        ada = person(hub, "ada")
        cas = ada.cas(ada.repo("m"))
        cas.send(file)
        (answer,) = fetch(cas.http, cas.plan(file.file).json())
        assert answer.status_code == 403
        assert "expired" in answer.json()["error"]
    finally:
        hub.storage.close()


def test_several_ranges_at_once(ada: Person, file: Packed) -> None:
    cas = ada.cas(ada.repo("m"))
    cas.send(file)
    (entries,) = cas.plan(file.file).json()["xorbs"].values()
    wanted = [(0, 99), (1000, 1000), (5_000, 300_000)]
    header = "bytes=" + ",".join(f"{first}-{last}" for first, last in wanted)
    answer = cas.http.get(entries[0]["url"], headers={"range": header})
    assert answer.status_code == 206
    assert int(answer.headers["content-length"]) == len(answer.content)
    raw = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.content
    message = email.message_from_bytes(raw, policy=email.policy.HTTP)
    parts = list(message.iter_parts()) if isinstance(message, EmailMessage) else []
    assert [part["content-range"] for part in parts] == [
        f"bytes {first}-{last}/{len(file.xorb.body)}" for first, last in wanted
    ]
    for first, last in wanted:
        assert b"\r\n\r\n" + file.xorb.body[first : last + 1] + b"\r\n--" in answer.content


def test_addresses_stay_short(ada: Person) -> None:
    """A file that uses every other chunk of a xorb needs many ranges, and several addresses."""
    cas = ada.cas(ada.repo("m"))
    xorb = build_xorb(*(noise(8_192, seed) for seed in range(400)))
    parts = [(xorb, number, number + 1) for number in range(0, 400, 2)]
    data = b"".join(noise(8_192, seed) for seed in range(0, 400, 2))
    file = describe(data, *parts)
    assert file.sha256 == hashlib.sha256(data).digest()
    assert cas.xorb(xorb).status_code == 200
    assert cas.shard(shard_of([file], [xorb])) == {"type": "result"}
    plan = cas.plan(file).json()
    (entries,) = plan["xorbs"].values()
    assert len(entries) == 2
    assert max(len(entry["url"]) for entry in entries) < 4096
    assert _put_together(cas, plan) == data
    ranges = ",".join(f"{part['bytes']['start']}-{part['bytes']['end']}" for part in entries[0]["ranges"])
    assert cas.http.get(entries[0]["url"], headers={"range": f"bytes={ranges}"}).status_code == 206
