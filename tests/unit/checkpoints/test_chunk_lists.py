"""Ranges of files on a hub by their chunks: when they are the same, and hubs that answer otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from openshelf.analysis.checkpoints.remote.chunk_lists import ChunkLists
from openshelf.analysis.checkpoints.remote.http_client import HttpClient
from tests.unit.checkpoints.serving import Place, Site, serving

FILE, OTHER, XORB = "a" * 64, "b" * 64, "c" * 64
TOKEN = "/api/models/a/b/xet-read-token/main"


def term(first: int, stop: int, xorb: str = XORB) -> dict[str, Any]:
    return {"hash": xorb, "unpacked_length": 1, "range": {"start": first, "end": stop}}


def answer(*terms: dict[str, Any], offset: int = 3) -> Place:
    return Place(
        json.dumps({"offset_into_first_range": offset, "terms": terms, "fetch_info": {}}).encode(), ranges=False
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({}) as made:
        token = {"casUrl": made.url("/cas"), "accessToken": "t", "exp": 4_000_000_000}
        made.places[TOKEN] = Place(json.dumps(token).encode())
        yield made


@pytest.fixture
def asked(site: Site) -> Iterator[ChunkLists]:
    client = HttpClient(site.url(""), None, pause=lambda _: None)
    yield ChunkLists(client, "http://hub", site.url(TOKEN), {"f": FILE, "g": OTHER, "none": ""})
    client.close()


def put(site: Site, file: str, place: Place) -> None:
    site.places[f"/cas/v1/reconstructions/{file}"] = place


def test_the_same_chunks_divided_otherwise_are_the_same(site: Site, asked: ChunkLists) -> None:
    put(site, FILE, answer(term(0, 5), term(5, 9)))
    put(site, OTHER, answer(term(0, 9)))
    assert asked.of("f", 10, 90) is not None
    assert asked.of("f", 10, 90) == asked.of("g", 10, 90)
    assert asked.of("none", 0, 1) is None
    assert asked.of("f", 5, 5) is None


@pytest.mark.parametrize(
    "other",
    [
        answer(term(0, 9), offset=4),
        answer(term(0, 8)),
        answer(term(1, 9)),
        answer(term(0, 5), term(6, 9)),
        answer(term(0, 9, OTHER)),
        answer(term(0, 9), term(0, 1)),
    ],
)
def test_other_chunks_or_another_place_in_them_are_not_the_same(site: Site, asked: ChunkLists, other: Place) -> None:
    put(site, FILE, answer(term(0, 9)))
    put(site, OTHER, other)
    first, second = asked.of("f", 10, 90), asked.of("g", 10, 90)
    assert first is not None
    assert second is not None
    assert first != second


def test_another_length_is_not_the_same(site: Site, asked: ChunkLists) -> None:
    put(site, FILE, answer(term(0, 9)))
    assert asked.of("f", 10, 90) != asked.of("f", 10, 91)


@pytest.mark.parametrize(
    "content",
    [b"{}", b"no json", b"[" * 100_000, b'{"offset_into_first_range": 0, "terms": []}',
     b'{"offset_into_first_range": 0, "terms": [{"hash": "x", "range": {"start": 0, "end": 1}}]}',
     b'{"offset_into_first_range": 0, "terms": [7]}'],
)  # fmt: skip
def test_a_hub_that_says_something_else_is_asked_no_more(site: Site, asked: ChunkLists, content: bytes) -> None:
    put(site, FILE, Place(content, ranges=False))
    assert asked.of("f", 10, 90) is None
    put(site, FILE, answer(term(0, 9)))
    assert asked.of("f", 10, 90) is None


def test_a_hub_without_chunks_is_asked_no_more(site: Site, asked: ChunkLists) -> None:
    del site.places[TOKEN]
    assert asked.of("f", 10, 90) is None


def test_what_lets_in_goes_nowhere_else(site: Site, asked: ChunkLists) -> None:
    with serving({"/elsewhere": answer(term(0, 9))}) as other:
        put(site, FILE, Place(redirect=other.url("/elsewhere")))
        assert asked.of("f", 10, 90) is not None
        assert [token for _, _, token in site.asked] == ["", "Bearer t"]
        assert [token for _, _, token in other.asked] == [""]
