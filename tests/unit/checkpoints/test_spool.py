"""What is fetched and read more than once: each byte comes over the line once, and is kept on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import openshelf
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.opening import open_checkpoint
from openshelf.analysis.checkpoints.remote.http_client import ATTEMPTS, HttpClient
from openshelf.analysis.checkpoints.remote.http_files import MOST_WHOLE, BlockCache, HttpFile
from openshelf.analysis.checkpoints.remote.spool import Spool
from tests.unit.checkpoints.serving import Place, Site, serving
from tests.unit.weights.merge_models import random_tensor, stored, write_model

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 9_000_000, np.uint8))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    patient = partial(HttpClient, pause=lambda seconds: None)
    monkeypatch.setattr("openshelf.analysis.checkpoints.remote.opening.HttpClient", patient)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serving({"/f": Place(CONTENT)}) as found:
        yield found


@pytest.fixture
def fetch(site: Site) -> Iterator[Callable[[], HttpFile]]:
    client = HttpClient(pause=lambda seconds: None)
    yield lambda: HttpFile("f", site.url("/f"), client, BlockCache(most=200_000))
    client.close()


def test_no_byte_is_fetched_twice(site: Site, fetch: Callable[[], HttpFile], tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        file = spool.keep("f", fetch)
        for start, end in [(5, 9), (0, 70_000), (8_999_990, 9_000_000), (3_000_000, 8_000_000), (0, 9_000_000), (7, 7)]:
            assert file.read(start, end) == CONTENT[start:end]
            assert file.view(start, end).readonly
        assert site.sent < len(CONTENT) + 300_000
        sent = site.sent
        file.release(0, len(CONTENT))
        assert file.read(0, len(CONTENT)) == CONTENT
        assert spool.keep("f", fetch).view(0, 100) == CONTENT[:100]
        assert site.sent == sent
        with pytest.raises(UnreadableCheckpoint, match="9,000,000 bytes"):
            file.read(0, 9_000_001)
        assert list(tmp_path.iterdir()) == []  # what is kept has no name, so nothing can stay behind


def test_only_what_is_read_is_fetched(site: Site, fetch: Callable[[], HttpFile]) -> None:
    with Spool() as spool:
        assert spool.keep("f", fetch).read(4_000_000, 4_000_010) == CONTENT[4_000_000:4_000_010]
        assert site.sent <= 3 * 64 * 1024


def test_a_disk_that_is_full_is_told(
    fetch: Callable[[], HttpFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with Spool(tmp_path) as spool, pytest.raises(UnreadableCheckpoint, match=r"cannot be kept in .*: No space left"):
        spool.keep("f", fetch).read(0, 10)
    with Spool(tmp_path / "none") as spool, pytest.raises(UnreadableCheckpoint, match="cannot be kept"):
        spool.keep("f", fetch).read(0, 10)


@pytest.fixture
def models(site: Site, tmp_path: Path) -> list[str]:
    """Addresses of three models of 2.4 MB, and the folders that they come from."""
    for side, name in enumerate(("base", "ours", "theirs")):
        tensors = {"x.weight": random_tensor(side, (600, 1000)), "y.weight": random_tensor(9, (3, 3))}
        folder = write_model(tmp_path / name, tensors)
        site.places[f"/{name}.safetensors"] = Place((folder / "model.safetensors").read_bytes())
    return [site.url(f"/{name}.safetensors") for name in ("base", "ours", "theirs")]


def test_models_at_plain_addresses_are_merged_and_fetched_once(site: Site, models: list[str], tmp_path: Path) -> None:
    openshelf.merge(*(tmp_path / name for name in ("base", "ours", "theirs")), out=tmp_path / "local", method="ties")
    openshelf.merge(*models, out=tmp_path / "out", method="ties")
    assert stored(tmp_path / "out") == stored(tmp_path / "local")
    assert site.sent < 3 * 2_400_000 + 300_000
    openshelf.merge(recipe=tmp_path / "out" / "openshelf-merge.yaml", out=tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        tmp_path / "out" / "model.safetensors"
    ).read_bytes()
    site.places["/ours.safetensors"] = site.places["/theirs.safetensors"]
    with pytest.raises(openshelf.MergeError, match="is not the file that the recipe was made with"):
        openshelf.merge(recipe=tmp_path / "out" / "openshelf-merge.yaml", out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_signature_in_an_address_is_not_recorded(site: Site, models: list[str], tmp_path: Path) -> None:
    site.places["/ours.safetensors?sig=secret"] = site.places["/ours.safetensors"]
    openshelf.merge(models[0], models[1] + "?sig=secret", out=tmp_path / "out")
    record = (tmp_path / "out" / "openshelf-merge.yaml").read_text()
    assert f"{models[1]}?..." in record
    assert "secret" not in record


def test_a_line_that_breaks_is_taken_up_again_and_one_that_stays_broken_is_told(
    site: Site, models: list[str], tmp_path: Path
) -> None:
    site.places["/ours.safetensors"].cut = 30_000
    openshelf.merge(*models, out=tmp_path / "out")
    assert stored(tmp_path / "out").keys() == {"x.weight", "y.weight"}
    site.places["/theirs.safetensors"].cut_always = 0
    with pytest.raises(UnreadableCheckpoint, match=f"the connection broke.*{ATTEMPTS} times"):
        openshelf.merge(*models, out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_server_without_ranges_is_told(site: Site, models: list[str], tmp_path: Path) -> None:
    site.places["/base.safetensors"].ranges = False
    openshelf.merge(*models, out=tmp_path / "small")  # small files are taken whole
    large = save({"x.weight": np.zeros(MOST_WHOLE // 4 + 1, np.float32)})
    site.places["/base.safetensors"] = Place(large, ranges=False)
    with pytest.raises(UnreadableCheckpoint, match="does not give parts of files"):
        openshelf.merge(*models, out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_values_of_a_spooled_checkpoint(site: Site, models: list[str]) -> None:
    with Spool() as spool, open_checkpoint(models[1], spool=spool) as found:
        wanted = random_tensor(1, (600, 1000))
        for _ in range(2):
            assert np.array_equal(found.array("x.weight"), wanted)
        assert site.sent < 2_600_000
