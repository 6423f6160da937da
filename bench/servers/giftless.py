"""giftless: a git-lfs server, in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import Target, ask
from bench.environments import CannotInstall, program_of
from bench.processes import free_port, running
from bench.samples import Sample
from bench.servers.peer import Peer

TYPE = "application/vnd.git-lfs+json"


class Giftless(Peer):
    """Local storage and streamed transfer, in gunicorn with one worker of four threads."""

    name = "giftless"
    does = "git-lfs over local files, every byte through Python"
    does_not = "hash, verify, deduplicate, sync to disk; it sends a file line by line, which random bytes make slow"
    share = 8

    @classmethod
    def missing(cls) -> str:
        try:
            program_of("giftless", "gunicorn")
        except CannotInstall as error:
            return str(error)
        return ""

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        port = free_port()
        folder.mkdir(parents=True)
        options = {"storage_options": {"path": str(folder / "files")}}
        settings = {
            "AUTH_PROVIDERS": ["giftless.auth.allow_anon:read_write"],
            "LEGACY_ENDPOINTS": False,
            "TRANSFER_ADAPTERS": {"basic": {"options": options}},
        }
        command = [str(program_of("giftless", "gunicorn")), "--workers", "1", "--threads", "4", "--timeout", "900"]
        command += ["--log-level", "warning", "--bind", f"127.0.0.1:{port}", "giftless.wsgi_entrypoint:app"]
        environment = {"GIFTLESS_CONFIG_STR": json.dumps(settings)}
        with running(command, port, folder / "log", environment) as self.server:
            yield

    def upload_to(self, sample: Sample) -> Target:
        return self._action("upload", sample)

    def file(self, sample: Sample) -> Target:
        return self._action("download", sample)

    def batch(self, operation: str, sample: Sample) -> tuple[Target, bytes]:
        """The request that asks where an object is."""
        body = {
            "operation": operation,
            "transfers": ["basic"],
            "objects": [{"oid": sample.sha256, "size": sample.size}],
        }
        address = f"{self.server.url}/bench/model.git/info/lfs/objects/batch"
        return Target(address, {"Content-Type": TYPE, "Accept": TYPE}), json.dumps(body).encode()

    def _action(self, operation: str, sample: Sample) -> Target:
        target, body = self.batch(operation, sample)
        answer: Any = json.loads(ask(target.url, body, target.headers)[1])
        action = answer["objects"][0]["actions"][operation]
        return Target(action["href"], action.get("header") or {})
