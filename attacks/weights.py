"""Headers of weights that ask for more than there is."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

from attacks import Attack


def attacks() -> Iterator[Attack]:
    yield Attack("a header of 2^63 bytes", "safetensors", struct.pack("<Q", 2**63) + b"{}", "header")
    deep = b"[" * 200_000
    yield Attack("a header as deep as it is long", "safetensors", struct.pack("<Q", len(deep)) + deep, "")
    twice = (
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    yield Attack("a name twice", "safetensors", struct.pack("<Q", len(twice)) + twice + bytes(4), "twice")
    yield Attack("2^60 tensors", "gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "")
    yield Attack("a text of 2^62 bytes", "gguf", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "")
    nested = struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 10_000
    pairs = struct.pack("<Q", 1) + b"a" + nested
    yield Attack("lists in lists in lists", "gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pairs, "")
    header = b"{'descr': __import__('os').system('false'), 'fortran_order': False, 'shape': (1,)}\n"
    yield Attack(
        "a header that is a program", "npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header, ""
    )
    index = {"weight_map": {str(number): "../../etc/passwd" for number in range(1000)}}
    yield Attack("shards outside the repo", "taken", json.dumps(index).encode(), "")
