"""Pages of repos: found, made, shown, set up, deleted."""

from __future__ import annotations

import httpx2
import pytest

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Role
from openshelf.domain.repos import Visibility
from openshelf.services import accounts, refs, repos
from openshelf.services.hub import Hub
from tests.hubs import actor
from tests.interfaces.web.visitors import Visitor, make_repo

CARD = b"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
language: [en, tw]
base_model: alice/base
datasets: [alice/pairs, nobody/else]
tags: [calm]
---
# A classifier

See [the notes](docs/notes.md#limits), ![a plot](plots/loss.png) and [elsewhere](https://example.org/).
"""


def test_home_teaches_then_shows(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    assert "An empty shelf" in stranger.text("/")
    assert "hf upload alice/my-model ./my-model" in alice.text("/")
    assert "HF_ENDPOINT=http://testserver" in alice.text("/")
    make_repo(hub, "alice", "first")
    make_repo(hub, "alice", "veiled", visibility=Visibility.PRIVATE)
    assert 'href="/alice/first"' in stranger.text("/")
    assert "veiled" not in stranger.text("/")
    assert 'href="/alice/veiled"' in alice.text("/")


def test_a_repo_page_shows_card_facts_and_use(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "base")
    make_repo(hub, "alice", "pairs", kind=RepoKind.DATASET)
    make_repo(hub, "alice", "classifier", {"README.md": CARD})
    page = stranger.text("/alice/classifier")
    assert "A classifier" in page
    assert 'href="/alice/classifier/blob/main/docs/notes.md#limits"' in page
    assert 'src="/alice/classifier/resolve/main/plots/loss.png"' in page
    assert 'href="/models?tag=license%3Aapache-2.0"' in page
    assert 'href="/models?tag=text-classification"' in page
    assert 'href="/alice/base"' in page
    assert 'href="/datasets/alice/pairs"' in page
    assert "nobody/else" in page
    assert "/nobody/else" not in page
    assert "from_pretrained(&#34;alice/classifier&#34;)" in page
    assert "git clone http://testserver/alice/classifier" in page
    assert "/alice/classifier/settings" not in page


def test_a_repo_without_card_teaches_those_who_may_write(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "bare", kind=RepoKind.DATASET)
    assert "hf upload alice/bare ./my-folder --repo-type dataset" in alice.text("/datasets/alice/bare")
    assert "hf upload" not in stranger.text("/datasets/alice/bare")


def test_a_broken_card_says_what_is_wrong(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "broken", {"README.md": b"---\na: [1\n---\n# Still here\n"})
    page = stranger.text("/alice/broken")
    assert "could not be read" in page
    assert "README.md, line" in page
    assert "Still here" in page


@pytest.mark.parametrize("path", ["/ALICE/Model", "/models/alice/model", "/alice/old", "/%61lice/model"])
def test_other_ways_to_write_a_name_lead_to_the_one(hub: Hub, stranger: Visitor, path: str) -> None:
    make_repo(hub, "alice", "old")
    repos.move(hub, actor(hub, "alice"), RepoKind.MODEL, RepoId("alice", "old"), RepoId("alice", "model"))
    answer = stranger.get(f"{path}/tree/main?p=0")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/alice/model/tree/main?p=0"


def test_a_private_repo_looks_like_none(hub: Hub, alice: Visitor, bob: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "secret", {"README.md": b"x", "a.txt": b"x"}, visibility=Visibility.PRIVATE)
    rests = ["", "/tree/main", "/blob/main/a.txt", "/commits/main", "/settings", "/revision?rev=main", "/tree/no-such"]
    for visitor in (bob, stranger):
        for rest in rests:
            here, missing = visitor.get(f"/alice/secret{rest}"), visitor.get(f"/alice/sesame{rest}")
            assert here.status_code == missing.status_code == 404, rest
            assert main_part(here.text).replace("secret", "sesame") == main_part(missing.text), rest
            assert same_headers(here) == same_headers(missing), rest
        for list_page in ("/", "/models", "/alice", "/search?q=secret"):
            assert 'href="/alice/secret"' not in visitor.text(list_page)
    assert 'href="/alice/secret"' in alice.text("/models")


def main_part(html: str) -> str:
    return html.split("<main")[1].split("<footer")[0]


def same_headers(answer: httpx2.Response) -> dict[str, str]:
    """Headers but for those that differ between any two requests, with one name for both repos."""
    own = ("x-request-id", "content-length", "ratelimit")
    return {name: value.replace("sesame", "secret") for name, value in answer.headers.items() if name not in own}


def test_new_repos_are_made_and_nothing_typed_is_lost(hub: Hub, alice: Visitor) -> None:
    organisation = accounts.create_organisation(hub, "shelf", accounts.find(hub, "alice"))
    other = accounts.create_organisation(hub, "readers", accounts.find(hub, "bob"))
    accounts.set_member(hub, other, accounts.find(hub, "alice"), Role.READ)
    page = alice.text("/new?kind=dataset&name=pairs")
    assert 'value="dataset" checked' in page
    assert 'value="pairs"' in page
    assert f'<option value="{organisation.name}">' in page
    assert '<option value="readers">' not in page

    wrong = {"kind": "dataset", "owner": "shelf", "name": "not ok", "visibility": "private"}
    answer = alice.submit("/new", **wrong)
    assert answer.status_code == 422
    assert 'href="#field-name"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="not ok"' in answer.text
    assert 'value="dataset" checked' in answer.text
    assert 'value="private" checked' in answer.text
    assert '<option value="shelf" selected>' in answer.text

    done = alice.submit("/new", **{**wrong, "name": "pairs"})
    assert done.headers["location"] == "/datasets/shelf/pairs"
    assert repos.find(hub, actor(hub, "alice"), RepoKind.DATASET, RepoId("shelf", "pairs")).is_private
    refused = alice.submit("/new", **{**wrong, "name": "pairs"})
    assert "already" in refused.text


def test_nobody_makes_repos_for_others(hub: Hub, bob: Visitor) -> None:
    answer = bob.submit("/new", kind="model", owner="alice", name="x", visibility="public")
    assert answer.status_code == 422
    assert 'href="#field-owner"' in answer.text


def test_settings_are_for_those_who_may(hub: Hub, alice: Visitor, bob: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model")
    assert stranger.get("/alice/model/settings").status_code == 303
    assert bob.get("/alice/model/settings").status_code == 403
    forged = {"csrf": bob.token("/new"), "visibility": "private"}
    assert bob.post("/alice/model/settings/visibility", forged).status_code == 403
    assert 'value="public" checked' in alice.text("/alice/model/settings")


def test_visibility_name_and_deletion(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model")
    place = "/alice/model/settings"
    assert alice.submit(f"{place}/visibility", place, visibility="private").status_code == 303
    assert stranger.get("/alice/model").status_code == 404

    wrong = alice.submit(f"{place}/name", place, owner="alice", name="-bad")
    assert wrong.status_code == 422
    assert 'value="-bad"' in wrong.text
    moved = alice.submit(f"{place}/name", place, owner="alice", name="better")
    assert moved.headers["location"] == "/alice/better/settings?done=name"
    assert alice.get("/alice/model").headers["location"] == "/alice/better"
    assert alice.get("/alice/better/settings/name").headers["location"] == "/alice/better/settings"

    place = "/alice/better/settings"
    assert alice.submit(f"{place}/delete", place, typed="better").status_code == 422
    assert alice.get("/alice/better").status_code == 200
    assert alice.submit(f"{place}/delete", place, typed="alice/better").headers["location"] == "/alice"
    assert alice.get("/alice/better").status_code == 404


def test_lists_search_sort_filter_and_page(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "classifier", {"README.md": CARD})
    for number in range(31):
        make_repo(hub, "bob", f"tiny-{number:02d}")
    first = stranger.text("/models")
    assert "32" in first
    assert 'rel="next" href="/models?p=1"' in first
    assert 'rel="prev"' not in first
    assert "alice/<wbr>" not in first
    second = stranger.text("/models?p=1")
    assert 'href="/alice/classifier"' in second
    assert 'rel="prev" href="/models"' in second
    found = stranger.text("/models?q=classifier&sort=created")
    assert 'href="/alice/classifier"' in found
    assert "tiny" not in found
    tagged = stranger.text("/models?tag=calm&tag=license:apache-2.0")
    assert 'href="/alice/classifier"' in tagged
    assert 'href="/models?tag=calm"' in tagged
    assert "Nothing that you can see matches" in stranger.text("/models?tag=loud")
    assert stranger.get("/models?sort=colour").status_code == 404
    assert "There are no datasets yet" in stranger.text("/datasets")
    everything = stranger.text("/search?q=alice")
    assert 'href="/alice"' in everything
    assert stranger.get("/models?p=999999999999999999").status_code == 200


def test_owners_show_their_repos_and_people(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    accounts.create_organisation(hub, "shelf", accounts.find(hub, "alice"), full_name="The Shelf")
    make_repo(hub, "alice", "model")
    page = stranger.text("/alice")
    assert 'href="/alice/model"' in page
    assert 'href="/shelf"' in page
    assert "The Shelf" in stranger.text("/shelf")
    assert "/organizations/shelf/members" in alice.text("/shelf")
    assert "/organizations/shelf/members" not in stranger.text("/shelf")
    assert stranger.get("/ALICE").headers["location"] == "/alice"
    assert stranger.get("/nobody").status_code == 404


def test_branches_and_tags_are_chosen_without_script(hub: Hub, stranger: Visitor) -> None:
    repo = make_repo(hub, "alice", "model", {"data/a.txt": b"x"})
    refs.create_branch(hub, actor(hub, "alice"), repo, "try/this")
    refs.create_tag(hub, actor(hub, "alice"), repo, "v1", "main")
    page = stranger.text("/alice/model/tree/try%2Fthis/data")
    assert '<option value="try/this" selected>' in page
    assert '<optgroup label="Tags">' in page
    place = "/alice/model/revision?view=tree&path=data&rev="
    assert stranger.get(place + "v1").headers["location"] == "/alice/model/tree/v1/data"
    assert stranger.get(place + "try%2Fthis").headers["location"] == "/alice/model/tree/try%2Fthis/data"
    gone = "/alice/model/revision?view=tree&path=gone&rev=v1"
    assert stranger.get(gone).headers["location"] == "/alice/model/tree/v1"
    commits = "/alice/model/revision?view=commits&rev=v1"
    assert stranger.get(commits).headers["location"] == "/alice/model/commits/v1"
    assert stranger.get(place + "no-such").status_code == 404
