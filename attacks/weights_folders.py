"""Folders whose files lead to each other, or elsewhere: indexes of shards, Orbax, skops, what stands beside weights."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tests.unit.checkpoints.makers.orbax import array, tree

from attacks import Attack
from attacks.weights_headers import TAKEN, WEIGHTS

FOLDER, TAKEN_FOLDER = "folder of weights", "taken folder of weights"
_INDEX = "model.safetensors.index.json"


def attacks() -> Iterator[Attack]:
    yield from _indexes()
    yield from _orbax()
    yield from _skops()


def _shard(*names: str) -> bytes:
    entries = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * number, 4 * number + 4]}
        for number, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * len(names))


def _index(shards: Any, said: str, name: str, beside: Mapping[str, bytes], reader: str = FOLDER) -> Attack:
    return Attack(name, reader, json.dumps({"weight_map": shards}).encode(), said, beside, _INDEX)


def _indexes() -> Iterator[Attack]:
    one = {"a.safetensors": _shard("w")}
    for place in ("../../etc/passwd", "/etc/passwd", "x/../../a.safetensors", "..\\a.safetensors", "a.safetensors\0"):
        yield _index({"w": place}, "there is no such file", f"a shard at {place!r}", one)
    yield _index({"w": "a.safetensors", "v": "a.safetensors"}, "it is in no file", "a tensor that is in no shard", one)
    both = {"a.safetensors": _shard("w"), "b.safetensors": _shard("w", "v")}
    yield _index(
        {"w": "a.safetensors", "v": "b.safetensors"}, "stands in a.safetensors too", "a tensor in two shards", both
    )
    yield _index({"w": _INDEX}, "no format that is read here", "an index that leads to itself", {})
    yield _index({"w": ["a"]}, "", "a shard that is a list", one, TAKEN_FOLDER)
    deep = {"config.json": b"[" * 100_000}
    yield Attack("a configuration as deep as it is long", TAKEN_FOLDER, _shard("w"), "", deep, "model.safetensors")
    yield Attack("an index as deep as it is long", FOLDER, b"[" * 100_000, "is not JSON", one, _INDEX)
    missing = {"model-00001-of-99999.safetensors": _shard("w")}
    yield Attack(
        "one part of 99,999",
        FOLDER,
        _shard("v"),
        "the part with number 3 is missing",
        missing,
        "model-00002-of-99999.safetensors",
    )


def _orbax() -> Iterator[Attack]:
    for name in ("../../etc", "/etc/passwd"):
        outside = tree({(name, "w"): {}}, use_ocdbt=False)
        yield Attack(f"a tree with {name!r} in it", WEIGHTS, outside, "leads outside", {}, "default/_METADATA")
    vast = {"default/w/.zarray": array(np.zeros(()), "<f4").replace(b'"shape": []', b'"shape": [1152921504606846976]')
            .replace(b'"chunks": []', b'"chunks": [1]')}  # fmt: skip
    yield Attack(
        "2^60 chunks",
        WEIGHTS,
        tree({("w",): {}}, use_ocdbt=False),
        "no proper shape and chunks",
        vast,
        "default/_METADATA",
    )
    none = {"default/w/.zarray": array(np.zeros(4), "<f4", chunks=[0]), "default/w/0": bytes(16)}
    yield Attack("chunks of no elements", TAKEN, tree({("w",): {}}, use_ocdbt=False), "", none, "default/_METADATA")


def _skops_of(schema: str, **members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as writer:
        for name, content in members.items():
            writer.writestr(f"{name}.npy", content)
        writer.writestr("schema.json", schema)
    return target.getvalue()


def _skops() -> Iterator[Attack]:
    def node(**more: Any) -> str:
        found = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", **more}
        return json.dumps({**found, "protocol": 2, "_skops_version": "0.16.0"})

    for place in ("../../a.npy", "/a.npy"):
        yield Attack(f"an array at {place!r}", WEIGHTS, _skops_of(node(type="numpy", file=place)), "which is not there")
    deep = '{"content": ' * 100_000 + "1" + "}" * 100_000
    yield Attack("a schema as deep as it is long", WEIGHTS, _skops_of(deep), "is not JSON that can be read")
