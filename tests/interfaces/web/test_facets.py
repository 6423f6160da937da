"""Lists narrowed by facets: links, counts, ways out, and the same answers by the API."""

from __future__ import annotations

import json
import re

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Visibility
from openshelf.services import repos
from openshelf.services.hub import Hub
from openshelf.services.read_weights import read_weights
from openshelf.storage.catalogue import facets
from tests.hubs import actor
from tests.interfaces.web.visitors import Visitor, make_repo
from tests.services.bytes_in_hub import commit, store

CARD = (
    "---\nlicense: {licence}\nlanguage: [en, yo]\npipeline_tag: {task}\nlibrary_name: {library}\n---\n"
    "# Words\n\nCalm.\n"
)


def card(licence: str = "mit", task: str = "translation", library: str = "transformers") -> dict[str, bytes]:
    return {"README.md": CARD.format(licence=licence, task=task, library=library).encode()}


@pytest.fixture
def shelf(hub: Hub) -> Hub:
    make_repo(hub, "alice", "one", {**card(), "weights.onnx": b"x"})
    make_repo(hub, "alice", "two", {**card(licence="gpl-3.0"), "saved_model.pb": b"x"})
    make_repo(hub, "bob", "three", {**card(task="fill-mask", library="keras"), "model.params": b"x", "a.gguf": b"x"})
    make_repo(hub, "bob", "secret", card(licence="odbl"), visibility=Visibility.PRIVATE)
    make_repo(hub, "bob", "data", {**card(), "rows.parquet": b"x"}, kind=RepoKind.DATASET)
    return hub


def numbers(page: str, address: str) -> list[int]:
    """How many repos the links to ``address`` say that they lead to."""
    pattern = rf'<a href="{re.escape(address)}"[^>]*>(?:(?!</a>).)*<span class="number">(\d+)<'
    return [int(number) for number in re.findall(pattern, page, re.DOTALL)]


def names(page: str) -> list[str]:
    return re.findall(r'class="row-name"><a href="/(?:datasets/)?([^"]+)"', page)


def test_values_are_counted_beside_what_is_chosen(shelf: Hub, stranger: Visitor) -> None:
    page = stranger.text("/models")
    assert numbers(page, "/models?license=mit") == [2]
    assert numbers(page, "/models?framework=tensorflow") == [1]
    assert numbers(page, "/models?framework=mxnet") == [1]
    page = stranger.text("/models?task=translation")
    assert names(page) == ["alice/two", "alice/one"]
    assert numbers(page, "/models?task=translation&amp;license=mit") == [1]
    # The other values of a facet that is chosen are counted as if it were not: they would be added.
    assert numbers(page, "/models?task=translation&amp;task=fill-mask") == [1]
    both = stranger.text("/models?task=translation&task=fill-mask&license=mit")
    assert names(both) == ["bob/three", "alice/one"]
    assert "English" in both


def test_what_is_chosen_can_be_taken_away_and_is_carried_by_the_form(shelf: Hub, stranger: Visitor) -> None:
    page = stranger.text("/models?task=translation&license=mit&q=calm")
    assert '<input type="hidden" name="task" value="translation">' in page
    assert 'href="/models?q=calm&amp;license=mit" aria-label="Without task translation"' in page
    assert "<mark>Calm</mark>" in page


def test_nothing_found_shows_ways_out(shelf: Hub, stranger: Visitor) -> None:
    page = stranger.text("/models?task=fill-mask&license=gpl-3.0")
    assert "Nothing that you can see matches." in page
    assert 'href="/models?task=fill-mask"' in page
    assert 'href="/models?license=gpl-3.0"' in page
    page = stranger.text("/search?q=calm+nosuchword")
    assert 'href="/search?q=calm">without word “nosuchword”' in page


def test_private_repos_are_never_counted_for_strangers(shelf: Hub, stranger: Visitor, bob: Visitor) -> None:
    for address in ("/models", "/models?license=odbl", "/models?all=license", "/search", "/bob", "/bob?all=license"):
        hidden = stranger.text(address)
        assert "secret" not in hidden
        assert "odbl" not in hidden.replace("license=odbl", "").replace('value="odbl"', "") or "license=odbl" in address
    assert numbers(stranger.text("/models"), "/models?owner=bob") == [1]
    assert numbers(bob.text("/models"), "/models?owner=bob") == [2]
    assert numbers(bob.text("/models"), "/models?license=odbl") == [1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("library=keras", ["bob/three"]),
        ("filter=license:mit&library=transformers", ["alice/one"]),
        ("framework=tensorflow,mxnet&sort=name", ["bob/three", "alice/two"]),
        ("filter=translation&sort=name", ["alice/one", "alice/two"]),
        ("num_parameters=min:1K", []),
    ],
)
def test_the_api_answers_the_same(shelf: Hub, stranger: Visitor, query: str, expected: list[str]) -> None:
    assert [found["id"] for found in stranger.get(f"/api/models?{query}").json()] == expected


def test_orders_and_pages(hub: Hub, stranger: Visitor) -> None:
    for number in range(35):
        make_repo(hub, "alice", f"r{number:02}", {"README.md": b"x" * number})
    first = stranger.text("/models?sort=name")
    assert names(first) == [f"alice/r{number:02}" for number in range(30)]
    assert "1 to 30 of 35" in first
    second = stranger.text("/models?sort=name&p=1")
    assert names(second) == [f"alice/r{number:02}" for number in range(30, 35)]
    assert 'rel="prev" href="/models?sort=name"' in second
    assert names(stranger.text("/models?sort=size"))[0] == "alice/r34"
    assert stranger.get("/models?p=9").status_code == 404


@pytest.mark.parametrize("query", ["sort=colour", "all=colour", "kind=colour"])
def test_what_a_list_does_not_have_is_said(stranger: Visitor, query: str) -> None:
    answer = stranger.get(f"/search?{query}")
    assert answer.status_code == 404
    assert "<h1" in answer.text


def test_parameters_come_from_the_headers_of_weights(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "weights")
    tensors = {
        "a": {"dtype": "F32", "shape": [1000, 500], "data_offsets": [0, 2_000_000]},
        "b": {"dtype": "BF16", "shape": [2, 250_000], "data_offsets": [2_000_000, 3_000_000]},
    }
    header = json.dumps(tensors)
    content = len(header).to_bytes(8, "little") + header.encode() + bytes(3_000_000)
    commit(hub, actor(hub, "alice"), repo, ("model.safetensors", store(hub, repo, content)))
    assert read_weights(hub, repo.id) == 1
    assert read_weights(hub, repo.id) == 0
    found = repos.find(hub, actor(hub, "alice"), RepoKind.MODEL, repo.repo_id)
    assert found.parameters == 1_000_000
    assert found.facts["safetensors"] == {"parameters": {"BF16": 500_000, "F32": 500_000}, "total": 1_000_000}
    assert numbers(stranger.text("/models"), "/models?parameters=under-100M") == [1]
    assert names(stranger.text("/models?parameters=under-100M")) == ["alice/weights"]
    assert [found["id"] for found in stranger.get("/api/models?num_parameters=min:1M,max:2M").json()] == [
        "alice/weights"
    ]
    with hub.storage.catalogue.read() as tx:
        assert facets.differing(tx) == 0
