"""PyTorch archives at an address: listing takes the directory and the pickle, values the storage that they are in."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from openshelf.analysis.checkpoints.opening import open_checkpoint
from tests.unit.checkpoints.makers.pytorch import archive, tensor
from tests.unit.checkpoints.pickles import pickled
from tests.unit.checkpoints.serving import Place, Site, serving

COUNT = 4
STORAGES: list[Any] = [
    np.random.default_rng(number).integers(0, 100, (500, 1000)).astype(np.float32) for number in range(COUNT)
]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    members = {"data.pkl": pickled({f"layer.{n}": tensor(str(n), values) for n, values in enumerate(STORAGES)})}
    members |= {f"data/{n}": values.tobytes() for n, values in enumerate(STORAGES)}
    places = {f"/{method}.pt": Place(archive(members, method)) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)}
    with serving(places) as found:
        yield found


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_only_headers_are_fetched_to_list_and_one_member_for_its_values(site: Site, method: int) -> None:
    content = site.places[f"/{method}.pt"].content
    stored = zipfile.ZipFile(io.BytesIO(content)).getinfo("archive/data/2").compress_size
    with open_checkpoint(site.url(f"/{method}.pt")) as found:
        assert [(one.name, one.shape) for one in found] == [(f"layer.{n}", (500, 1000)) for n in range(COUNT)]
        # The beginning, the directory at the end, and a local header before each member: blocks of 64 KiB.
        listed = site.sent
        assert listed <= (COUNT + 3) * 64 * 1024 < len(content)
        assert np.array_equal(found.array("layer.2"), STORAGES[2])
        assert site.sent - listed < stored + 3 * 64 * 1024
        assert np.array_equal(found.elements(found["layer.1"], 10, 20), STORAGES[1].reshape(-1)[10:20])
