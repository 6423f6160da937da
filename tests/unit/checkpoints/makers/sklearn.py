"""Small pickles, joblib files and skops archives, written without scikit-learn, joblib and skops."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import lz4.frame
import numpy as np

from tests.unit.checkpoints.pickles import Call, Name, pickled

MEAN = np.array([1.5, -2.0, 3.25])
TURNED = np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3))


def estimator() -> Call:
    """A fitted scaler; its arrays are pickled as protocol 2 has them."""
    return Call(
        Name("sklearn.preprocessing._data", "StandardScaler"),
        (),
        {"copy": True, "mean_": array(), "_sklearn_version": "1.9.1"},
    )


def array() -> Call:
    dtype = Call(Name("numpy", "dtype"), ("f8", False, True), (3, "<", None, None, None, -1, -1, 0))
    empty = Call(Name("numpy._core.multiarray", "_reconstruct"), (Name("numpy", "ndarray"), (0,), b"b"))
    return Call(empty.call, empty.args, (1, MEAN.shape, dtype, False, MEAN.tobytes()))


def plain(protocol: int) -> bytes:
    return pickle.dumps({"mean": MEAN, "inner": [TURNED], "lr": 0.5}, protocol)


def joblib() -> bytes:
    """One array between the opcodes, as joblib puts it: padded, after what describes it."""
    dtype = Call(Name("numpy", "dtype"), ("f8", False, True), (3, "<", None, None, None, -1, -1, 0))
    state = {
        "subclass": Name("numpy", "ndarray"), "shape": MEAN.shape, "order": "C", "dtype": dtype, "allow_mmap": True,
        "numpy_array_alignment_bytes": 16,
    }  # fmt: skip
    wrapper = Call(Name("joblib.numpy_pickle", "NumpyArrayWrapper"), (), state)
    before = pickled({"mean": wrapper})[:-2]
    padding = -(len(before) + 1) % 16
    return before + bytes([padding]) + b"\xff" * padding + MEAN.tobytes() + b"u."


def npy(values: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, values)
    return target.getvalue()


def skops(method: int = zipfile.ZIP_STORED) -> bytes:
    def node(kind: str, **more: Any) -> dict[str, Any]:
        return {"__class__": kind, "__module__": "m", "__loader__": f"{kind.title()}Node", "__id__": 1, **more}

    leaf = node("ndarray", type="numpy", file="1.npy")
    state = {
        "mean_": leaf,
        "steps": node("list", content=[node("ndarray", type="numpy", file="2.npy")]),
        "_sklearn_version": node("str", content='"1.9.1"', is_json=True),
    }
    root = node("Scaler", content=node("dict", content=state, key_types=node("list", content=[]))) | {
        "__loader__": "ObjectNode"
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as writer:
        for name, content in (("1.npy", npy(MEAN)), ("2.npy", npy(TURNED))):
            writer.writestr(zipfile.ZipInfo(name), content, method)
        schema = json.dumps({**root, "protocol": 2, "_skops_version": "0.16.0"})
        writer.writestr(zipfile.ZipInfo("schema.json"), schema, method)
    return target.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "lz4": lambda content: bytes(lz4.frame.compress(content)),
}  # fmt: skip


def _pickle(protocol: int) -> dict[str, bytes]:
    return {"model.pkl": plain(protocol)}


def _packed(pack: Callable[[bytes], bytes]) -> dict[str, bytes]:
    return {"model.joblib": pack(joblib())}


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "pickle of an estimator": lambda: {"model.pkl": pickled(estimator())},
    **{f"pickle {protocol}": partial(_pickle, protocol) for protocol in range(6)},
    "joblib": lambda: {"model.joblib": joblib()},
    **{f"joblib {name}": partial(_packed, pack) for name, pack in PACKERS.items()},
    "skops": lambda: {"model.skops": skops()},
    "skops packed": lambda: {"model.skops": skops(zipfile.ZIP_DEFLATED)},
}
