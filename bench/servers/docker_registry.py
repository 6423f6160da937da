"""Debian's docker-registry (CNCF distribution): blobs named by their sha256, which it verifies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Target, ask
from bench.processes import free_port, running
from bench.samples import Sample
from bench.servers.peer import Peer

_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {folder}/blobs}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class DockerRegistry(Peer):
    """Blob upload and download of the distribution API on filesystem storage."""

    name = "docker-registry"
    version_command = ("docker-registry", "--version")
    does = "verifies the sha256 of every upload; written in Go, uses all cores"
    does_not = "deduplicate below whole files, know who asks (no sign-in configured)"

    @classmethod
    def missing(cls) -> str:
        found = shutil.which("docker-registry")
        return "" if found else "docker-registry is not installed (apt-get install docker-registry)"

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        port = free_port()
        folder.mkdir(parents=True)
        config = folder / "config.yml"
        config.write_text(_CONFIG.format(folder=folder, port=port))
        with running(["docker-registry", "serve", str(config)], port, folder / "log", path="/v2/") as self.server:
            yield

    def upload_to(self, sample: Sample) -> Target:
        headers, _ = ask(f"{self.server.url}/v2/bench/blobs/uploads/", b"", method="POST")
        address = f"{headers['Location']}&digest=sha256:{sample.sha256}"
        return Target(address, {"Content-Type": "application/octet-stream"})

    def file(self, sample: Sample) -> Target:
        return Target(f"{self.server.url}/v2/bench/blobs/sha256:{sample.sha256}")
