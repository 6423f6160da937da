"""Files at addresses: read by ranges, patiently, and never more than is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.remote.http_client import HttpClient
from openshelf.analysis.checkpoints.remote.http_files import MOST_WHOLE, BlockCache, HttpFile
from openshelf.analysis.checkpoints.remote.opening import RemoteFiles
from tests.unit.checkpoints.serving import Place, Site, serving

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 5_000_000, np.uint8))
WEIGHTS: dict[str, Any] = {"w": np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000), "b": np.ones(3, np.float16)}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serving({"/f": Place(CONTENT), "/d/model.safetensors": Place(save(WEIGHTS))}) as found:
        yield found


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(pause=lambda seconds: None)
    yield made
    made.close()


def file_at(site: Site, client: HttpClient, path: str = "/f", host: str = "127.0.0.1") -> HttpFile:
    return HttpFile("f", site.url(path, host), client, BlockCache())


def test_ranges_are_what_the_file_has(site: Site, client: HttpClient) -> None:
    file = file_at(site, client)
    assert file.size == len(CONTENT)
    for start, end in [
        (0, 9),
        (5, 70_000),
        (4_999_990, 5_000_000),
        (100, 100),
        (1_000_000, 4_500_000),
        (65_535, 65_537),
    ]:
        assert file.read(start, end) == CONTENT[start:end]
        assert file.view(start, end).readonly
    for start, end in [(0, 5_000_001), (5, 4), (-1, 4)]:
        with pytest.raises(UnreadableCheckpoint, match="5,000,000 bytes"):
            file.read(start, end)


def test_what_was_read_is_not_asked_for_again_and_reading_on_reads_ahead(site: Site, client: HttpClient) -> None:
    file = file_at(site, client)
    for start in range(0, 1_000_000, 100):
        assert file.read(start, start + 100) == CONTENT[start : start + 100]
    assert len(site.asked) == 5
    assert file.cache.held == site.sent < 2_100_000
    small = HttpFile("g", site.url("/f"), client, BlockCache(most=200_000))
    for start in range(0, 4_000_000, 50_000):
        small.read(start, start + 10)
        assert small.cache.held <= 200_000


def test_busy_servers_and_broken_lines_are_tried_again(site: Site, client: HttpClient) -> None:
    site.places["/f"].failures = [503, 429]
    assert file_at(site, client).read(0, 10) == CONTENT[:10]
    file = file_at(site, client)
    assert file.size == len(CONTENT)
    site.places["/f"].cut = 100_000
    assert file.read(0, 3_000_000) == CONTENT[:3_000_000]
    assert site.asked[-1][1] == "bytes=100000-2999999"
    site.places["/f"].failures = [500] * 9
    with pytest.raises(UnreadableCheckpoint, match="answers 500"):
        file_at(site, client).read(0, 10)
    assert len(site.places["/f"].failures) == 4


def test_a_file_that_changes_is_said(site: Site, client: HttpClient) -> None:
    file = file_at(site, client)
    file.read(0, 10)
    site.places["/f"].etag = '"2"'
    with pytest.raises(UnreadableCheckpoint, match="changed while it was read"):
        file.read(3_000_000, 3_000_010)
    file = file_at(site, client)
    file.read(0, 10)
    site.places["/f"].content = CONTENT[:-1]
    with pytest.raises(UnreadableCheckpoint, match="changed while it was read"):
        file.read(3_000_000, 3_000_010)


def test_a_server_without_ranges_gives_small_files_alone(site: Site, client: HttpClient) -> None:
    site.places["/small"] = Place(CONTENT[:1000], ranges=False)
    assert file_at(site, client, "/small").read(10, 1000) == CONTENT[10:1000]
    site.places["/large"] = Place(bytes(MOST_WHOLE + 1), ranges=False)
    before = client.fetched
    with pytest.raises(UnreadableCheckpoint, match="does not give parts"):
        file_at(site, client, "/large").read(0, 10)
    assert client.fetched == before
    site.places["/empty"] = Place(b"")
    assert file_at(site, client, "/empty").size == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"content-range": "bytes 1-10/5000000"},
        {"content-range": "bytes 0-9/*"},
        {"content-range": "none"},
        {"content-encoding": "gzip"},
        {"content-range": "bytes 0-4999999/5000000"},
    ],
)
def test_answers_that_make_no_sense_are_refused(site: Site, client: HttpClient, headers: dict[str, str]) -> None:
    site.places["/f"].headers = headers
    with pytest.raises(UnreadableCheckpoint):
        file_at(site, client).read(0, 10)


def test_redirects_are_followed_without_the_token(site: Site) -> None:
    with serving({"/there": Place(CONTENT)}) as other:
        site.places["/f"] = Place(redirect="/g")
        site.places["/g"] = Place(redirect=other.url("/there"))
        client = HttpClient(site.url(""), "secret", pause=lambda seconds: None)
        assert file_at(site, client).read(0, 10) == CONTENT[:10]
        assert [token for _, _, token in site.asked] == ["Bearer secret"] * 2
        assert [token for _, _, token in other.asked] == [""]
        assert HttpFile("x", other.url("/there"), client, BlockCache()).size
        assert other.asked[-1][2] == ""
        client.close()


@pytest.mark.parametrize("target", ["/f", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_redirects_lead_to_an_end(site: Site, client: HttpClient, target: str) -> None:
    site.places["/f"] = Place(redirect=target)
    with pytest.raises(UnreadableCheckpoint, match="leads"):
        file_at(site, client).read(0, 10)


def test_a_checkpoint_at_an_address(site: Site) -> None:
    with open_checkpoint(site.url("/d/model.safetensors")) as found:
        assert fetched(found) <= 100_000
        assert (found.format, found.files) == ("safetensors", ("model.safetensors",))
        assert found["w"].offset is not None
        assert np.array_equal(found.array("w"), WEIGHTS["w"])
        assert np.array_equal(found.elements(found["w"], 10, 20), np.arange(10, 20, dtype=np.float32))
        assert np.array_equal(found.array("b"), WEIGHTS["b"])


def test_beginnings_of_many_files_come_at_once(site: Site, client: HttpClient) -> None:
    names = [f"{n}.bin" for n in range(20)]
    site.places |= {f"/{name}": Place(CONTENT[:1000], delay=0.05) for name in names}
    files = RemoteFiles("many", client, {name: site.url(f"/{name}") for name in [*names, "none"]}, {})
    begin = time.monotonic()
    files.fetch_beginnings([*names, "none", "unknown"])
    assert time.monotonic() - begin < 20 * 0.05
    asked = len(site.asked)
    assert all(files.open(name).read(0, 1000) == CONTENT[:1000] for name in names)
    assert len(site.asked) == asked
    with pytest.raises(UnreadableCheckpoint, match="answers 404"):
        files.open("none").read(0, 1)


def test_an_address_of_two_parts_may_be_a_mere_file(site: Site) -> None:
    with open_checkpoint(site.url("/d/model.safetensors")) as found:
        assert found.files == ("model.safetensors",)
    assert site.asked[0][0] == "/api/models/d/model.safetensors/revision/main"
    site.places["/x/resolve/main/model.safetensors"] = site.places["/d/model.safetensors"]
    with open_checkpoint(site.url("/x/resolve/main/model.safetensors")) as found:
        assert len(found) == 2


def test_what_is_nowhere_says_what_was_tried(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UnreadableCheckpoint, match="no such file or folder, and it is neither a reference"):
        open_checkpoint(str(tmp_path / "none"))
    with pytest.raises(UnreadableCheckpoint, match="answers 404"):
        open_checkpoint(site.url("/none"))
    with pytest.raises(
        UnreadableCheckpoint, match=r"no such file or folder, and http://127.0.0.1:\d+ has no model a/b"
    ):
        open_checkpoint("a/b", endpoint=site.url(""))


def test_messages_give_no_secret_away(site: Site) -> None:
    address = site.url("/none?signature=secret", host="me:secret@127.0.0.1")
    with pytest.raises(UnreadableCheckpoint, match=r"/none\?\.\.\.: the server answers 404") as said:
        open_checkpoint(address)
    assert "secret" not in str(said.value)
    site.places["/m.safetensors?signature=secret"] = site.places["/d/model.safetensors"]
    with open_checkpoint(site.url("/m.safetensors?signature=secret")) as found:
        assert found.source.label == site.url("/m.safetensors?...")
    with pytest.raises(UnreadableCheckpoint, match="no path"):
        open_checkpoint("")


def test_a_hub_that_is_not_to_be_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnreadableCheckpoint, match="HF_HUB_OFFLINE"):
        open_checkpoint("a/b", endpoint=site.url(""))
    assert site.asked == []


def test_a_path_goes_before_a_reference(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "name" / "m.safetensors").write_bytes(save(WEIGHTS))
    with open_checkpoint("owner/name", endpoint=site.url("")) as found:
        assert len(found) == 2
    assert site.asked == []


def fetched(found: Checkpoint) -> int:
    assert isinstance(found.source, RemoteFiles)
    return found.source.fetched
