"""Which files of a shard are accepted."""

from dataclasses import replace
from typing import Any

import pytest

from openshelf.xet.errors import UnknownXorbError, XetFormatError
from openshelf.xet.files import validate_file
from openshelf.xet.shards import ShardFile
from openshelf.xet.xorb_index import XorbIndex

from .material import Stored, nothing_stored


def _indexes(stored: Stored) -> dict[bytes, XorbIndex]:
    return {name: built.index for name, built in stored.xorbs.items()}


def test_a_true_file_is_accepted(stored: Stored) -> None:
    assert validate_file(stored.file, _indexes(stored).get) == len(stored.data)


def test_the_empty_file_is_accepted() -> None:
    assert validate_file(ShardFile(bytes(32), (), (), bytes(32)), nothing_stored) == 0


def test_no_segments_make_no_other_file() -> None:
    with pytest.raises(XetFormatError, match="have the file hash 0000"):
        validate_file(ShardFile(b"\1" * 32, (), ()), nothing_stored)


def test_an_unknown_xorb_is_named(stored: Stored) -> None:
    indexes = _indexes(stored)
    del indexes[stored.file.segments[1].xorb_hash]
    with pytest.raises(UnknownXorbError, match="is not stored here") as caught:
        validate_file(stored.file, indexes.get)
    assert caught.value.xorb_hash == stored.file.segments[1].xorb_hash


def _with_segment(file: ShardFile, number: int, **changes: Any) -> ShardFile:
    segments = list(file.segments)
    segments[number] = replace(segments[number], **changes)
    return replace(file, segments=tuple(segments))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end_chunk": 10_000}, "segment 2 of file .* refers to chunks .* to 10000 of xorb .*, which has"),
        ({"length": 5}, "claims 5 bytes, but its chunks have"),
        ({"start_chunk": 0}, "claims"),
    ],
)
def test_segments_must_agree_with_the_xorb(stored: Stored, changes: dict[str, int], message: str) -> None:
    with pytest.raises(XetFormatError, match=message):
        validate_file(_with_segment(stored.file, 2, **changes), _indexes(stored).get)


def test_each_segment_needs_its_proof(stored: Stored) -> None:
    proofs = stored.file.verification
    assert proofs is not None
    for wrong, message in (
        (None, "lacks a verification hash"),
        (proofs[:2], "lacks a verification hash"),
        ((proofs[0], bytes(32), proofs[2]), "segment 1 of file .* has a wrong verification hash"),
    ):
        with pytest.raises(XetFormatError, match=message):
            validate_file(replace(stored.file, verification=wrong), _indexes(stored).get)


def test_the_file_hash_must_be_the_one_of_the_chunks(stored: Stored) -> None:
    proofs = stored.file.verification
    assert proofs is not None
    swapped = replace(stored.file, segments=stored.file.segments[::-1], verification=proofs[::-1])
    with pytest.raises(XetFormatError, match="made of chunks that have the file hash"):
        validate_file(swapped, _indexes(stored).get)


def test_consecutive_segments_cost_one_look_up(stored: Stored) -> None:
    asked = []

    def lookup(xorb_hash: bytes) -> XorbIndex:
        asked.append(xorb_hash)
        return _indexes(stored)[xorb_hash]

    first = stored.file.segments[0]
    index = _indexes(stored)[first.xorb_hash]
    halves = [
        replace(first, end_chunk=1, length=index.raw_length_of(0, 1)),
        replace(first, start_chunk=1, length=index.raw_length_of(1, first.end_chunk)),
    ]
    proofs = [index.range_hash(half.start_chunk, half.end_chunk) for half in halves]
    file = replace(
        stored.file,
        segments=(*halves, *stored.file.segments[1:]),
        verification=(*proofs, *(stored.file.verification or ())[1:]),
    )
    assert validate_file(file, lookup) == len(stored.data)
    assert len(asked) == 3
