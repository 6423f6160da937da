"""Files as a client would send them, and the requests that send them, without the stock client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from starlette.testclient import TestClient

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.services import repos
from openshelf.services.hub import Hub
from openshelf.xet.chunking import iter_chunks
from openshelf.xet.hashes import file_hash, to_hex
from openshelf.xet.segments import FileSegment
from openshelf.xet.shard_building import build_upload_shard
from openshelf.xet.shards import ShardFile, ShardXorb
from openshelf.xet.xorb_builder import BuiltXorb, XorbBuilder
from tests.hubs import actor, add_user, client_of

CAS = "/xet/g1"

Answer: TypeAlias = Any
"""A response; the test client takes its class from whichever HTTP library is there."""


def noise(size: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def build_xorb(*contents: bytes) -> BuiltXorb:
    builder = XorbBuilder()
    for content in contents:
        for chunk in iter_chunks([content]):
            builder.append(chunk)
    return builder.finish()


def describe(data: bytes, *parts: tuple[BuiltXorb, int, int]) -> ShardFile:
    """``data`` as made of the chunks [start, end) of xorbs, with everything that a shard says of it."""
    segments = [FileSegment(x.xorb_hash, start, end, x.index.raw_length_of(start, end)) for x, start, end in parts]
    nodes = [node for x, start, end in parts for node in x.index.nodes(start, end)]
    proofs = tuple(x.index.range_hash(start, end) for x, start, end in parts)
    return ShardFile(file_hash(nodes), tuple(segments), proofs, hashlib.sha256(data).digest())


@dataclass(frozen=True)
class Packed:
    """A file in one xorb of its own."""

    data: bytes = field(repr=False)
    xorb: BuiltXorb = field(repr=False)
    file: ShardFile

    @property
    def shard(self) -> bytes:
        return shard_of([self.file], [self.xorb])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def claiming(self, sha256: bytes | None) -> ShardFile:
        return replace(self.file, sha256=sha256)


def pack(data: bytes) -> Packed:
    xorb = build_xorb(data)
    return Packed(data, xorb, describe(data, (xorb, 0, len(xorb.index))))


def shard_of(files: Sequence[ShardFile], xorbs: Sequence[BuiltXorb] = ()) -> bytes:
    return build_upload_shard(files, [ShardXorb.from_index(xorb.xorb_hash, xorb.index) for xorb in xorbs])


@dataclass(frozen=True)
class Person:
    """Somebody at a client in this process."""

    hub: Hub
    name: str
    secret: str | None
    http: TestClient

    def repo(self, name: str, *, private: bool = False) -> Repo:
        visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
        return repos.create(self.hub, actor(self.hub, self.name), RepoKind.MODEL, name, visibility=visibility)

    def token(self, repo: Repo, right: str, rev: str = "main", query: str = "") -> Answer:
        return self.http.get(f"/api/{repo.kind.plural}/{repo.full_name}/xet-{right}-token/{rev}{query}")

    def cas(self, repo: Repo, right: str = "write") -> Cas:
        answer = self.token(repo, right)
        assert answer.status_code == 200, answer.text
        return Cas(self.http, answer.json()["accessToken"])


@dataclass(frozen=True)
class Cas:
    """Requests to the store with one token."""

    http: TestClient
    token: str

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.http.request(method, f"{CAS}{path}", headers=headers, **options)

    def xorb(self, xorb: BuiltXorb, body: bytes | None = None) -> Answer:
        return self.ask("POST", f"/v1/xorbs/default/{to_hex(xorb.xorb_hash)}", content=body or xorb.body)

    def grant(self, xorb: BuiltXorb) -> int:
        answer = self.ask("POST", f"/v1/xorb-grants/default/{to_hex(xorb.xorb_hash)}", json={"length": 1})
        return int(answer.status_code)

    def chunk(self, xorb: BuiltXorb, number: int = 0, prefix: str = "default") -> Answer:
        return self.ask("GET", f"/v1/chunks/{prefix}/{to_hex(xorb.index.chunk_hash(number))}")

    def shard(self, body: bytes) -> dict[str, Any]:
        """The last frame of the answer."""
        answer = self.ask("POST", "/v2/shards", content=body)
        assert answer.status_code == 200, answer.text
        frames: list[dict[str, Any]] = [json.loads(line) for line in answer.text.splitlines()]
        return frames[-1]

    def send(self, *files: Packed) -> None:
        """Upload files; it must succeed."""
        for file in files:
            assert self.xorb(file.xorb).status_code == 200
        frame = self.shard(shard_of([file.file for file in files], [file.xorb for file in files]))
        assert frame == {"type": "result"}, frame

    def plan(self, file: ShardFile, wanted: str | None = None, version: str = "v2") -> Answer:
        headers = {"range": wanted} if wanted else {}
        return self.ask("GET", f"/{version}/reconstructions/{to_hex(file.file_hash)}", headers=headers)


def person(hub: Hub, name: str) -> Person:
    secret = add_user(hub, name)[1]
    return Person(hub, name, secret, client_of(hub, secret))


def anonymous(hub: Hub) -> Person:
    return Person(hub, "anonymous", None, client_of(hub))


def fetch(http: TestClient, plan: dict[str, Any]) -> list[Answer]:
    """Follow every address of a V2 plan, range by range."""
    return [
        http.get(entry["url"], headers={"range": f"bytes={part['bytes']['start']}-{part['bytes']['end']}"})
        for entries in plan["xorbs"].values()
        for entry in entries
        for part in entry["ranges"]
    ]
