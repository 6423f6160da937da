"""Our reading of what the stock client wrote: every hash, cut, xorb and shard must agree."""

import hashlib
from pathlib import Path

import hf_xet
import numpy as np
import pytest

from openshelf.xet.chunking import iter_chunks
from openshelf.xet.files import validate_file
from openshelf.xet.hashes import chunk_hash, file_hash, to_hex
from openshelf.xet.reads import decode_read, plan_reads
from openshelf.xet.shard_building import build_upload_shard
from openshelf.xet.shards import parse_shard
from openshelf.xet.xorb_index import XorbIndex
from openshelf.xet.xorbs import verify_xorb

from .material import LocalStore, bf16, upload_locally


def _our_hash(data: bytes) -> str:
    return to_hex(file_hash((chunk_hash(chunk), len(chunk)) for chunk in iter_chunks([data])))


def _indexes(store: LocalStore) -> dict[bytes, XorbIndex]:
    indexes = {}
    for name, body in store.xorbs.items():
        verified = verify_xorb(body)
        assert to_hex(verified.xorb_hash) == name
        assert verified.footer_length == 96 + 40 * len(verified.index)
        indexes[verified.xorb_hash] = verified.index
    return indexes


def _check_store(files: dict[str, bytes], store: LocalStore) -> None:
    indexes = _indexes(store)
    assert all(xorb.hashes == indexes[xorb.xorb_hash].hashes for shard in store.parsed() for xorb in shard.xorbs)
    known = {file.file_hash: file for shard in store.parsed() for file in shard.files}
    bodies = {name: store.xorbs[to_hex(name)] for name in indexes}
    for data in files.values():
        file = known[file_hash((chunk_hash(chunk), len(chunk)) for chunk in iter_chunks([data]))]
        assert validate_file(file, indexes.get) == len(data)
        assert file.sha256 == (hashlib.sha256(data).digest() if data else bytes(32))
        pieces = (
            piece
            for read in plan_reads(file.segments, indexes.get)
            for piece in decode_read(read, bodies[read.xorb_hash][read.byte_start : read.byte_end])
        )
        assert b"".join(pieces) == data


def test_the_store_of_the_client_is_understood(samples: dict[str, bytes], local_store: LocalStore) -> None:
    assert local_store.xorbs
    _check_store(samples, local_store)


def test_the_client_cuts_and_hashes_alike(samples: dict[str, bytes], tmp_path: Path) -> None:
    files = dict(samples)
    window = next(chunk[-64:] for chunk in iter_chunks([samples["random"]]) if len(chunk) < 131072)
    for gap in (0, 1, 63, 64, 8063, 8064, 8065, 8128, 32704, 131008):
        files[f"near the bounds {gap}"] = (window + bytes([59]) * gap) * (400_000 // (gap + 64))
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    answers = hf_xet.hash_files([str(tmp_path / name) for name in files])
    theirs = {name: (answer.hash, answer.file_size) for name, answer in zip(files, answers, strict=True)}
    assert theirs == {name: (_our_hash(data), len(data)) for name, data in files.items()}


def test_a_shard_of_the_client_survives_rewriting(local_store: LocalStore) -> None:
    for data in local_store.shards:
        shard = parse_shard(data)
        again = build_upload_shard(shard.files, shard.xorbs)
        assert again[48:] == data[48 : len(again)].replace(b"\0\0\0\x80" + bytes(4), bytes(8))
        assert parse_shard(again).files == shard.files


@pytest.mark.slow
def test_a_file_of_several_xorbs(tmp_path: Path) -> None:
    rng = np.random.default_rng(77)
    files = {"weights": bf16(40_000_000, 9) + rng.bytes(60_000_000)}
    store = upload_locally(files, tmp_path, tmp_path / "cache")
    assert len(store.xorbs) >= 3
    _check_store(files, store)
