"""TensorFlow checkpoints: real indexes, written ones, damaged ones; Snappy and the check sum beneath them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from openshelf.analysis.checkpoints.tensorflow.crc32c import crc32c, masked
from openshelf.analysis.checkpoints.tensorflow.snappy import unpack
from openshelf.analysis.files.ranges import UnreadableFile
from tests.fuzz.mutations import mutated
from tests.unit.checkpoints.hostile import take
from tests.unit.checkpoints.makers import tensorflow as maker
from tests.unit.checkpoints.samples import ROOT, entries, needs_samples

INDEXES = [one for one in entries("tf_savedmodel") if one["file"].endswith(".index")]
BLOCK = 40


def opened(files: dict[str, bytes]) -> Checkpoint:
    return open_files(HeldFiles(files), is_folder=False, first=next(iter(files)))


@needs_samples
@pytest.mark.parametrize("sample", INDEXES, ids=lambda sample: str(sample["file"]))
def test_real_indexes_list_what_tensorflow_lists(sample: dict[str, Any]) -> None:
    with open_checkpoint(ROOT / sample["file"]) as found:
        assert found.format == "tensorflow-checkpoint"
        assert [[tensor.name, tensor.dtype, list(tensor.shape)] for tensor in found] == sample["tensors"]
        values = {tensor.name[0]: float(found.array(tensor)) for tensor in found if tensor.role is Role.WEIGHT}
        assert values == {"a": 0.5, "b": 2.0, "c": 3.0}


@pytest.mark.parametrize("packed", [False, True])
def test_every_kind_of_entry(packed: bool) -> None:
    with opened(maker.plain(packed)) as found:
        assert {tensor.name: tensor.role.value for tensor in found} == {
            "_CHECKPOINTABLE_OBJECT_GRAPH": "state", "net/half": "weight", "net/kernel": "weight",
            "net/kernel/Adam": "optimizer", "net/narrow": "weight", "save_counter": "state",
        }  # fmt: skip
        assert found.array("net/kernel").tolist() == np.arange(12).reshape(3, 4).tolist()
        assert found.array("net/half").astype(float).tolist() == [1.0, 1.0, 1.0]
        assert found.array("net/narrow").astype(int).tolist() == [1, -1, -8]
        assert found.array("_CHECKPOINTABLE_OBJECT_GRAPH").tolist() == [b"graph", b""]
        assert found["net/kernel/Adam"].file == "m.data-00001-of-00002"
        assert found.files == ("m.index", "m.data-00000-of-00002", "m.data-00001-of-00002")
        assert found.facts.parameters == 18


def test_big_endian_values() -> None:
    with opened(maker.big_endian()) as found:
        assert found.array("a").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found.elements(found["b"], 2, 4).tolist() == [2, 3]


def test_partitioned_variables_are_listed_whole() -> None:
    with opened(maker.partitioned()) as found:
        (tensor,) = found
        assert (tensor.name, tensor.shape, tensor.nbytes, tensor.offset) == ("table", (4, 6), 96, None)
        assert found.array(tensor).tolist() == np.arange(24).reshape(4, 6).tolist()


def broken(**entries: bytes) -> dict[str, bytes]:
    made = {b"": maker.header()} | {name.encode(): value for name, value in entries.items()}
    return {"m.index": maker.table(made), "m.data-00000-of-00001": bytes(BLOCK)}


@pytest.mark.parametrize(
    ("files", "file", "reason"),
    [
        (broken(a=maker.entry("float32", (3,), 32, 12)), "m.data-00000-of-00001", "byte 32: 'a' should end at byte 44"),
        (broken(a=maker.entry("float32", (4,), 0, 12)), "m.index", "'a' needs 16 bytes for its shape, 12 are given"),
        (broken(a=maker.entry("float32", (3,), 0, 12, 1)), "m.index", "'a' should be in data file 1, and there are 1"),
        (broken(a=maker.entry("string", (99,), 0, 12)), "m.index", "says to be 99 texts in 12 bytes"),
        (broken(a=maker.entry("float32", (-1,), 0, 12)), "m.index", "'a' is malformed: its shape is not known"),
        (broken(a=maker.entry("float32", (4,), 0, 0, 0, [((0, 4),)])), "m.index", "the slice .* has no entry"),
        (broken(a=b"\x08"), "m.index", "entry of 'a' is malformed"),
        ({"m.index": maker.table({b"a": b""})}, "m.index", "the header is missing"),
        ({"m.index": maker.table({b"": maker.header(), b"a": maker.entry("int64", (1,), 0, 8)})},
         "m.data-00000-of-00001", "there is no such file"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(files: dict[str, bytes], file: str, reason: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
        opened(files)
    assert caught.value.file == file


def test_damage_is_told_by_the_check_sums() -> None:
    files = maker.plain()
    index = bytearray(files["m.index"])
    index[10] ^= 1
    with pytest.raises(UnreadableCheckpoint, match=r"m\.index: at byte 0: the check sum of a block is wrong"):
        opened({**files, "m.index": bytes(index)})
    data = files["m.data-00000-of-00002"]
    with (
        opened({**files, "m.data-00000-of-00002": data[:-1] + b"x"}) as found,
        pytest.raises(UnreadableFile, match="the check sum of '_CHECKPOINTABLE_OBJECT_GRAPH' is wrong"),
    ):
        found.array("_CHECKPOINTABLE_OBJECT_GRAPH")


@settings(max_examples=300, deadline=None)
@given(mutated([maker.block({b"": maker.header(), b"a": maker.entry("float32", (2,), 0, 8)})[:-5]]), st.booleans())
def test_hostile_blocks_with_right_sums(content: bytes, packed: bool) -> None:
    """The sums hide nothing from a reader of files that somebody sealed on purpose."""
    data = maker.sealed(content, int(packed))
    index = maker.block({b"z": maker.varint(0) + maker.varint(len(content))})
    handles = maker.varint(0) * 2 + maker.varint(len(data)) + maker.varint(len(index) - 5)
    take({"m.index": data + index + handles.ljust(40, b"\0") + maker.MAGIC, "m.data-00000-of-00001": bytes(BLOCK)})


@given(st.lists(st.one_of(st.binary(max_size=50), st.just(b"again and again "), st.just(bytes(2000)))))
def test_snappy_against_the_library(parts: list[bytes]) -> None:
    content = b"".join(parts)
    packed = bytes(pa.compress(content, "snappy", asbytes=True))
    assert unpack(packed, len(content)) == content
    if content:
        with pytest.raises(UnreadableFile, match="at most"):
            unpack(packed, len(content) - 1)
        with pytest.raises(UnreadableFile):
            unpack(packed[:-1], len(content))


@given(mutated([bytes(pa.compress(b"abcdabcd" * 40 + bytes(range(90)), "snappy", asbytes=True))]))
def test_snappy_holds_no_more_than_it_says(packed: bytes) -> None:
    try:
        assert len(unpack(packed, 1000)) <= 1000
    except UnreadableFile:
        pass


@pytest.mark.parametrize(
    "packed", [b"", b"\xff" * 6, b"\x04\x0cabc", b"\x04\x01", b"\x04\x01\x00", b"\x08\x0cabcd\x01\x09"]
)
def test_damaged_snappy(packed: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"damaged|holds"):
        unpack(packed, 100)


@pytest.mark.parametrize(
    ("made", "name", "file", "place"),
    [
        (maker.plain(), "net/kernel", "m.data-00000-of-00002", 5),
        (maker.partitioned(), "table", "m.data-00000-of-00001", 95),
    ],
)
def test_values_that_changed_since_their_sum_was_taken(
    made: dict[str, bytes], name: str, file: str, place: int
) -> None:
    assert opened(made).array(name).size
    content = bytearray(made[file])
    content[place] ^= 1
    found = opened({**made, file: bytes(content)})  # listing reads no values, so it finds nothing wrong
    with pytest.raises(UnreadableValues, match=f"the check sum of '{name}' is wrong"):
        found.array(name)


def plain_sum(content: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in content:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_check_sums() -> None:
    """The vectors of RFC 3720 B.4, and the plain way on lengths around where lanes begin, and those of a lane."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    content = np.random.default_rng(1).bytes(9000)
    for length in (0, 1, 255, 3000, 8191, 8192, 8193, 8447, 8448, 8449, 8961, 9000):
        assert crc32c(content[:length]) == plain_sum(content[:length])
    assert masked(crc32c(b"foo")) != crc32c(b"foo")
