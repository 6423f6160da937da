"""safetensors: a JSON header, then the data (see ``headers.safetensors`` for the layout)."""

from __future__ import annotations

from collections.abc import Mapping

from openshelf.analysis.checkpoints.checkpoint import Listing, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.headers.safetensors import FORMAT_MAX_HEADER, read_safetensors_header

DTYPES: Mapping[str, str] = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F4": "float4_e2m1fn",
    "F6_E2M3": "float6_e2m3fn", "F6_E3M2": "float6_e3m2fn",
}  # fmt: skip


def matches(file: OpenFile) -> bool:
    if file.size < 10:
        return False
    head = file.read(0, 9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= FORMAT_MAX_HEADER


def read(files: Files, name: str) -> Listing:
    header = read_safetensors_header(files.open(name))
    if header.problems:
        raise UnreadableCheckpoint(name, header.problems[0])
    start = header.start
    tensors = [
        Tensor(called, DTYPES[one.dtype], one.shape, name, start + begin, end - begin)
        for called, one in header.entries.items()
        for begin, end in (one.data_offsets,)
    ]
    return Listing(FORMAT.name, tuple(tensors), header.metadata)


FORMAT = Format("safetensors", "a safetensors file", matches, read)
