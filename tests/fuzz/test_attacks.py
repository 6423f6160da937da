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
from tests.fuzz.watch import watched
from tests.unit.checkpoints.hostile import READ, take

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


def _weights(attack: Attack, *, is_folder: bool) -> None:
    """Listed, and the values of small tensors decoded, with nothing else opened or started."""
    with watched():
        said = take({attack.file: attack.content, **attack.beside}, is_folder=is_folder)
    if said != READ:
        raise UnreadableFile(said)


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
FOLDERS: Mapping[str, bool] = {
    "weights": False, "taken weights": False, "folder of weights": True, "taken folder of weights": True,
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.reader}: {attack.name}")
def test_every_attack_is_met(attack: Attack) -> None:
    tracemalloc.start()
    try:
        message = _refusal(attack)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (message is None) == attack.reader.startswith("taken"), message
    assert attack.said in (message or ""), message
    given = len(attack.content) + sum(map(len, attack.beside.values()))
    assert peak <= MEMORY + PER_BYTE * given, f"{peak} bytes of memory"


def _refusal(attack: Attack) -> str | None:
    try:
        if attack.reader in FOLDERS:
            _weights(attack, is_folder=FOLDERS[attack.reader])
        else:
            READERS[attack.reader](attack.content)
    except OpenshelfError as error:
        assert status_of(error) < 500
        return error.message
    except (XetFormatError, UnreadableFile) as error:
        return str(error)
    return None
