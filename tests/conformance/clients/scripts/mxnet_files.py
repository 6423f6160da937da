"""Writes and reads array lists with Apache MXNet: python mxnet_files.py write FOLDER | read FOLDER."""

import sys
from pathlib import Path

import mxnet as mx
import numpy as np

TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64")


def write(folder):
    dense = {f"arg:{kind}": mx.nd.array(np.arange(6).reshape(2, 3), dtype=kind) for kind in TYPES}
    dense["aux:mean"] = mx.nd.array([0.5, -1])
    mx.nd.save(str(folder / "dense.params"), dense)
    mx.nd.save(str(folder / "list.params"), [mx.nd.array([1, 2]), mx.nd.array([[3]])])
    sparse = {
        "rows": mx.nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [0, 3]), shape=(5, 2)),
        "csr": mx.nd.sparse.csr_matrix(([1, 2, 3], [0, 3, 1], [0, 2, 2, 3]), shape=(3, 4)),
        "no rows": mx.nd.sparse.zeros("row_sparse", (2, 2)),
        "no values": mx.nd.sparse.zeros("csr", (2, 2)),
    }
    mx.nd.save(str(folder / "sparse.params"), sparse)
    mx.npx.set_np()
    arrays = {"scalar": mx.np.array(2.5), "empty": mx.np.zeros((0, 3)), "yes": mx.np.array([True, False])}
    mx.npx.save(str(folder / "version3.params"), arrays)
    mx.npx.reset_np()
    read(folder)


def read(folder):
    """Beside each file an archive of what MXNet finds in it."""
    for path in sorted(folder.glob("*.params")):
        as_numpy = path.name.startswith("version3")
        if as_numpy:
            mx.npx.set_np()
        found = mx.npx.load(str(path)) if as_numpy else mx.nd.load(str(path))
        named = found if isinstance(found, dict) else {str(number): one for number, one in enumerate(found)}
        np.savez(path.with_suffix(".npz"), **{name.replace("/", "|"): one.asnumpy() for name, one in named.items()})
        if as_numpy:
            mx.npx.reset_np()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
