"""The walker of Protocol Buffers: against the protobuf that onnx brings, and on bytes that are no message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.containers.protobuf import (
    BYTES,
    FIXED32,
    MAX_DEPTH,
    VARINT,
    Field,
    Wire,
    signed,
    unpacked_varints,
    zigzag,
)
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import HeldFile

onnx = pytest.importorskip("onnx", reason="the protobuf of onnx writes the messages")
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


def wire(content: bytes, most_fields: int = 1000) -> Wire:
    return Wire(HeldFile("m.pb", content), "m.pb", most_fields)


def fields(content: bytes) -> list[Field]:
    return list(wire(content).fields(0, len(content)))


@given(st.lists(NUMBERS, max_size=300), st.text(max_size=40), st.floats(width=32, allow_nan=False))
def test_fields_are_what_was_written(dims: list[int], name: str, value: float) -> None:
    message = onnx.TensorProto(dims=dims, name=name, int64_data=dims)
    content = message.SerializeToString() + onnx.AttributeProto(f=value).SerializeToString()
    walked = wire(content)
    found = list(walked.fields(0, len(content)))
    assert [signed(number) for field in found if field.number == 1 for number in walked.varints(field).tolist()] == dims
    packed = [walked.varints(field).astype("int64").tolist() for field in found if field.number == 7]
    assert packed == ([dims] if dims else [])
    assert [walked.text(field) for field in found if field.number == 8] == [name]
    assert [field.wire for field in found if field.number == 2] == [FIXED32]


@given(st.lists(st.integers(0, (1 << 64) - 1)))
def test_packed_numbers(numbers: list[int]) -> None:
    content = b""
    for number in numbers:
        while number > 0x7F:
            content, number = content + bytes([number & 0x7F | 0x80]), number >> 7
        content += bytes([number])
    assert unpacked_varints(content).tolist() == numbers


LONG = bytes(((1 << 40) - 1010) >> shift & 0x7F | (0x80 if shift < 35 else 0) for shift in range(0, 42, 7))


def test_long_payloads_are_skipped() -> None:
    """A file of a terabyte is walked by its heads alone."""

    class Sparse(HeldFile):
        asked = 0
        size = 1 << 40

        def view(self, start: int, end: int, /) -> memoryview:
            Sparse.asked += end - start
            head = b"\x0a\xe8\x07" + bytes(1000) + b"\x12" + LONG if start == 0 else b""
            return memoryview(head.ljust(end - start, b"\0"))

    found = list(Wire(Sparse("big", b""), "big").fields(0, 1 << 40))
    assert [(field.number, field.wire, field.value) for field in found] == [
        (1, BYTES, 1000), (2, BYTES, (1 << 40) - 1010),
    ]  # fmt: skip
    assert Sparse.asked < 200_000


@pytest.mark.parametrize(
    ("content", "reason", "offset"),
    [
        (b"\x08\x01\x0a\x05ab", "goes on to byte 9, its message ends at byte 6", 2),
        (b"\x08\x80", "cut off", 1),
        (b"\x08" + b"\xff" * 11, "more than 64 bits", 1),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "more than 64 bits", 1),
        (b"\x0b", "wire type 3", 0),
        (b"\x00\x01", "the number 0", 0),
        (b"\x0d\x01\x02", "goes on to byte 5", 0),
    ],
)
def test_what_is_no_message_is_refused(content: bytes, reason: str, offset: int) -> None:
    with pytest.raises(UnreadableCheckpoint, match=reason) as caught:
        fields(content)
    assert (caught.value.file, caught.value.offset) == ("m.pb", offset)


def test_counts_depths_and_lengths_are_bounded() -> None:
    with pytest.raises(UnreadableCheckpoint, match="more than 10 fields"):
        list(wire(b"\x08\x01" * 11, 10).fields(0, 22))
    with pytest.raises(UnreadableCheckpoint, match="deeper"):
        list(wire(b"").fields(0, 0, MAX_DEPTH + 1))
    with pytest.raises(UnreadableCheckpoint, match="at most 3 are read"):
        wire(b"\x0a\x04abcd").content(Field(1, BYTES, 4, 2, 6), 3)
    with pytest.raises(UnreadableCheckpoint, match="a number where bytes belong"):
        wire(b"\x08\x01").content(Field(1, VARINT, 1, 1, 2))
    with pytest.raises(ValueError, match="cut off"):
        unpacked_varints(b"\x01\x80")
    with pytest.raises(ValueError, match="64 bits"):
        unpacked_varints(b"\x80" * 10 + b"\x01")
    assert [zigzag(value) for value in (0, 1, 2, 3)] == [0, -1, 1, -2]
    assert wire(b"\x0a\x02\xffa").text(Field(1, BYTES, 2, 2, 4)) == "\\xffa"


@given(st.binary(max_size=60))
def test_any_bytes_end_in_fields_or_an_error(content: bytes) -> None:
    try:
        found = fields(content)
    except UnreadableCheckpoint:
        return
    assert all(field.end <= len(content) for field in found)
