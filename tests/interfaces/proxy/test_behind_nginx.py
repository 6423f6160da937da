"""The hub behind nginx with TLS, as docs/how-to/run-behind-nginx.md sets it up."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from openshelf.interfaces.web.plain_page import maintenance_page
from openshelf.services.handing_over import try_download
from openshelf.storage.catalogue.schema import blobs
from tests.hubs import add_user
from tests.interfaces.proxy.nginx import free_port, nginx
from tests.served import Served, serve

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx") and not Path("/usr/sbin/nginx").exists(), reason="nginx is not installed"
)
WEIGHTS = bytes(range(256)) * 20_000  # 5 MB: more than one read, less than one xorb
_UPLOAD = """
import sys
from huggingface_hub import HfApi
token, name, private, folder = sys.argv[1:]
api = HfApi(token=token)
api.create_repo(name, private=private == "private")
api.upload_folder(repo_id=name, folder_path=folder)
"""
_DOWNLOAD = """
import sys
from huggingface_hub import hf_hub_download
print(hf_hub_download(sys.argv[1], "weights.bin", token=sys.argv[2], cache_dir=sys.argv[3]))
"""


@dataclass(frozen=True)
class Behind:
    """A hub behind nginx: addresses, nginx's folder and log, and alice's token."""

    served: Served
    port: int
    folder: Path
    token: str

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HF_ENDPOINT": self.url, "SSL_CERT_FILE": str(self.folder / "authority.pem")}

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        context = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        return httpx.Client(base_url=self.url, verify=context, headers=headers)

    def run(self, script: str, *arguments: str, xet: bool) -> str:
        """Run a script with the stock client against nginx; gives what it prints."""
        environment = self.environment | {"HF_HUB_DISABLE_XET": "0" if xet else "1", "HF_HOME": str(self.folder / "hf")}
        command = [sys.executable, "-c", script, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    def handed_over(self) -> int:
        """How many answers nginx has sent from stored files."""
        return (self.folder / "access.log").read_text().count(" stored=/stored/")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    with serve(folder, accel_location="/stored/", trust_forwarded=True) as served:
        _, token = add_user(served.hub, "alice")
        with nginx(folder / "nginx", served.port, served.hub.storage.root) as port:
            yield Behind(served, port, folder / "nginx", token)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "weights.bin").write_bytes(WEIGHTS)
    (folder / "page.html").write_text("<script>alert(1)</script>" * 10_000)
    (folder / ".gitattributes").write_text(
        "*.html filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
    )
    return folder


@pytest.fixture(scope="module")
def whole(behind: Behind, files: Path) -> str:
    """A repo whose files came by LFS, through nginx: kept whole."""
    behind.run(_UPLOAD, behind.token, "alice/whole", "public", str(files), xet=False)
    return "alice/whole"


@pytest.fixture(scope="module")
def chunked(behind: Behind, files: Path) -> str:
    """A private repo whose files came by Xet, through nginx: kept as chunks."""
    changed = files.parent / "changed"
    changed.mkdir(exist_ok=True)
    (changed / "weights.bin").write_bytes(WEIGHTS[::-1])
    behind.run(_UPLOAD, behind.token, "alice/chunked", "private", str(changed), xet=True)
    return "alice/chunked"


def test_a_file_kept_whole_is_sent_by_nginx_with_the_hubs_headers(behind: Behind, whole: str) -> None:
    before, address = behind.handed_over(), f"/{whole}/resolve/main/weights.bin"
    with behind.client() as client:
        direct = httpx.head(behind.served.url + address)
        answer = client.get(address)
    assert behind.handed_over() == before + 1
    assert answer.content == WEIGHTS
    told = ("etag", "x-repo-commit", "x-linked-etag", "x-linked-size", "content-type", "content-disposition")
    guards = ("content-security-policy", "x-content-type-options", "cache-control", "access-control-expose-headers")
    for name in (*told, *guards):
        assert answer.headers[name] == direct.headers[name], name
    assert answer.headers["content-length"] == str(len(WEIGHTS))
    assert "last-modified" not in answer.headers
    assert "x-accel-redirect" not in answer.headers
    assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=5000000-", 5_000_000, 5_120_000), ("bytes=-7", -7, None)],
)
def test_nginx_sends_ranges(behind: Behind, whole: str, asked: str, start: int, end: int | None) -> None:
    with behind.client() as client:
        answer = client.get(f"/{whole}/resolve/main/weights.bin", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == WEIGHTS[start:end]
    assert answer.headers["content-range"].endswith(f"/{len(WEIGHTS)}")


def test_what_nginx_would_read_otherwise_stays_with_the_hub(behind: Behind, whole: str) -> None:
    before, address = behind.handed_over(), f"/{whole}/resolve/main/weights.bin"
    with behind.client() as client:
        etag = client.head(address).headers["etag"]
        fresh = client.get(address, headers={"range": "bytes=0-99", "if-range": etag})
        stale = client.get(address, headers={"range": "bytes=0-99", "if-range": '"other"'})
        same = client.get(address, headers={"if-none-match": etag})
        past = client.get(address, headers={"range": "bytes=6000000-"})
        several = client.get(address, headers={"range": "bytes=0-5119999,0-5119999"})
    assert (fresh.status_code, len(fresh.content)) == (206, 100)
    assert (stale.status_code, same.status_code, past.status_code) == (200, 304, 416)
    assert several.content == WEIGHTS
    assert behind.handed_over() == before


def test_a_page_that_was_uploaded_runs_no_script(behind: Behind, whole: str) -> None:
    with behind.client() as client:
        answer = client.get(f"/{whole}/resolve/main/page.html")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_stock_client_uploads_and_downloads_by_xet_and_nginx_sends_the_xorbs(
    behind: Behind, chunked: str, tmp_path: Path
) -> None:
    before = behind.handed_over()
    path = behind.run(_DOWNLOAD, chunked, behind.token, str(tmp_path), xet=True)
    assert Path(path).read_bytes() == WEIGHTS[::-1]
    assert behind.handed_over() > before


def test_a_clone_fetches_large_files_through_nginx(behind: Behind, chunked: str, tmp_path: Path) -> None:
    environment = {**os.environ, "GIT_SSL_CAINFO": str(behind.folder / "authority.pem"), "GIT_TERMINAL_PROMPT": "0"}
    address = f"https://alice:{behind.token}@127.0.0.1:{behind.port}/{chunked}"
    done = subprocess.run(
        ["git", "clone", address, str(tmp_path / "clone")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "weights.bin").read_bytes() == WEIGHTS[::-1]


def test_what_is_private_stays_so(behind: Behind, chunked: str) -> None:
    with behind.client() as stranger:
        there = stranger.get(f"/{chunked}/resolve/main/weights.bin")
        missing = stranger.get("/alice/nowhere/resolve/main/weights.bin")
    assert there.status_code == missing.status_code
    assert there.content == missing.content.replace(b"alice/nowhere", chunked.encode())


def test_nobody_asks_for_stored_files_by_their_place(behind: Behind, whole: str) -> None:
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    paths = [f"/stored/blobs/{sha256[:2]}/{sha256[2:4]}/{sha256}", "/stored/catalogue.db", "/stored/secret.key"]
    with behind.client(behind.token) as client:
        assert [client.get(path).status_code for path in paths] == [404] * 3


def test_metrics_stay_inside(behind: Behind) -> None:
    with behind.client() as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/healthz").text == "ok\n"


def test_doctor_tries_the_way_of_stored_files(
    behind: Behind, whole: str, chunked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(behind.folder / "authority.pem"))
    root = behind.served.hub.storage.root
    assert try_download(root, behind.url, "/stored/").problem == ""
    assert "cannot be fetched" in str(try_download(root, "https://127.0.0.1:1", "/stored/").problem)
    direct = try_download(root, behind.served.url, "/stored/")
    assert "no nginx takes them" in str(direct.problem)
    for folder in (root / "blobs", root / "xorbs"):
        folder.rename(root / "elsewhere")
        try:
            with pytest.raises(OSError, match="No such file"):
                try_download(root, behind.url, "/stored/")
        finally:
            (root / "elsewhere").rename(folder)
        # Without whole blobs a xorb is tried.
        with behind.served.hub.storage.catalogue.write() as tx:
            tx.execute(blobs.update().values(is_whole=False))
        assert try_download(root, behind.url, "/stored/").problem == ""
    assert "no nginx takes them" in str(try_download(root, behind.served.url, "/stored/").problem)


def test_while_the_hub_is_down_people_see_a_page(tmp_path: Path) -> None:
    """The page of ``openshelf maintenance``, with a status that tells programs to come back."""
    folder = tmp_path / "nginx"
    with nginx(folder, free_port(), tmp_path) as port:
        (folder / "down.html").write_text(maintenance_page("City <Library>"))
        context = ssl.create_default_context(cafile=folder / "authority.pem")
        for method in ("GET", "POST"):
            answer = httpx.request(method, f"https://127.0.0.1:{port}/alice/model", verify=context, trust_env=False)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "30"
            assert answer.headers["content-type"] == "text/html"
            assert "Back soon" in answer.text
            assert "City &lt;Library&gt;" in answer.text
            assert "http" not in answer.text
