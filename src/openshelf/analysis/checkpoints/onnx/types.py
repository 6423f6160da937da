"""What ONNX files say of inputs and outputs: their names, types and shapes (onnx.proto, ValueInfoProto, TypeProto)."""

from __future__ import annotations

from typing import Any

from openshelf.analysis.checkpoints.containers.protobuf import BYTES, Field, Wire, signed

DTYPES: dict[int, str] = dict(
    enumerate(
        "float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 "
        "bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz uint4 int4 float4_e2m1fn float8_e8m0fnu "
        "uint2 int2 float6_e2m3fn float6_e3m2fn".split(),
        1,
    )
)
"""TensorProto.DataType: its number, and the name here."""


def value_info(wire: Wire, message: Field, depth: int) -> dict[str, Any]:
    """Name, type and shape of an input or output; a side without a number has its name, or None."""
    found: dict[str, Any] = {"name": ""}
    for one in wire.fields(message.start, message.end, depth):
        if one.number == 1:
            found["name"] = wire.text(one)
        elif one.number == 2 and one.wire == BYTES:
            for kind in wire.fields(one.start, one.end, depth + 1):
                if kind.number == 1 and kind.wire == BYTES:
                    found.update(_tensor_type(wire, kind, depth + 2))
    return found


def _tensor_type(wire: Wire, message: Field, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in wire.fields(message.start, message.end, depth):
        if one.number == 1:
            found["dtype"] = DTYPES.get(one.value, str(one.value))
        elif one.number == 2 and one.wire == BYTES:
            found["shape"] = [
                _side(wire, side, depth + 2) for side in wire.fields(one.start, one.end, depth + 1) if side.number == 1
            ]
    return found


def _side(wire: Wire, message: Field, depth: int) -> int | str | None:
    side: int | str | None = None
    for one in wire.fields(message.start, message.end, depth) if message.wire == BYTES else ():
        if one.number in (1, 2):
            side = signed(one.value) if one.number == 1 else wire.text(one)
    return side
