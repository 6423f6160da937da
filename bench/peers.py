"""The servers that are compared: Openshelf, and nginx as the least that moving bytes costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Server, free_port, running

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; location / {{ dav_methods PUT; }} }}
}}
"""


@dataclass(frozen=True)
class Hub:
    """A running hub with one user, and the write token of that user."""

    server: Server
    token: str
    data: Path


@contextmanager
def nginx(folder: Path) -> Iterator[Server]:
    """nginx that serves ``folder/files`` and takes PUT; it hashes and verifies nothing."""
    port = free_port()
    (folder / "files").mkdir(parents=True)
    # Its worker gives up root's rights, so it must be able to reach and write the folder.
    subprocess.run(["chmod", "-R", "a+rwx", str(folder)], check=True)
    config = folder / "nginx.conf"
    config.write_text("user root;\n" + _NGINX.format(folder=folder, port=port))
    with running(["nginx", "-c", str(config), "-p", str(folder)], port, folder / "nginx.log") as server:
        yield server


@contextmanager
def openshelf(folder: Path, *, embedded_worker: bool = False) -> Iterator[Hub]:
    """A hub on SQLite and local disk, as ``make serve`` starts it, with background work off unless asked for."""
    port, data = free_port(), folder / "data"
    admin = [sys.executable, "-m", "openshelf", "admin"]
    password = b"a long enough password"
    subprocess.run(
        [*admin, "user", "create", "bench", "--admin", "--password-stdin", "--data", str(data)],
        input=password,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    made = subprocess.run(
        [*admin, "token", "create", "bench", "--name", "bench", "--role", "write", "--data", str(data)],
        check=True,
        capture_output=True,
        text=True,
    )
    environment = {
        "OPENSHELF_EMBEDDED_WORKER": str(embedded_worker),
        "OPENSHELF_RATE_LIMIT_REQUESTS": "0",
        "OPENSHELF_RATE_LIMIT_ANONYMOUS": "0",
        "OPENSHELF_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "openshelf", "serve", "--data", str(data), "--port", str(port)]
    with running(command, port, folder / "openshelf.log", environment) as server:
        yield Hub(server, made.stdout.strip(), data)
