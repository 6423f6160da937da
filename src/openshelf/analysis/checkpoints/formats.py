"""Every format that is read, and how content tells which it is.

To add one: write ``readers/NAME.py`` with a ``FORMAT`` (or several ``FORMATS``), and name it in ``_READERS``. Order
matters only where the content of one format could be taken for another's: the stricter test comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from openshelf.analysis.checkpoints.checkpoint import Listing
from openshelf.analysis.checkpoints.containers.byte_cursor import Malformed
from openshelf.analysis.checkpoints.errors import UnknownFormat, UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.files.ranges import UnreadableFile

_READERS: tuple[str, ...] = (
    "safetensors",
    "gguf",
    "mxnet",
    "numpy_arrays",
    "onnx",
    "flax_msgpack",
    "tensorflow_checkpoint",
    "tensorflow_saved_model",
    "keras_h5",
    "tflite",
    "orbax",
    "keras_v3",
    "pytorch_zip",
    "pytorch_legacy",
    "pytorch_tar",
    "skops",
    "python_pickle",
)


@dataclass(frozen=True, slots=True)
class Format:
    """``matches`` looks at a few bytes of a file and never raises for content; ``read`` lists its tensors.

    ``read(files, name)`` may open other files of the set by name (shards, external data). It reads headers only, bounds
    every count and length, and raises UnreadableCheckpoint, or UnreadableFile, which gets the file's name here.
    """

    name: str
    title: str
    matches: Callable[[OpenFile], bool]
    read: Callable[[Files, str], Listing]


@cache
def formats() -> tuple[Format, ...]:
    """All formats, loaded when first asked for."""
    package = "openshelf.analysis.checkpoints.readers."
    return tuple(found for name in _READERS for found in _of(import_module(package + name)))


def _of(module: ModuleType) -> tuple[Format, ...]:
    return module.FORMATS if hasattr(module, "FORMATS") else (module.FORMAT,)


def format_of(file: OpenFile) -> Format | None:
    """The format whose content ``file`` has."""
    for one in formats():
        if one.matches(file):
            return one
    return None


def read_file(files: Files, name: str) -> Listing:
    """The tensors of one file. Raises UnknownFormat, UnreadableCheckpoint."""
    file = files.open(name)
    found = format_of(file)
    if found is None:
        start = file.read(0, min(16, file.size))
        what = f"it begins with {start!r}" if start else "it is empty"
        raise UnknownFormat(name, f"{what}, which is no format that is read here")
    try:
        return found.read(files, name)
    except UnreadableCheckpoint:
        raise
    except Malformed as error:
        raise UnreadableCheckpoint(name, f"it looks like {found.title}, but {error.reason}", error.place) from error
    except UnreadableFile as error:
        raise UnreadableCheckpoint(name, f"it looks like {found.title}, but {error}") from error
    except RecursionError:
        raise UnreadableCheckpoint(name, f"it looks like {found.title}, but is nested too deep") from None
