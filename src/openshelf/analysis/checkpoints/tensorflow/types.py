"""TensorFlow's element types and shapes, as its messages write them.

Source: TensorFlow, core/framework/types.proto and tensor_shape.proto. Quantised integers are listed as the integers
that they are stored as; a reference to a type has its number and 100.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Array, Tensor
from openshelf.analysis.checkpoints.containers.protobuf import BYTES, VARINT, Field, Wire, signed
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files

DTYPES: Mapping[int, str] = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 11: "int8", 12: "uint8", 13: "int32", 14: "bfloat16", 15: "int16", 16: "uint16", 17: "uint16",
    18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64", 24: "float8_e5m2",
    25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz", 28: "float8_e5m2fnuz", 29: "int4",
    30: "uint4", 31: "int2", 32: "uint2", 33: "float4_e2m1fn",
}  # fmt: skip
MAX_DIMENSIONS = 254
"""As TensorFlow has it."""
ONE_IN_A_BYTE = "one-in-a-byte"
"""How TensorFlow writes integers of less than 8 bits: each in a byte of its own."""
_REFERENCE = 100


def dtype_of(number: int) -> str:
    """The name of a type; ``type N`` where this version does not know it."""
    return DTYPES.get(number - _REFERENCE if number > _REFERENCE else number, f"type {number}")


def one_in_a_byte(files: Files, tensor: Tensor) -> Array:
    """The values of a tensor that is written so."""
    held = dtypes.numpy_dtype(tensor.dtype)
    assert held is not None
    assert tensor.offset is not None
    raw = np.frombuffer(files.open(tensor.file).read(tensor.offset, tensor.offset + tensor.nbytes), np.int8)
    values: Array = (raw if tensor.dtype.startswith("int") else raw.view(np.uint8)).astype(held)
    return values.reshape(tensor.shape)


def read_shape(wire: Wire, field: Field, depth: int = 0) -> tuple[int, ...] | None:
    """The sides of a TensorShapeProto; None where it says that even their number is unknown.

    A side that is unknown is -1. Raises UnreadableCheckpoint where there are more than ``MAX_DIMENSIONS``.
    """
    sides: list[int] = []
    for found in wire.fields(field.start, field.end, depth):
        if (found.number, found.wire) == (2, BYTES):
            size = 0
            for part in wire.fields(found.start, found.end, depth + 1):
                size = signed(part.value) if (part.number, part.wire) == (1, VARINT) else size
            sides.append(size)
        elif (found.number, found.wire) == (3, VARINT) and found.value:
            return None
    if len(sides) > MAX_DIMENSIONS:
        raise UnreadableCheckpoint(wire.name, f"a shape has {len(sides):,} dimensions", field.start)
    return tuple(sides)
