"""Small PyTorch files of every kind, written without PyTorch."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.unit.checkpoints.pickles import Call, Kept, Name, pickled

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "uint8": "ByteStorage", "float64": "DoubleStorage"}
NO_HOOKS = Call(Name("collections", "OrderedDict"), ())
WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
BIAS = np.array([1, -2, 3], np.int64)


def kind(array: Any) -> Name:
    return Name("torch", STORAGES[array.dtype.name])


def tensor(key: str, array: Any, *more: None, turned: bool = False) -> Call:
    """A tensor of a storage that holds ``array``; ``turned`` swaps its first two sides."""
    shape, steps = array.shape, tuple(step // array.itemsize for step in array.strides)
    if turned:
        shape, steps = shape[::-1], steps[::-1]
    persistent = Kept(("storage", kind(array), key, "cpu", array.size, *more))
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (persistent, 0, shape, steps, False, NO_HOOKS))


def model(*view: None) -> dict[str, Any]:
    """``view`` is what old versions add to the name of a storage."""
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), (tensor("0", WEIGHT, *view), True, NO_HOOKS))
    return {
        "weight": parameter,
        "turned": tensor("0", WEIGHT, *view, turned=True),
        "inner": {"bias": tensor("1", BIAS, *view)},
        "n": 3,
    }


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as writer:
        for name, content in members.items():
            writer.writestr(zipfile.ZipInfo(f"archive/{name}"), content, method)
    return target.getvalue()


def zipped(value: Any = None, order: str = "<", method: int = zipfile.ZIP_STORED) -> bytes:
    members = {"data.pkl": pickled(model() if value is None else value)}
    members["byteorder"] = b"big" if order == ">" else b"little"
    members |= {"data/0": WEIGHT.astype(order + "f4").tobytes(), "data/1": BIAS.astype(order + "i8").tobytes()}
    return archive({**members, "version": b"3\n"}, method)


def script() -> bytes:
    leaf = Call(Name("__torch__", "Leaf"), (), {"w": tensor("0", WEIGHT), "cache": tensor("1", BIAS)})
    code = b'class Leaf(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n  w : Tensor\n'
    members = {
        "data.pkl": pickled(Call(Name("__torch__", "Root"), (), {"leaf": leaf, "training": False})),
        "code/__torch__.py": code,
        "data/0": WEIGHT.tobytes(),
        "data/1": BIAS.tobytes(),
        "constants/0": WEIGHT.tobytes(),
        "constants.pkl": pickled((tensor("0", WEIGHT),)),
        "version": b"3\n",
    }
    return archive(members)


def legacy() -> bytes:
    head = pickled(MAGIC) + pickled(1001) + pickled({"little_endian": True, "protocol_version": 1001, "type_sizes": {}})
    content = head + pickled(model(None)) + pickled(["1", "0"])
    return content + b"".join(struct.pack("<q", array.size) + array.tobytes() for array in (BIAS, WEIGHT))


def tar() -> bytes:
    """As PyTorch before 0.1.10 wrote it, by what ``legacy_load`` of PyTorch reads."""
    storages = pickled(2)
    for key, array in ((10, WEIGHT), (11, BIAS)):
        storages += pickled((key, "cpu", kind(array))) + struct.pack("<q", array.size) + array.tobytes()
    storages += pickled([(12, 10, 4, 8)])
    tensors = pickled(3)
    for key, root, sides, steps, offset in (
        (20, 10, (4, 3), (1, 4), 0), (21, 11, (3,), (1,), 0), (22, 12, (2, 3), (4, 1), 1)
    ):  # fmt: skip
        tensors += pickled((key, root, Name("torch", "FloatTensor")))
        tensors += struct.pack(f"<ii{2 * len(sides) + 1}q", len(sides), 0, *sides, *steps, offset)
    system = pickled({"protocol_version": 1000, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}})
    members = {
        "sys_info": system,
        "pickle": pickled({"turned": Kept("20"), "inner": {"bias": Kept("21")}, "piece": Kept("22")}),
        "tensors": tensors,
        "storages": storages,
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            writer.addfile(entry, io.BytesIO(content))
    return target.getvalue()


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "pytorch zip": lambda: {"model.pt": zipped()},
    "pytorch zip big-endian": lambda: {"model.pt": zipped(order=">")},
    "pytorch zip packed": lambda: {"model.pt": zipped(method=zipfile.ZIP_DEFLATED)},
    "torchscript": lambda: {"model.pt": script()},
    "pytorch legacy": lambda: {"model.pt": legacy()},
    "pytorch tar": lambda: {"model.pt": tar()},
}
