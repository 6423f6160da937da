"""The wheel holds all that ``openshelf serve`` needs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is not installed; `make test` installs it"
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([_uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src/openshelf"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted = {name.removeprefix("src/") for name in listed.split("\0") if name and (ROOT / name).exists()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wanted - names == set()
    assert [name for name in names if not name.startswith(("openshelf/", "openshelf-"))] == []


def test_it_serves_from_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    install = ["pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(environment / "bin" / "python")]
    subprocess.run([_uv(), *install, str(wheel)], check=True)
    # What it depends on comes from the environment of the tests; the package itself does not: the link to the source
    # is in a .pth file, and those count in an environment's own folder only.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENSHELF_")}
    clean |= {"PYTHONPATH": sysconfig.get_path("purelib"), "OPENSHELF_DATA": str(tmp_path / "data")}
    where = [str(environment / "bin" / "python"), "-c", "import openshelf; print(openshelf.__file__)"]
    found = subprocess.run(where, env=clean, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(environment))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(environment / "bin" / "openshelf"), "serve", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=clean, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
    try:
        _check_pages(f"http://127.0.0.1:{port}", server, tmp_path / "log")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def _check_pages(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    with httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client:
        while True:
            assert server.poll() is None, log.read_text()
            try:
                if client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        assert "first administrator" in log.read_text()
        page = client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert assets
        for asset in assets:
            assert client.get(asset).status_code == 200, asset
        assert client.get("/login").status_code == 200
        assert client.get("/api/models").json() == []
