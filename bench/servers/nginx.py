"""nginx: the least that moving bytes costs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.client import Target
from bench.processes import Server, free_port, running
from bench.samples import Sample
from bench.servers.peer import Peer

_CONFIG = """
user root; daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} reuseport;
    {locations}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, locations: str) -> Iterator[Server]:
    """nginx with one worker and these locations; its files in ``folder``."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, locations=locations))
    with running(["nginx", "-c", str(config), "-p", str(folder)], port, folder / "nginx.log") as server:
        yield server


class Nginx(Peer):
    """Static files, and PUT by its WebDAV module."""

    name = "nginx"
    version_command = ("nginx", "-v")
    does = "sends files with sendfile; writes PUT to a temporary file and renames it"
    does_not = "hash, verify, deduplicate, sync to disk, know who asks"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("nginx") else "nginx is not installed (apt-get install nginx-light)"

    @contextmanager
    def started(self, folder: Path) -> Iterator[None]:
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        # With root's rights its worker stays root; else the line "user" is ignored.
        subprocess.run(["chmod", "-R", "a+rwx", str(folder)], check=True)
        listing = f"location /list/ {{ alias {self.files}/; autoindex on; autoindex_format json; }}"
        locations = f"root {self.files}; location / {{ dav_methods PUT; }} {listing}"
        with nginx(folder, locations) as self.server:
            yield

    def upload_to(self, sample: Sample) -> Target:
        return Target(f"{self.server.url}/{sample.name}")

    def file(self, sample: Sample) -> Target:
        return self.upload_to(sample)
