"""Headers of weights: safetensors, GGUF, NumPy, indexes of shards."""

from __future__ import annotations

import json
import struct

from openshelf.analysis.checkpoints.headers.gguf import read_gguf_header
from openshelf.analysis.checkpoints.headers.npy import read_npy_header
from openshelf.analysis.checkpoints.headers.safetensors import read_safetensors_header
from openshelf.analysis.checkpoints.headers.shard_index import read_shard_index
from openshelf.analysis.files.ranges import UnreadableFile, in_memory
from tests.fuzz.material import gguf, npy, safetensors
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    for read in (read_safetensors_header, read_gguf_header, read_npy_header):
        try:
            read(in_memory(data))
        except UnreadableFile as error:
            assert str(error)
    try:
        read_shard_index(data)
    except UnreadableFile as error:
        assert str(error)


def _seeds() -> list[bytes]:
    index = {"metadata": {"total_size": 8}, "weight_map": {"w": "a.safetensors"}}
    return [safetensors(), gguf(), npy(), json.dumps(index).encode(), struct.pack("<Q", 2**63)]


TARGET = Target(run, _seeds, memory=8 * 1024 * 1024, per_byte=400)
