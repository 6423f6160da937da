"""GGUF: metadata and a list of tensors, then the data (see ``headers.gguf`` for the layout)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Array, Decoder, Listing, Tensor
from openshelf.analysis.checkpoints.dtypes import BLOCK_TYPES, bits, of_ggml
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.headers.gguf import TYPES, GgufHeader, read_gguf_header
from openshelf.analysis.checkpoints.headers.gguf_values import as_json

_AT_ONCE = 1 << 20
"""Elements that are dequantised together; the library takes some ten times their size while it works."""


def matches(file: OpenFile) -> bool:
    return file.size >= 4 and file.read(0, 4) == b"GGUF"


def read(files: Files, name: str) -> Listing:
    """The tensors of one file; of a model that is split over several, the part that is in this one."""
    header = read_gguf_header(files.open(name))
    for place, reason in header.faults:
        raise UnreadableCheckpoint(name, reason, place)
    metadata = {pair.name: as_json(pair.value) for pair in header.pairs}
    parts, number = metadata.get("split.count", 1), metadata.get("split.no", 0)
    return Listing(
        FORMAT.name,
        tuple(_tensors(header, name)),
        metadata,
        {"gguf": str(header.version)},
        _text(metadata.get("general.architecture")),
        _DECODERS,
        (f"it is part {number} (from 0) of {parts}; open the folder to see the whole model",) if parts != 1 else (),
        has_tokenizer=bool(metadata.keys() & {"tokenizer.ggml.tokens", "tokenizer.huggingface.json"}),
        has_chat_template="tokenizer.chat_template" in metadata,
    )


def _tensors(header: GgufHeader, name: str) -> list[Tensor]:
    found = []
    for one in header.tensors:
        dtype = of_ggml(one.dtype)
        encoding = RAW
        if header.is_big_endian and bits(dtype) != 8:
            encoding = "big-endian blocks" if dtype in BLOCK_TYPES else BIG_ENDIAN
        found.append(Tensor(one.name, dtype, one.shape, name, one.start, one.bytes, encoding=encoding))
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def parts_of_one(names: Sequence[str], listings: Sequence[Listing]) -> list[Listing]:
    """The same listings, of files that are named as parts of one model, where each says so of itself too.

    Raises UnreadableCheckpoint. Source: the ``split.*`` keys that gguf-split of llama.cpp writes.
    """
    total = sum(len(listing.tensors) for listing in listings)
    for number, (name, listing) in enumerate(zip(names, listings, strict=True)):
        said: Mapping[str, Any] = listing.metadata
        for key, expected in (("split.count", len(names)), ("split.no", number), ("split.tensors.count", total)):
            if said.get(key, expected) != expected:
                raise UnreadableCheckpoint(name, f"its {key} is {said[key]!r:.100}; beside its files it is {expected}")
    return [replace(listing, problems=()) for listing in listings]


def _dequantised(files: Files, tensor: Tensor) -> Array:
    """The values of block types as float32, as the ``gguf`` library computes them."""
    from gguf import GGMLQuantizationType, quants

    block = BLOCK_TYPES[tensor.dtype]
    stored = np.frombuffer(files.open(tensor.file).view(tensor.offset or 0, (tensor.offset or 0) + tensor.nbytes), "u1")
    blocks = stored.reshape(-1, block.nbytes)
    found = np.empty((len(blocks), block.elements), np.float32)
    step = max(1, _AT_ONCE // block.elements)
    try:
        kind = GGMLQuantizationType[tensor.dtype]
        with np.errstate(all="ignore"):
            for start in range(0, len(blocks), step):
                found[start : start + step] = quants.dequantize(blocks[start : start + step], kind)
    except (NotImplementedError, KeyError):
        raise UnreadableValues(
            tensor.file, f"values of the type {tensor.dtype} cannot be dequantised here ({tensor.name[:200]!r})"
        ) from None
    return found.reshape(tensor.shape)


_DECODERS: Mapping[str, Decoder] = {name: _dequantised for name, _, _ in TYPES.values() if name in BLOCK_TYPES}
FORMAT = Format("gguf", "a GGUF file", matches, read)
