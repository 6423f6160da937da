"""A real nginx in front of a hub, with the very configuration that the how-to page shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "run-behind-nginx.md"
NAME = "hub.example.org"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for ``hub.example.org`` and 127.0.0.1 with its key, signed by the authority ``authority.pem``."""
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(*new, "-subj", "/CN=A lab's own authority", "-keyout", authority_key, "-out", authority)
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    signed = ["-CA", authority, "-CAkey", authority_key, "-addext", "basicConstraints=critical,CA:FALSE"]
    _openssl(*new, *names, *signed, "-keyout", key, "-out", certificate)
    return certificate, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def configuration(folder: Path, hub_port: int, data: Path, ports: tuple[int, int]) -> str:
    """The page's configuration with this machine's ports and folders, in an ``http`` block of its own."""
    block = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.S)
    assert block, "the page shows no configuration"
    certificate, key = make_certificate(folder)
    here = {
        "127.0.0.1:8000": f"127.0.0.1:{hub_port}",
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{ports[1]} ssl http2;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/letsencrypt/live/hub.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/hub.example.org/privkey.pem": str(key),
        "/var/www/openshelf/": f"{folder}/",
        "/var/lib/openshelf/": f"{data}/",
    }
    text = block[1]
    for shown, used in here.items():
        assert shown in text, f"the page no longer says {shown!r}"
        text = text.replace(shown, used)
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\nlog_format handed '$request stored=$upstream_http_x_accel_redirect';\n"
        f"access_log {folder}/access.log handed; {paths}\n{text}}}\n"
    )


@contextmanager
def nginx(folder: Path, hub_port: int, data: Path) -> Iterator[int]:
    """Run nginx; gives its TLS port."""
    folder.mkdir()
    ports = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(configuration(folder, hub_port, data, ports))
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        _wait(process, ports[1])
        yield ports[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("nginx did not start: its error log says why")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("nginx did not listen in time")
