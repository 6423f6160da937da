"""The main job: upload, download and resolve, with the server's CPU-seconds for each gigabyte."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers import Hub
from bench.processes import Server

_CLIENT = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], exist_ok=True)
api.upload_file(path_or_fileobj=sys.argv[2], path_in_repo="model.safetensors", repo_id=sys.argv[1])
"""


@dataclass(frozen=True)
class Figure:
    """One measurement: amount, wall seconds, and the server's CPU-seconds."""

    amount: float
    seconds: float
    cpu: float


def sha256_cpu(megabytes: int) -> float:
    """CPU-seconds that sha256 takes for a gigabyte on this machine, now."""
    block = os.urandom(1_000_000)
    started, digest = time.process_time(), hashlib.sha256()
    for _ in range(megabytes):
        digest.update(block)
    return (time.process_time() - started) / (megabytes / 1000)


def measured(server: Server, amount: float, work: Callable[[], object]) -> Figure:
    cpu, started = server.cpu_seconds(), time.perf_counter()
    work()
    return Figure(amount, time.perf_counter() - started, server.cpu_seconds() - cpu)


def best_of(rounds: int, measure: Callable[[], Figure]) -> Figure:
    """The round with the median CPU time: the machine is shared."""
    figures = [measure() for _ in range(rounds)]
    middle = median(figure.cpu for figure in figures)
    return min(figures, key=lambda figure: abs(figure.cpu - middle))


def download(server: Server, url: str, gigabytes: float) -> Figure:
    return measured(server, gigabytes, lambda: _run("curl", "-sSf", "-o", "/dev/null", url))


def put(server: Server, url: str, file: Path, gigabytes: float) -> Figure:
    return measured(server, gigabytes, lambda: _run("curl", "-sSf", "-o", "/dev/null", "-T", str(file), url))


def upload_xet(hub: Hub, repo: str, file: Path, gigabytes: float, home: Path) -> Figure:
    """Upload with the stock client and an empty cache; its own CPU time is not counted."""
    return measured(hub.server, gigabytes, lambda: _client(hub, repo, file, home))


def make_new(file: Path) -> None:
    """Change the beginning of a file, so that its sha256 is unknown to the hub."""
    with file.open("r+b") as stream:
        stream.write(os.urandom(32))


def upload_lfs_address(hub: Hub, repo: str, file: Path) -> str:
    """A signed address that takes the bytes of ``file`` by LFS."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    body = {
        "operation": "upload",
        "transfers": ["basic"],
        "objects": [{"oid": digest.hexdigest(), "size": file.stat().st_size}],
    }
    answer = post(hub, f"/{repo}.git/info/lfs/objects/batch", body, "application/vnd.git-lfs+json")
    address: str = answer["objects"][0]["actions"]["upload"]["href"]
    return address


def commit_lfs(hub: Hub, repo: str, file: Path, path: str) -> None:
    """Name an uploaded blob in a commit."""
    digest = hashlib.file_digest(file.open("rb"), "sha256").hexdigest()
    value = {"path": path, "algo": "sha256", "oid": digest, "size": file.stat().st_size}
    lines = [{"key": "header", "value": {"summary": "bench"}}, {"key": "lfsFile", "value": value}]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    _request(hub, f"/api/models/{repo}/commit/main", data, "application/x-ndjson")


def post(hub: Hub, path: str, body: dict[str, Any], content_type: str = "application/json") -> Any:
    return json.loads(_request(hub, path, json.dumps(body).encode(), content_type))


def requests_per_second(server: Server, url: str, method: str, seconds: int) -> Figure:
    """Requests answered in ``seconds`` on 16 connections that are kept (ApacheBench)."""
    answered = 0.0
    options = ["-q", "-k", "-c16", f"-t{seconds}", "-n1000000", *(["-i"] if method == "HEAD" else [])]

    def load() -> None:
        nonlocal answered
        shown = _run("ab", *options, url)
        match = re.search(r"Complete requests:\s+(\d+)", shown)
        failed = re.search(r"Non-2xx responses:\s+(\d+)", shown)
        if match is None or failed:
            raise RuntimeError(f"ab failed: {shown}")
        answered = float(match[1])

    figure = measured(server, 0, load)
    return Figure(answered, figure.seconds, figure.cpu)


def _client(hub: Hub, repo: str, file: Path, home: Path) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.server.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    subprocess.run([sys.executable, "-c", _CLIENT, repo, str(file)], env=environment, check=True)


def _request(hub: Hub, path: str, data: bytes, content_type: str) -> bytes:
    headers = {"Authorization": f"Bearer {hub.token}", "Content-Type": content_type, "Accept": content_type}
    request = urllib.request.Request(hub.server.url + path, data, headers, method="POST")
    with urllib.request.urlopen(request) as response:
        content: bytes = response.read()
    return content


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
