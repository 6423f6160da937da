"""Weights behind a plain nginx are read by ranges, without downloading them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors.numpy import save_file

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.remote.opening import RemoteFiles
from tests.interfaces.proxy.nginx import free_port

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the folder ``files`` behind nginx."""
    port = free_port()
    (tmp_path / "files").mkdir()
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; worker_processes 1; user root;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s; gzip on;\n"
        f"gzip_types *; server {{ listen 127.0.0.1:{port}; root {tmp_path}/files; }} }}\n"
    )
    with (tmp_path / "out").open("wb") as out:
        nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], stderr=out)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        nginx.terminate()
        nginx.wait(10)


def test_only_headers_are_fetched(served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    tensors = {f"layers.{n}.weight": np.full((1000, 1000), n, np.float32) for n in range(5)}
    (tmp_path / "files" / "some").mkdir()
    path = tmp_path / "files" / "some" / "large model.safetensors"
    save_file(tensors, path)
    with open_checkpoint(f"{served}/some/large%20model.safetensors") as found:
        assert isinstance(found.source, RemoteFiles)
        assert found.files == ("large model.safetensors",)
        assert len(found) == 5
        assert found.source.fetched < 100_000 < path.stat().st_size
        assert np.array_equal(found.array("layers.3.weight"), tensors["layers.3.weight"])
        save_file({"other": np.zeros((2000, 2000), np.float32)}, path)
        with pytest.raises(UnreadableCheckpoint, match="changed while it was read"):
            found.array("layers.4.weight")
