"""What repos are, and lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.people import TokenRole
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import AddInline
from openshelf.interfaces.hf.payload import EXPANDABLE
from openshelf.services import accounts, downloads, push, repos, tokens
from openshelf.services.hub import Hub
from tests import hubs
from tests.interfaces.hf.conftest import Here, error_of

CARD = b"""---
license: mit
tags: [tiny]
library_name: transformers
pipeline_tag: text-generation
base_model: alice/base
---
# A tiny model
"""


def test_the_whole_of_a_model(here: Here) -> None:
    repo = here.repo({"README.md": CARD, "config.json": b'{"model_type": "bert"}', "a/b.txt": b"x"})
    blob = here.add_blob(repo, "w.safetensors", b"weights")
    found = here.anonymous.get(f"/api/models/{repo.full_name}?blobs=true&securityStatus=true").json()
    head = here.hub.storage.repositories.open(repo.id).resolve("main").commit
    assert (found["id"], found["modelId"], found["author"], found["sha"]) == (
        repo.full_name,
        repo.full_name,
        "alice",
        head,
    )
    assert (found["private"], found["gated"], found["disabled"]) == (False, False, False)
    assert (found["downloads"], found["likes"], found["usedStorage"]) == (0, 0, blob.size)
    assert found["cardData"]["license"] == "mit"
    assert (found["library_name"], found["pipeline_tag"]) == ("transformers", "text-generation")
    assert {"license:mit", "tiny", "text-generation", "base_model:alice/base"} <= set(found["tags"])
    assert found["config"]["model_type"] == "bert"
    assert found["baseModels"] == {"relation": "finetune", "models": [{"id": "alice/base"}]}
    assert found["createdAt"].endswith("Z")
    files = {sibling["rfilename"]: sibling for sibling in found["siblings"]}
    assert set(files) == {".gitattributes", "README.md", "config.json", "a/b.txt", "w.safetensors"}
    assert files["w.safetensors"]["lfs"] == {
        "sha256": blob.sha256,
        "size": blob.size,
        "pointerSize": len(blob.pointer()),
    }
    assert files["a/b.txt"]["size"] == 1


def test_a_revision_says_what_its_own_card_says(here: Here) -> None:
    repo = here.repo({"README.md": CARD})
    before = str(repo.head)
    here.commit(repo, AddInline("README.md", b"---\nlicense: apache-2.0\n---\n"))
    old = here.anonymous.get(f"/api/models/{repo.full_name}/revision/{before}").json()
    new = here.anonymous.get(f"/api/models/{repo.full_name}/revision/main").json()
    assert (old["sha"], old["cardData"]["license"]) == (before, "mit")
    assert new["cardData"]["license"] == "apache-2.0"
    assert [sibling["rfilename"] for sibling in old["siblings"]] == [".gitattributes", "README.md"]
    response = here.anonymous.get(f"/api/models/{repo.full_name}/revision/gone")
    assert error_of(response)[:2] == (404, "RevisionNotFound")


@pytest.mark.parametrize("spelling", ["expand", "expand[]"])
def test_expand_chooses_the_fields(here: Here, spelling: str) -> None:
    repo = here.repo({"README.md": CARD})
    found = here.anonymous.get(
        f"/api/models/{repo.full_name}", params={spelling: ["sha", "downloadsAllTime", "childrenModelCount"]}
    ).json()
    assert set(found) == {"_id", "id", "modelId", "sha", "downloadsAllTime", "childrenModelCount"}


@pytest.mark.parametrize("kind", RepoKind)
def test_every_field_can_be_asked_for_and_no_other(here: Here, kind: RepoKind) -> None:
    repo = here.repo({"README.md": CARD}, kind=kind)
    for address in (f"/api/{kind.plural}/{repo.full_name}", f"/api/{kind.plural}"):
        assert here.anonymous.get(address, params={"expand": EXPANDABLE[kind]}).status_code == 200
        response = here.anonymous.get(address, params={"expand": "everything"})
        assert response.status_code == 400
        assert 'expected one of "author"|' in response.json()["error"]


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, TestClient]]:
    """A hub with five models, of which one is private, and a dataset."""
    hub = hubs.make_hub(tmp_path_factory.mktemp("shelves"))
    for name in ("admin", "alice", "bob"):
        hubs.add_user(hub, name)
    for owner, name, tags in (
        ("alice", "bert-tiny", "[en, tiny]"),
        ("alice", "bert-large", "[en]"),
        ("bob", "gpt-tiny", "[tiny, gguf]"),
        ("bob", "hidden-bert", "[en, tiny, hidden-tag]"),
        ("bob", "plain", "[]"),
    ):
        private = Visibility.PRIVATE if name.startswith("hidden") else Visibility.PUBLIC
        actor = hubs.actor(hub, owner)
        repo = repos.create(hub, actor, RepoKind.MODEL, name, visibility=private)
        _push(hub, owner, repo, f"---\nlicense: mit\ntags: {tags}\n---\n# {name}\n".encode())
    repos.create(hub, hubs.actor(hub, "alice"), RepoKind.DATASET, "bert-data")
    yield hub, hubs.client_of(hub)
    hub.storage.close()


def _push(hub: Hub, owner: str, repo: Repo, card: bytes) -> None:
    push.commit(hub, hubs.actor(hub, owner), repo, "main", [AddInline("README.md", card)], "card")


def ids(client: TestClient, query: str, kind: str = "models") -> list[str]:
    response = client.get(f"/api/{kind}?{query}")
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=createdAt", ["bob/plain", "bob/gpt-tiny", "alice/bert-large", "alice/bert-tiny"]),
        ("author=alice&sort=createdAt", ["alice/bert-large", "alice/bert-tiny"]),
        ("author=ALICE&filter=tiny", ["alice/bert-tiny"]),
        ("search=tiny&sort=createdAt", ["bob/gpt-tiny", "alice/bert-tiny"]),
        ("search=bert&search=large", ["alice/bert-large"]),
        ("filter=tiny&filter=en", ["alice/bert-tiny"]),
        ("filter=tiny,en", ["alice/bert-tiny"]),
        ("filter=license:mit&author=bob&sort=createdAt", ["bob/plain", "bob/gpt-tiny"]),
        ("apps=llama.cpp", ["bob/gpt-tiny"]),
        ("pipeline_tag=fill-mask", []),
        ("gated=true", []),
        ("gated=false&search=plain", ["bob/plain"]),
        ("inference=warm", []),
        ("author=nobody", []),
        ("limit=1&sort=createdAt", ["bob/plain"]),
        ("search=%22%2A%20OR%20%00", []),
    ],
)
def test_lists_are_restricted_and_ordered(shelves: tuple[Hub, TestClient], query: str, expected: list[str]) -> None:
    assert ids(shelves[1], query) == expected


def test_private_repos_are_listed_for_their_readers_alone(shelves: tuple[Hub, TestClient]) -> None:
    hub, anonymous = shelves
    bob = accounts.find(hub, "bob")
    own = hubs.client_of(hub, tokens.create(hub, bob, "list", TokenRole.READ)[1])
    assert "bob/hidden-bert" in ids(own, "search=bert")
    assert "bob/hidden-bert" not in ids(anonymous, "search=bert")
    tags = {
        kind: [tag["id"] for tag in found] for kind, found in anonymous.get("/api/models-tags-by-type").json().items()
    }
    assert tags == {"license": ["license:mit"], "other": ["en", "tiny", "gguf"]}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("sort=colour", 400),
        ("num_parameters=min:x", 400),
        ("linked=true", 501),
        ("apps=excel", 400),
        ("limit=0", 400),
        ("cursor=x", 400),
    ],
)
def test_a_list_that_cannot_be_made_says_why(shelves: tuple[Hub, TestClient], query: str, status: int) -> None:
    assert error_of(shelves[1].get(f"/api/models?{query}"))[0] == status


def test_pages_keep_the_question(shelves: tuple[Hub, TestClient]) -> None:
    _, client = shelves
    seen, pages = [], 0
    address: str | None = "/api/models?limit=2&filter=license:mit&sort=createdAt&expand=sha&expand=tags"
    while address:
        response = client.get(address)
        assert all(set(item) == {"_id", "id", "modelId", "sha", "tags"} for item in response.json())
        seen += [item["id"] for item in response.json()]
        pages += 1
        address = response.links.get("next", {}).get("url")
    assert (pages, seen) == (2, ["bob/plain", "bob/gpt-tiny", "alice/bert-large", "alice/bert-tiny"])


def test_full_lists_have_the_files(shelves: tuple[Hub, TestClient]) -> None:
    _, client = shelves
    first = client.get("/api/models?full=true&cardData=true&config=true&search=gpt").json()[0]
    assert [sibling["rfilename"] for sibling in first["siblings"]] == [".gitattributes", "README.md"]
    assert first["cardData"]["license"] == "mit"
    assert "siblings" not in client.get("/api/models").json()[0]
    assert ids(client, "", "datasets") == ["alice/bert-data"]
    assert ids(client, "", "spaces") == ids(client, "", "kernels") == []


def test_users_and_organisations(here: Here) -> None:
    alice = accounts.find(here.hub, "alice")
    accounts.create_organisation(here.hub, "library", alice)
    here.repo(kind=RepoKind.DATASET)
    here.repo(kind=RepoKind.DATASET, private=True)
    seen = here.bob.get("/api/users/alice/overview").json()
    own = here.alice.get("/api/users/alice/overview").json()
    assert (seen["user"], seen["type"], seen["avatarUrl"]) == ("alice", "user", "")
    assert own["numDatasets"] == seen["numDatasets"] + 1
    assert [org["name"] for org in seen["orgs"]] == ["library"]
    assert here.bob.get("/api/organizations/library/overview").json()["numUsers"] == 1
    assert [m["user"] for m in here.bob.get("/api/organizations/library/members").json()] == ["alice"]
    assert here.bob.get("/api/organizations/alice/overview").status_code == 404
    assert here.bob.get("/api/users/library/overview").status_code == 404
    assert here.bob.get("/api/organizations/library/settings/repositories").status_code == 403
    assert here.alice.get("/api/organizations/library/settings/repositories").json() == []
    assert here.anonymous.get("/api/settings/repositories").status_code == 401


def test_the_storage_of_ones_repos(here: Here) -> None:
    repo = here.repo(private=True)
    blob = here.add_blob(repo, "w.bin", b"w" * 1000)
    found = {item["id"]: item for item in here.alice.get("/api/settings/repositories").json()}
    assert found[repo.full_name]["storage"] == blob.size
    assert found[repo.full_name]["visibility"] == "private"
    assert 0 < found[repo.full_name]["storagePercent"] <= 100


def test_a_client_counts_once_however_much_it_reads(here: Here) -> None:
    repo = here.repo({"a.txt": b"a", "b.txt": b"b"})
    address = f"/{repo.full_name}/resolve/main"
    here.anonymous.head(f"{address}/a.txt")
    downloads.flush(here.hub)
    counted = {"params": {"expand": ["downloads", "downloadsAllTime"]}}
    assert here.anonymous.get(f"/api/models/{repo.full_name}", **counted).json()["downloads"] == 0  # type: ignore[arg-type]
    for _ in range(3):
        here.anonymous.get(f"{address}/a.txt", headers={"Range": "bytes=0-0"})
        here.anonymous.get(f"{address}/b.txt")
    here.bob.head(f"{address}/a.txt", headers={"X-HF-Download-Counter": "1"})
    downloads.flush(here.hub)
    found = here.anonymous.get(f"/api/models/{repo.full_name}", **counted).json()  # type: ignore[arg-type]
    assert (found["downloads"], found["downloadsAllTime"]) == (2, 2)


def test_rate_limits_are_told_and_kept(tmp_path: Path) -> None:
    hub = hubs.make_hub(tmp_path, rate_limit_anonymous=2)
    client = hubs.client_of(hub)
    first = client.get("/api/models")
    assert first.headers["ratelimit"].startswith('"api";r=1;t=')
    assert first.headers["ratelimit-policy"] == '"fixed window";"api";q=2;w=300'
    assert client.get("/api/models").status_code == 200
    refused = client.get("/api/models")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 301
    assert refused.headers["ratelimit"].startswith('"api";r=0;t=')
    hub.storage.close()
