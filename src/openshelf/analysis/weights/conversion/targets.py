"""What each format that is written can hold: types, metadata, and how a writer is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.headers.gguf import read_gguf_header
from openshelf.analysis.checkpoints.writers import gguf, npz, safetensors
from openshelf.analysis.checkpoints.writers.onnx import OnnxWriter
from openshelf.analysis.checkpoints.writers.unfinished import PlannedTensor
from openshelf.analysis.weights.conversion.losses import ConversionRefused, Loss, Losses

_MOST_TEXT = 64 * 1024
# Says of a file how it is made, not of the model; other formats say it in their own way, or need not.
_OF_THE_FILE = {"gguf": ("general.alignment",)}
_GRAPHS = ("onnx", "tflite", "savedmodel", "graph", "torchscript")
"""Parts of names of formats that hold what a model computes, of which their metadata speaks."""
# What llama.cpp calls a file by the type that most of it has (enum llama_ftype).
_FILE_TYPES = {
    "float32": 0, "float16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "bfloat16": 32, "TQ1_0": 36,
    "TQ2_0": 37, "MXFP4": 38,
}  # fmt: skip


class Writer(Protocol):
    def write(self, name: str, offset: int, data: bytes | memoryview) -> None: ...

    def finish(self) -> tuple[str, ...]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a writer needs to know: the tensors to come, the folder and name to write, and what a format alone takes."""

    source: Checkpoint
    folder: Path
    name: str
    tensors: tuple[PlannedTensor, ...]
    max_shard_bytes: int
    dtype: str | None
    metadata: Mapping[str, gguf.Value] = field(default_factory=dict)
    like: Checkpoint | None = None

    @property
    def nbytes(self) -> int:
        """Of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class Target:
    """``open(wanted, losses)`` plans the file; what has no place in it is added to the losses."""

    name: str
    ending: str
    can_hold: Callable[[str], bool]
    quantised: Sequence[str]
    open: Callable[[Wanted, Losses], Callable[[], Writer]]


def _safetensors(wanted: Wanted, losses: Losses) -> Callable[[], Writer]:
    texts: dict[str, str] = {}
    for name, value in _metadata(wanted.source).items():
        text = value if isinstance(value, str) else _as_json(value)
        if text is None or len(text) > _MOST_TEXT or _is_cut(value):
            losses.add(Loss.METADATA, name)
        else:
            texts[name] = text
    texts |= {name: str(value) for name, value in wanted.metadata.items()}
    stem = wanted.name.removesuffix(".safetensors")
    return lambda: safetensors.SafetensorsWriter(
        wanted.folder, wanted.tensors, {"format": "pt", **texts}, wanted.max_shard_bytes, stem
    )


def _npz(wanted: Wanted, losses: Losses) -> Callable[[], Writer]:
    _lose_metadata(wanted, losses)
    return lambda: npz.NpzWriter(wanted.folder / wanted.name, wanted.tensors)


def _onnx(wanted: Wanted, losses: Losses) -> Callable[[], Writer]:
    if wanted.like is None or wanted.like.format != "onnx":
        raise ConversionRefused("an ONNX model is a graph: give one that has it with --like TEMPLATE.onnx")
    _lose_metadata(wanted, losses)
    template = wanted.like
    given = {tensor.name for tensor in wanted.tensors}
    for tensor in template:
        if tensor.role is Role.WEIGHT and tensor.name not in given:
            losses.add(Loss.TEMPLATE, tensor.name)
    return lambda: OnnxWriter(wanted.folder, wanted.name, template, wanted.tensors)


def _gguf(wanted: Wanted, losses: Losses) -> Callable[[], Writer]:
    pairs: dict[str, bytes] = {}
    if wanted.source.format == "gguf":
        pairs |= _copied_pairs(wanted.source)
    else:
        for name, value in _metadata(wanted.source).items():
            if (wanted.source.format, name) == ("safetensors", "format"):
                continue
            if isinstance(value, str | bool | int | float):
                pairs[name] = gguf.pair(name, value)
            else:
                losses.add(Loss.METADATA, name)
    if wanted.dtype is not None:
        pairs["general.file_type"] = gguf.pair("general.file_type", _FILE_TYPES.get(wanted.dtype, 0))
    if any(tensor.dtype in dtypes.BLOCK_TYPES for tensor in wanted.tensors):
        pairs["general.quantization_version"] = gguf.pair("general.quantization_version", 2)
    pairs |= {name: gguf.pair(name, value) for name, value in wanted.metadata.items()}
    if gguf.ARCHITECTURE not in pairs:
        raise ConversionRefused(
            f"a GGUF file must say what model it is, and the source does not: add --metadata {gguf.ARCHITECTURE}=NAME, "
            "with the name that llama.cpp has for it, as llama"
        )
    return lambda: gguf.GgufWriter(wanted.folder / wanted.name, wanted.tensors, pairs)


def _copied_pairs(source: Checkpoint) -> dict[str, bytes]:
    """The metadata of a GGUF file as it stands there, long lists too."""
    found: dict[str, bytes] = {}
    for name in source.files:
        file = source.source.open(name)
        header = read_gguf_header(file)
        if header.version not in (2, 3) or header.is_big_endian:
            raise ConversionRefused(f"{name} is GGUF of version 1 or big-endian; its metadata is not copied here")
        for pair in header.pairs:
            if not pair.name.startswith("split.") and pair.name != "general.alignment":
                found.setdefault(pair.name, file.read(pair.start, pair.end))
    return found


def is_graph(source: Checkpoint) -> bool:
    """Whether the format holds what a model computes too."""
    return any(part in source.format for part in _GRAPHS)


def _metadata(source: Checkpoint) -> dict[str, Any]:
    if is_graph(source):
        return {}
    without = _OF_THE_FILE.get(source.format, ())
    return {name: value for name, value in source.metadata.items() if name not in without}


def _lose_metadata(wanted: Wanted, losses: Losses) -> None:
    if wanted.metadata:
        raise ConversionRefused("this format has no place for --metadata")
    for name in _metadata(wanted.source):
        if (wanted.source.format, name) != ("safetensors", "format"):
            losses.add(Loss.METADATA, name)


def _as_json(value: Any) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _is_cut(value: Any) -> bool:
    """Whether a reader gave the beginning of a long list only."""
    return isinstance(value, dict) and set(value) == {"length", "first"}


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("safetensors", ".safetensors", safetensors.is_writable, (), _safetensors),
        Target("npz", ".npz", npz.is_writable, (), _npz),
        Target("gguf", ".gguf", gguf.is_writable, gguf.QUANTISED, _gguf),
        Target("onnx", ".onnx", lambda dtype: dtypes.bits(dtype) is not None, (), _onnx),
    )
}
