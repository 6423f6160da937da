"""Small HDF5 files and archives as Keras writes them, by h5py."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

CONFIG = {
    "class_name": "Sequential",
    "config": {
        "name": "net",
        "layers": [
            {
                "class_name": "Lambda",
                "config": {"name": "twice", "function": {"class_name": "__lambda__", "config": {}}},
            },
            {"class_name": "Dense", "config": {"name": "out"}},
        ],
    },
}


def hdf5(write: Callable[[Any], None], **options: Any) -> bytes:
    """What ``write`` puts into a new file."""
    held = io.BytesIO()
    with h5py.File(held, "w", **options) as file:
        write(file)
    return held.getvalue()


def model(file: Any) -> None:
    """A model saved whole, as Keras 2 and ``save("x.h5")`` of Keras 3 have it."""
    file.attrs["keras_version"] = "3.15.1"
    file.attrs["backend"] = b"tensorflow"
    file.attrs["model_config"] = json.dumps(CONFIG)
    file["model_weights/out/out/kernel:0"] = np.arange(6, dtype="f4").reshape(3, 2)
    file["model_weights/out/out/bias:0"] = np.arange(2, dtype="f4")
    file["model_weights/seed_generator_1/seed_generator_state"] = np.arange(2, dtype="u4")
    file["optimizer_weights/adam/momentum"] = np.zeros((3, 2), "f4")


def weights(file: Any) -> None:
    """Weights of Keras 3 alone."""
    file["layers/dense/vars/0"] = np.arange(6, dtype="f4").reshape(3, 2)
    file.create_dataset("layers/dense/vars/1", data=np.arange(200.0), chunks=(64,), compression="gzip")
    file["optimizer/vars/0"] = np.int64(3)


def odd(file: Any) -> None:
    """Every way in which values may lie."""
    file.create_dataset("chunked", data=np.arange(3000.0).reshape(50, 60), chunks=(16, 32), shuffle=True, compression=4)
    file["big"] = np.arange(5, dtype=">f4")
    file["bool"] = np.array([True, False])
    file["complex"] = np.array([1 + 2j])
    file.create_dataset("unwritten", (4, 3), "i4", fillvalue=7)
    file.create_dataset("empty", (0, 3), "f4")
    file["null"] = h5py.Empty("f4")
    file["scalar"] = np.float16(1.5)
    kept = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kept.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I16LE, space, kept)
    h5py.Dataset(h5py.h5d.open(file.id, b"compact"))[:] = [1, 2, 3]
    narrow = h5py.h5t.IEEE_F32LE.copy()
    narrow.set_fields(15, 7, 8, 0, 7)
    narrow.set_size(2)
    narrow.set_ebias(127)
    found = h5py.h5d.create(file.id, b"bfloat16", narrow, space)
    found.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2, 3.5], "f4"))
    other = h5py.h5t.IEEE_F32LE.copy()
    other.set_ebias(100)
    found = h5py.h5d.create(file.id, b"other_bias", other, space)
    found.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([-5, 2, 2047], "f4"))
    file["others/reference"] = np.array([file.ref], h5py.ref_dtype)
    file["others/texts"] = ["a", "bc"]
    file["others/records"] = np.zeros(2, "i4,f4")
    file["same"] = file["big"]
    file["others/loop"] = file["/"]
    file["others/soft"] = h5py.SoftLink("/big")


def archive(method: int = zipfile.ZIP_STORED, config: Any = CONFIG, write: Callable[[Any], None] = weights) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2026-11-21@18:40:38"}))
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("model.weights.h5", hdf5(write))
        file.writestr("assets/layers/words/vocabulary.txt", "a\nb\n")
    return held.getvalue()


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "model": lambda: {"model.h5": hdf5(model)},
    "weights": lambda: {"model.weights.h5": hdf5(weights)},
    "odd": lambda: {"odd.h5": hdf5(odd)},
    "archive": lambda: {"model.keras": archive()},
    "archive-packed": lambda: {"model.keras": archive(zipfile.ZIP_DEFLATED)},
}
