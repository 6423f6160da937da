"""The stock client uploads, deduplicates and downloads through a server made of nothing but this package."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import hf_xet
import pytest

from openshelf.xet.files import validate_file
from openshelf.xet.hashes import from_hex, to_hex
from openshelf.xet.reconstruction import plan, render_v1, render_v2
from openshelf.xet.shard_building import build_dedup_shard
from openshelf.xet.shards import ShardFile, ShardXorb, parse_shard
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import verify_xorb


@dataclass
class _Cas:
    """The least that a server has to keep."""

    url: str = ""
    versions: tuple[str, ...] = ("v1", "v2")
    bodies: dict[str, bytes] = field(default_factory=dict)
    indexes: dict[bytes, XorbIndex] = field(default_factory=dict)
    files: dict[str, ShardFile] = field(default_factory=dict)
    received: int = 0

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.received += len(body)
        match path.strip("/").split("/"):
            case ["v1", "xorbs", "default", name]:
                verified = verify_xorb(body, from_hex(name))
                self.bodies[name] = body
                self.indexes[verified.xorb_hash] = verified.index
                return 200, b'{"was_inserted":true}'
            case ["v1", "shards"] if "v1" in self.versions:
                self.register(body)
                return 200, b'{"result":1}'
            case ["v2", "shards"] if "v2" in self.versions:
                self.register(body)
                return 200, b'{"type":"result"}\n'
        return 404, b""

    def register(self, body: bytes) -> None:
        for file in parse_shard(body).files:
            validate_file(file, self.indexes.get)
            self.files[to_hex(file.file_hash)] = file

    def get(self, path: str, wanted: str | None) -> tuple[int, bytes]:
        span = wanted.removeprefix("bytes=").split("-") if wanted else None
        byte_range = (int(span[0]), int(span[1])) if span else None
        match path.strip("/").split("/"):
            case ["v1", "chunks", _, name]:
                return self.dedup(from_hex(name))
            case [version, "reconstructions", name] if version in self.versions:
                made = plan(self.files[name].segments, self.indexes.get, byte_range)
                render = render_v2 if version == "v2" else render_v1
                return 200, json.dumps(render(made, lambda xorb, _: f"{self.url}/data/{to_hex(xorb)}")).encode()
            case ["data", name] if byte_range:
                return 206, self.bodies[name][byte_range[0] : byte_range[1] + 1]
        return 404, b""

    def dedup(self, chunk: bytes) -> tuple[int, bytes]:
        for name, index in self.indexes.items():
            if any(chunk == known for known, _ in index.nodes()):
                now = int(time.time())
                return 200, build_dedup_shard([ShardXorb.from_index(name, index)], b"k" * 32, now, now + 3600)
        return 404, b""


@pytest.fixture
def cas() -> Iterator[_Cas]:
    store = _Cas()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes) -> None:
            # The client does not wait for the answer to its telemetry.
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer(*store.get(urlsplit(self.path).path, self.headers["Range"]))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.answer(*store.post(urlsplit(self.path).path, body))

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield store
    server.shutdown()
    server.server_close()
    thread.join()


def _upload(cas: _Cas, data: bytes) -> None:
    with hf_xet.XetSession().new_upload_commit(endpoint=cas.url, token="t", token_expiry_unix_secs=2**33) as commit:
        commit.start_upload_bytes(data)


def _download(cas: _Cas, name: str, size: int, start: int, end: int) -> bytes:
    group = hf_xet.XetSession().new_download_stream_group(endpoint=cas.url, token="t", token_expiry_unix_secs=2**33)
    return b"".join(group.download_stream(hf_xet.XetFileInfo(name, size), start, end))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_upload_and_download(
    cas: _Cas, version: str, samples: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path))
    cas.versions = (version,)
    data = samples["bf16"] + samples["text"] + samples["bf16"]
    _upload(cas, data)
    (name,) = cas.files
    for start, end in ((0, len(data)), (100_000, 100_001), (2_300_000, 4_000_000)):
        assert _download(cas, name, len(data), start, end) == data[start:end]


def test_a_fresh_client_deduplicates_by_our_shard(
    cas: _Cas, samples: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = samples["random"]
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "one"))
    _upload(cas, data)
    first, cas.received = cas.received, 0
    assert first > len(data)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "two"))
    _upload(cas, data[:2_500_000] + b"a few new bytes" + data[2_500_000:])
    assert len(cas.files) == 2
    assert cas.received < 400_000
