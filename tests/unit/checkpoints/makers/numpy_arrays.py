"""Small NumPy files, written by NumPy."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

ARRAYS: dict[str, Any] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
    "swapped": np.arange(4, dtype=">f8"),
    "both": np.asfortranarray(np.arange(6, dtype=">u4").reshape(2, 3)),
    "half": np.array(0.5, np.float16),
    "yes": np.array([True, False]),
    "empty": np.zeros((0, 3), np.complex64),
    "block/0/bias": np.array([1 + 2j]),
    "words": np.array([["one", "zwölf"], ["", "x"]]),
    "octets": np.array([b"one", b"two"]),
}


def npy(values: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, values)
    return written.getvalue()


def npz(*, packed: bool) -> bytes:
    written = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(written, **ARRAYS)
    return written.getvalue()


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "npy": lambda: {"a.npy": npy(ARRAYS["w"])},
    "npy in Fortran order": lambda: {"a.npy": npy(ARRAYS["both"])},
    "npz": lambda: {"a.npz": npz(packed=False)},
    "npz packed": lambda: {"a.npz": npz(packed=True)},
}
