"""Xorbs, shards and addresses that were changed at random, through the front door: refused, and never a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openshelf.xet.hashes import to_hex
from tests.hubs import add_user, make_hub
from tests.interfaces.xet.material import Cas, Packed, pack, person

_SETTINGS = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# Text compresses, so that frames are mutated too.
_FILE = pack(b"weights of a model, and more weights; " * 2_000)


@dataclass(frozen=True)
class Target:
    cas: Cas
    file: Packed


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    hub = make_hub(tmp_path_factory.mktemp("mutations"), rate_limit_requests=0)
    add_user(hub, "root-admin")
    ada = person(hub, "ada")
    cas = ada.cas(ada.repo("m"))
    cas.send(_FILE)
    yield Target(cas, _FILE)
    hub.storage.close()


def mutated(original: bytes) -> st.SearchStrategy[bytes]:
    """``original`` with bytes changed, cut out, put in or repeated."""
    places = st.integers(0, len(original))
    changes = st.lists(st.tuples(places, st.integers(0, 64), st.binary(max_size=64)), min_size=1, max_size=4)

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = original
        for at, cut, put in edits:
            data = data[:at] + put + data[at + cut :]
        return data

    # Edges of fields are where faults are.
    words = st.sampled_from([b"\x00" * 4, b"\xff" * 4, b"\xff" * 8, b"\x01\x00\x00\x00"])
    aligned = st.tuples(st.integers(0, len(original) // 4), words).map(
        lambda edit: original[: edit[0] * 4] + edit[1] + original[edit[0] * 4 + len(edit[1]) :]
    )
    return st.one_of(changes.map(apply), aligned)


@_SETTINGS
@given(body=mutated(_FILE.xorb.body))
def test_xorbs(target: Target, body: bytes) -> None:
    # Compressed bytes may differ and mean the same, so a changed body may be right.
    answer = target.cas.xorb(target.file.xorb, body or b"\0")
    assert answer.status_code in ((200,) if body == target.file.xorb.body else (200, 400)), answer.text


@_SETTINGS
@given(body=mutated(_FILE.shard))
def test_shards(target: Target, body: bytes) -> None:
    answer = target.cas.ask("POST", "/v2/shards", content=body)
    assert answer.status_code == 200
    last = json.loads(answer.text.splitlines()[-1])
    assert last["type"] in ("error", "result")
    assert last.get("retryable") in (None, False)
    assert "failed" not in last.get("message", "")
    assert target.cas.ask("POST", "/v1/shards", content=body).status_code in (200, 400)


@settings(_SETTINGS, max_examples=25)
@given(name=st.text(max_size=70), wanted=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_addresses(target: Target, name: str, wanted: str) -> None:
    url = target.cas.plan(target.file.file).json()["xorbs"][to_hex(target.file.xorb.xorb_hash)][0]["url"]
    for header in (wanted, f"bytes={wanted}"):
        assert target.cas.http.get(url, headers={"range": header}).status_code < 500
        assert target.cas.plan(target.file.file, header).status_code < 500
    for path in ("/v1/xorbs/default/", "/v1/chunks/default/", "/v2/reconstructions/", "/data/", "/v1/"):
        for method in ("GET", "POST"):
            assert target.cas.ask(method, path + _quoted(name)).status_code < 500
    assert target.cas.http.get(url.split("?")[0], params={"s": name}, headers={"range": "bytes=0-1"}).status_code == 403


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "surrogatepass"))
