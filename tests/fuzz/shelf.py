"""A hub with something in it for requests to find."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

import httpx

from openshelf.domain.names import RepoKind
from openshelf.domain.tree import AddBlob, AddInline, Change
from openshelf.services import accounts, push, refs, repos
from tests.fuzz.api import Known
from tests.hubs import actor, add_user
from tests.served import Served

# Small limits, so that requests reach them.
SETTINGS: dict[str, Any] = {"max_inline_bytes": 100_000, "max_commit_bytes": 1_000_000, "lfs_part_bytes": 5_000_000}
WEIGHTS = struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}      ' + bytes(8)


@dataclass(frozen=True)
class Shelf:
    """A served hub, a writing token of alice's, and what exists."""

    served: Served
    token: str
    sha256: str
    known: Known


def furnish(served: Served) -> Shelf:
    """Make two users, an organisation, and a repo of each kind that has a history, refs, a pull and a large file."""
    hub = served.hub
    add_user(hub, "root-admin")
    alice, token = add_user(hub, "alice")
    accounts.create_organisation(hub, "lab", alice)
    sha256 = upload(served, token, WEIGHTS)
    for kind in RepoKind:
        repo = repos.create(hub, actor(hub, "alice"), kind, "shelf")
        changes: list[Change] = [
            AddInline("README.md", b"---\nlicense: mit\n---\n# A card\n"),
            AddInline("folder/data.csv", b"a,b\n1,2\n"),
            AddBlob("model.safetensors", sha256, len(WEIGHTS)),
        ]
        push.commit(hub, actor(hub, "alice"), repo, "main", changes, "files")
        refs.create_branch(hub, actor(hub, "alice"), repo, "work")
        refs.create_tag(hub, actor(hub, "alice"), repo, "v1", "main")
        push.open_pull(hub, actor(hub, "alice"), repo, "a proposal")
    return Shelf(served, token, sha256, _known(served, token, sha256))


def upload(served: Served, token: str, content: bytes) -> str:
    """Send ``content`` by LFS to a repo called first, made here; returns its sha256."""
    repos.create(served.hub, actor(served.hub, "alice"), RepoKind.MODEL, "first")
    sha256 = hashlib.sha256(content).hexdigest()
    asked = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": len(content)}]}
    with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
        answer = client.post("/alice/first/info/lfs/objects/batch", json=asked, timeout=60).json()
        href = answer["objects"][0]["actions"]["upload"]["href"]
        assert client.put(href, content=content, timeout=60).status_code == 200
        header, change = {"summary": "x"}, {"path": "w", "oid": sha256, "size": len(content)}
        lines = ({"key": "header", "value": header}, {"key": "lfsFile", "value": change})
        body = "\n".join(json.dumps(line) for line in lines)
        assert client.post("/api/models/alice/first/commit/main", content=body, timeout=60).status_code == 200
    return sha256


def _known(served: Served, token: str, sha256: str) -> Known:
    address = f"{served.url}/alice/shelf/info/lfs/objects/batch"
    asked = {"operation": "download", "objects": [{"oid": sha256, "size": len(WEIGHTS)}]}
    headers = {"authorization": f"Bearer {token}"}
    answer: Any = httpx.post(address, json=asked, headers=headers, timeout=60, trust_env=False).json()
    ticket = answer["objects"][0]["actions"]["download"]["href"].partition("ticket=")[2]
    return Known(
        {
            "kind": [kind.plural for kind in RepoKind],
            "owner": ["alice", "alice", "lab"],
            "name": ["shelf", "shelf", "first", "SHELF"],
            "rev": ["main", "main", "work", "v1", "refs/pr/1", "HEAD"],
            "branch": ["main", "work", "other"],
            "tag": ["v1"],
            "path": ["README.md", "folder", "folder/data.csv", "model.safetensors"],
            "num": [1],
            "number": [1, 2],
            "generation": [1],
            "prefix": ["default"],
            "sha256": [sha256],
            "oid": [sha256],
            "ticket": [ticket],
            "user": ["alice"],
            "organisation": ["lab"],
            "fromRepo": ["alice/first", "alice/shelf"],
            "toRepo": ["alice/moved", "lab/moved"],
            "type": ["model", "dataset"],
            "startingPoint": ["main", "v1"],
        }
    )
