"""Keras models and weights in HDF5, and HDF5 of any other kind; h5py reads it in a process of its own (see ``hdf5``).

A model saved whole keeps its weights under ``model_weights``, and what its optimiser keeps elsewhere. Names of tensors
are paths of the file without the slash in front. Values in one piece are read from there; what is chunked, packed or
never written is decoded by h5py, up to ``MAX_VALUES`` bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Array, Listing, Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableValues
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.hdf5.keras_config import read_config
from openshelf.analysis.checkpoints.hdf5.reading import Dataset, is_hdf5, read_hdf5, read_values
from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

WEIGHTS = "model_weights/"
ENCODINGS = ("hdf5-chunked", "hdf5-compact", "hdf5-unwritten", "hdf5-converted")
_OPTIMIZER = re.compile(r"(^|/)optimizer(_weights)?/")
_STATE = re.compile(r"(^|/)(seed_generator\w*|compile_metrics|metrics)/")


def matches(file: OpenFile) -> bool:
    return is_hdf5(file)


def read(files: Files, name: str) -> Listing:
    found = read_hdf5(files.open(name))
    facts = read_config(found.attributes["model_config"]) if "model_config" in found.attributes else None
    versions = {"keras": found.attributes["keras_version"]} if "keras_version" in found.attributes else {}
    metadata: dict[str, Any] = {"backend": found.attributes["backend"]} if "backend" in found.attributes else {}
    problems = [f"{name}: {problem}" for problem in found.problems]
    if facts is not None:
        metadata |= facts.metadata
        problems += [f"{name}: {facts.problem}"] if facts.problem else []
    return Listing(
        FORMAT.name,
        tensors_of(found.datasets, name),
        metadata,
        {key: value[:100] for key, value in versions.items()},
        facts.architecture if facts is not None else None,
        dict.fromkeys(ENCODINGS, _decoded),
        tuple(problems),
    )


def tensors_of(datasets: Sequence[Dataset], file: str, start: int = 0) -> tuple[Tensor, ...]:
    """The tensors of an HDF5 file that begins at the byte ``start`` of ``file``."""
    is_model = any(dataset.name.startswith(WEIGHTS) for dataset in datasets)
    return tuple(
        Tensor(
            found.name,
            found.dtype,
            found.shape,
            file,
            None if found.offset is None else start + found.offset,
            found.nbytes,
            None,
            found.encoding,
            _role(found, is_model),
        )
        for found in datasets
    )


def values_of(ranges: RangeReader, tensor: Tensor) -> Array:
    """The values of a tensor that h5py has to decode. Raises UnreadableValues."""
    held = dtypes.numpy_dtype(tensor.dtype)
    if held is None:
        raise UnreadableValues(tensor.file, f"values of the type {tensor.dtype} are not decoded ({tensor.name!r})")
    try:
        return read_values(ranges, tensor.name, tensor.shape, np.dtype(held))
    except UnreadableFile as error:
        raise UnreadableValues(tensor.file, str(error)) from None


def _decoded(files: Files, tensor: Tensor) -> Array:
    return values_of(files.open(tensor.file), tensor)


def _role(found: Dataset, is_model: bool) -> Role:
    if found.dtype == "object" or _STATE.search(found.name):
        return Role.STATE
    if is_model:
        return Role.WEIGHT if found.name.startswith(WEIGHTS) else Role.OPTIMIZER
    return Role.OPTIMIZER if _OPTIMIZER.search(found.name) else Role.WEIGHT


FORMAT = Format("keras-h5", "an HDF5 file", matches, read)
