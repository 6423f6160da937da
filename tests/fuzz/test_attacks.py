"""Every hostile file of attacks/ is refused in words, or taken without harm, in little memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable, Mapping

import pytest
from attacks import Attack, every

from openshelf.analysis.checkpoints.headers.gguf import read_gguf_header
from openshelf.analysis.checkpoints.headers.npy import read_npy_header
from openshelf.analysis.checkpoints.headers.safetensors import read_safetensors_header
from openshelf.analysis.checkpoints.headers.shard_index import read_shard_index
from openshelf.analysis.files.ranges import UnreadableFile, in_memory
from openshelf.domain.tree import AddInline
from openshelf.errors import OpenshelfError
from openshelf.interfaces.git.pkt_lines import PacketReader
from openshelf.interfaces.git.streams import Gunzip
from openshelf.interfaces.hf.commit_body import CommitBody
from openshelf.interfaces.http.errors import status_of
from openshelf.interfaces.lfs.batch import read_request
from openshelf.xet.errors import XetFormatError
from openshelf.xet.shards import parse_shard
from openshelf.xet.xorbs import verify_xorb

ATTACKS = list(every())
MEMORY = 48 * 1024 * 1024
PER_BYTE = 30


def _commit(data: bytes) -> None:
    body = CommitBody(AddInline, 10_000, 100)
    body.write(data)
    body.finish()


def _packets(data: bytes) -> None:
    reader = PacketReader()
    reader.feed(data)
    reader.next()


def _gzip(data: bytes) -> None:
    unpacked = Gunzip(io.BytesIO(), 100_000)
    unpacked.write(data)
    unpacked.check_end()


READERS: Mapping[str, Callable[[bytes], object]] = {
    "xorb": verify_xorb,
    "shard": parse_shard,
    "safetensors": lambda data: read_safetensors_header(in_memory(data)),
    "gguf": lambda data: read_gguf_header(in_memory(data)),
    "npy": lambda data: read_npy_header(in_memory(data)),
    "taken": read_shard_index,
    "commit": _commit,
    "lfs": lambda data: read_request(json.loads(data)),
    "packets": _packets,
    "gzip": _gzip,
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.reader}: {attack.name}")
def test_every_attack_is_met(attack: Attack) -> None:
    tracemalloc.start()
    try:
        message = _refusal(attack)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (message is None) == (attack.reader == "taken"), message
    assert attack.said in (message or ""), message
    assert peak <= MEMORY + PER_BYTE * len(attack.content), f"{peak} bytes of memory"


def _refusal(attack: Attack) -> str | None:
    try:
        READERS[attack.reader](attack.content)
    except OpenshelfError as error:
        assert status_of(error) < 500
        return error.message
    except (XetFormatError, UnreadableFile) as error:
        return str(error)
    return None
