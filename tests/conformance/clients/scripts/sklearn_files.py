"""Writes pickles, joblib files and skops archives of fitted estimators, and says which arrays they hold.

Run in the environment ``sklearn`` of the tests: ``sklearn_files.py FOLDER`` makes the files and expected.npz, by
``FILE:NAME``.
"""

import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import skops.io
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PACKINGS = {
    "zlib": ("zlib", 3),
    "gzip": ("gzip", 3),
    "bz2": ("bz2", 3),
    "xz": ("xz", 3),
    "lzma": ("lzma", 3),
    "lz4": ("lz4", 3),
}


def main(folder):
    x, y = load_iris(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    scaler, logistic = pipe[0], pipe[1]
    arrays = {
        "steps.0.1.mean_": scaler.mean_, "steps.0.1.var_": scaler.var_, "steps.0.1.scale_": scaler.scale_,
        "steps.1.1.coef_": logistic.coef_, "steps.1.1.classes_": logistic.classes_,
        "steps.1.1.intercept_": logistic.intercept_, "steps.1.1.n_iter_": logistic.n_iter_,
    }  # fmt: skip
    told = {}
    for protocol in range(6):
        name = f"pipe{protocol}.pkl"
        (folder / name).write_bytes(pickle.dumps(pipe, protocol))
        told |= {f"{name}:{key}": one for key, one in arrays.items()}
    joblib.dump(pipe, folder / "pipe.joblib")
    told |= {f"pipe.joblib:{key}": one for key, one in arrays.items()}
    for name, how in PACKINGS.items():
        joblib.dump(pipe, folder / f"{name}.joblib", compress=how)
        told |= {f"{name}.joblib:{key}": one for key, one in arrays.items()}
    forest = RandomForestClassifier(3, random_state=1).fit(x, y)
    joblib.dump(forest, folder / "forest.joblib")
    told["forest.joblib:classes_"] = forest.classes_
    for number, tree in enumerate(forest.estimators_):
        told[f"forest.joblib:estimators_.{number}.tree_.values"] = tree.tree_.__getstate__()["values"]
    odd = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "big": np.arange(4, dtype=">i4"),
        "none": np.zeros((0, 3)), "scalar": np.array(2.5), "half": np.arange(3, dtype=np.float16),
        "long": np.arange(300_000, dtype=np.int64), "flags": np.array([True, False]), "complex": np.array([1 + 2j]),
    }  # fmt: skip
    matrix = sparse.csr_matrix(np.eye(4))
    for name, how in (("odd.joblib", joblib.dump), *((f"odd{protocol}.pkl", protocol) for protocol in range(6))):
        value = {**odd, "matrix": matrix, "texts": np.array(["a", "b"], object), "lr": 0.5}
        if callable(how):
            how(value, folder / name)
        else:
            (folder / name).write_bytes(pickle.dumps(value, how))
        told |= {f"{name}:{key}": one for key, one in odd.items()}
        told |= {f"{name}:matrix.{key}": getattr(matrix, key) for key in ("data", "indices", "indptr")}
    skops.io.dump(pipe, folder / "pipe.skops")
    told |= {f"pipe.skops:{key}": one for key, one in arrays.items()}
    skops.io.dump({**odd, "matrix": matrix}, folder / "odd.skops")
    told |= {f"odd.skops:{key}": one for key, one in odd.items()}
    np.savez(folder / "expected", **told)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
