"""What clients see of damage on the hub's disk: an error, never wrong bytes; and how a client mends it."""

from __future__ import annotations

import random
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from openshelf.services import scrub
from openshelf.storage.blocks import BLOCK_BYTES
from openshelf.storage.catalogue import blobs, xorbs
from openshelf.xet.hashes import to_hex
from openshelf.xet.segments import unpack_segments
from tests.hubs import actor
from tests.interfaces.conftest import World
from tests.services.bytes_in_hub import commit, store
from tests.services.test_scrub import flip

SIZE = 6 * BLOCK_BYTES


def _get(world: World, path: str, **headers: str) -> httpx.Response:
    headers["authorization"] = f"Bearer {world.alice}"
    return httpx.get(f"{world.served.url}/{path}", headers=headers, trust_env=False, timeout=60)


@pytest.mark.parametrize("at", [10, SIZE - 10])
def test_a_damaged_file_is_never_taken_for_whole(world: World, at: int) -> None:
    repo = world.repo()
    content = random.Random(at).randbytes(SIZE)
    blob = store(world.hub, repo, content)
    commit(world.hub, actor(world.hub, "alice"), repo, ("w.bin", blob))
    path = f"{repo.url_path}/resolve/main/w.bin"
    assert _get(world, path).content == content
    flip(world.hub.storage.blobs.local_path(blob.sha256), at)
    if at > BLOCK_BYTES:
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            _get(world, path)
    else:
        assert _get(world, path).status_code == 500
    for headers in ({}, {"range": "bytes=3000000-3000009"}):
        refused = _get(world, path, **headers)
        assert refused.status_code == 500
        assert "damaged" in refused.text
    metrics = _get(world, "metrics").text
    assert 'openshelf_damaged{kind="blob"} 0.0' not in metrics
    store(world.hub, repo, content)
    assert _get(world, path).content == content


def test_the_client_mends_a_damaged_xorb_by_sending_the_file_again(world: World, tmp_path: Path) -> None:
    repo = world.repo()
    api = HfApi(endpoint=world.served.url, token=world.alice)
    file = tmp_path / "w.bin"
    file.write_bytes(random.Random(4).randbytes(3_000_000))
    api.upload_file(path_or_fileobj=file, path_in_repo="w.bin", repo_id=repo.full_name)
    with world.hub.storage.catalogue.read() as tx:
        (row,) = blobs.linked(tx, repo.id, blobs.links(tx, repo.id)).values()
        chunks = xorbs.file(tx, row.xet_hash or b"")
    assert chunks is not None
    key = to_hex(unpack_segments(chunks.segments)[0].xorb_hash)
    flip(world.hub.storage.xorbs.local_path(key), 1_500_000)
    path = f"{repo.url_path}/resolve/main/w.bin"
    with pytest.raises(httpx.RemoteProtocolError):
        _get(world, path)
    assert _get(world, path).status_code == 500
    with pytest.raises(Exception, match=r"(?i)damaged|500|404|not"):
        api.hf_hub_download(repo.full_name, "w.bin", cache_dir=tmp_path / "cache")
    api.upload_file(path_or_fileobj=file, path_in_repo="w.bin", repo_id=repo.full_name)
    assert row.sha256 not in {damage.subject for damage in scrub.known_damage(world.hub)}
    assert _get(world, path).content == file.read_bytes()
    got = api.hf_hub_download(repo.full_name, "w.bin", cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == file.read_bytes()
