"""TensorFlow checkpoints, version 2: an index (see ``tensorflow.bundle``), and data files beside it.

``PREFIX.index`` and ``PREFIX.data-00000-of-00001``; the tensors have the names that ``tf.train.list_variables`` gives.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import BIG_ENDIAN, RAW, Array, Check, Decoder, Listing, Role, Tensor
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.formats import Format
from openshelf.analysis.checkpoints.tensorflow.bundle import (
    Bundle,
    Entry,
    extents,
    read_bundle,
    slice_key,
    stored_size,
)  # fmt: skip
from openshelf.analysis.checkpoints.tensorflow.crc32c import crc32c, masked
from openshelf.analysis.checkpoints.tensorflow.sorted_table import is_table
from openshelf.analysis.checkpoints.tensorflow.types import ONE_IN_A_BYTE, one_in_a_byte

STRINGS = "tensorflow-strings"
"""Lengths as varints, a check sum of them, then the bytes of all."""
SLICES = "tensorflow-slices"
"""A partitioned variable: rectangles of it, each in a place of its own."""
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_OPTIMIZER = re.compile(r"/\.OPTIMIZER_SLOT/|(^|/)_?optimi[sz]ers?(/|$)|(^|/)beta[12]_power(_\d+)?$")
# The variables that optimisers of version 1 keep beside each weight, by the last part of their name.
_SLOTS = re.compile(r"(Adam|Momentum|RMSProp|Adagrad|Adadelta|Ftrl|AdamW|LAMB|adam_[mv])(_\d+)?")
_STATE = re.compile(r"(^|/)(save_counter|global_step|seed_generator_state|keras_api/metrics)(/|$)")


def matches(file: Any) -> bool:
    return is_table(file)


def read(files: Files, name: str) -> Listing:
    bundle = read_bundle(files.open(name), name)
    places = _Places(files, name, bundle)
    names = {key: key.decode("utf-8", "backslashreplace") for key in bundle.tensors}
    known = frozenset(names.values())
    if len(known) < len(names):
        raise UnreadableCheckpoint(name, "two of its names are the same once they are text")
    tensors: list[Tensor] = []
    slices: dict[str, tuple[tuple[Tensor, tuple[slice, ...]], ...]] = {}
    for key, entry in bundle.tensors.items():
        shown = names[key]
        role = role_of(shown, entry.dtype, known)
        if entry.slices:
            slices[shown] = places.slices(key, shown, entry)
            file, size = slices[shown][0][0].file, sum(part.nbytes for part, _ in slices[shown])
            tensors.append(Tensor(shown, entry.dtype, entry.shape, file, None, size, None, SLICES, role))
        else:
            tensors.append(places.tensor(shown, entry, role))
    header = bundle.header
    metadata = {
        "data_files": header.shards,
        "byte_order": "big" if header.is_big_endian else "little",
        "bundle_version": header.producer,
    }
    sums = {tensor.name: bundle.tensors[key].crc for key, tensor in zip(bundle.tensors, tensors, strict=True)}
    decoders: dict[str, Decoder] = {
        STRINGS: lambda files, tensor: _strings(files, tensor, sums.get(tensor.name)),
        SLICES: lambda files, tensor: _assembled(
            files, tensor, slices[tensor.name], header.is_big_endian, places.check
        ),
        ONE_IN_A_BYTE: one_in_a_byte,
    }
    return Listing(FORMAT.name, tuple(tensors), metadata, decoders=decoders, files=(name,), check=places.check)


def role_of(name: str, dtype: str, names: frozenset[str]) -> Role:
    """What a variable is for, as its name tells; ``names`` are all names of the checkpoint."""
    if dtype in ("string", "resource", "variant") or _STATE.search(name):
        return Role.STATE
    stem, _, last = name.rpartition("/")
    is_slot = _SLOTS.fullmatch(last) is not None and stem in names
    return Role.OPTIMIZER if is_slot or _OPTIMIZER.search(name) else Role.WEIGHT


class _Places:
    """Where the entries of an index lie, checked against the data files."""

    def __init__(self, files: Files, index: str, bundle: Bundle) -> None:
        self.files, self.index, self.bundle = files, index, bundle
        self._sizes: dict[int, tuple[str, int]] = {}
        self._sums: dict[tuple[str, int | None, int], int] = {}

    def tensor(self, name: str, entry: Entry, role: Role = Role.WEIGHT) -> Tensor:
        """Raises UnreadableCheckpoint where the entry does not fit its data file or its shape."""
        file, size = self._data(name, entry)
        end = entry.offset + entry.size
        if end > size:
            raise UnreadableCheckpoint(
                file,
                f"{name[:200]!r} should end at byte {end:,}, the file ends at byte {size:,}",
                min(entry.offset, size),
            )
        needed = stored_size(entry)
        if needed is not None and needed != entry.size:
            raise UnreadableCheckpoint(
                self.index, f"{name[:200]!r} needs {needed:,} bytes for its shape, {entry.size:,} are given to it"
            )
        if entry.dtype == "string" and prod(entry.shape) > entry.size:
            raise UnreadableCheckpoint(
                self.index, f"{name[:200]!r} says to be {prod(entry.shape):,} texts in {entry.size:,} bytes"
            )
        if entry.crc is not None and entry.dtype != "string":
            self._sums[file, entry.offset, entry.size] = entry.crc
        return Tensor(
            name, entry.dtype, entry.shape, file, entry.offset, entry.size, None, self._encoding(entry.dtype), role
        )

    def check(self, files: Files, tensor: Tensor) -> None:
        """Compare the bytes of a tensor with their sum in the index. Texts have a sum of another kind."""
        wanted = self._sums.get((tensor.file, tensor.offset, tensor.nbytes))
        if wanted is None or tensor.offset is None:
            return
        if masked(crc32c(files.open(tensor.file).view(tensor.offset, tensor.offset + tensor.nbytes))) != wanted:
            raise UnreadableValues(tensor.file, f"the check sum of {tensor.name[:200]!r} is wrong", tensor.offset)

    def slices(self, key: bytes, name: str, entry: Entry) -> tuple[tuple[Tensor, tuple[slice, ...]], ...]:
        """Each slice of a partitioned variable, and which part of it that is."""
        found: list[tuple[Tensor, tuple[slice, ...]]] = []
        for part in entry.slices:
            stored = self.bundle.parts.get(slice_key(key, part))
            if stored is None:
                raise UnreadableCheckpoint(self.index, f"of {name[:200]!r} the slice {part} has no entry")
            try:
                where = extents(part, entry.shape)
            except ValueError as error:
                raise UnreadableCheckpoint(self.index, f"a slice of {name[:200]!r} is wrong: {error}") from None
            shape = tuple(one.stop - one.start for one in where)
            if stored.shape != shape or stored.dtype != entry.dtype or stored.slices or not shape:
                raise UnreadableCheckpoint(
                    self.index, f"a slice of {name[:200]!r} is {stored.dtype} {stored.shape}, not {entry.dtype} {shape}"
                )
            found.append((self.tensor(name, stored), where))
        if sum(part.elements for part, _ in found) != prod(entry.shape):
            raise UnreadableCheckpoint(self.index, f"the slices of {name[:200]!r} do not make up its shape")
        return tuple(found)

    def _data(self, name: str, entry: Entry) -> tuple[str, int]:
        """The data file of an entry, and its size."""
        shards = self.bundle.header.shards
        if entry.shard >= shards:
            raise UnreadableCheckpoint(
                self.index, f"{name[:200]!r} should be in data file {entry.shard:,}, and there are {shards:,}"
            )
        if entry.shard not in self._sizes:
            file = f"{self.index.removesuffix('.index')}.data-{entry.shard:05d}-of-{shards:05d}"
            self._sizes[entry.shard] = file, self.files.open(file).size
        return self._sizes[entry.shard]

    def _encoding(self, dtype: str) -> str:
        if dtype == "string":
            return STRINGS
        if dtypes.bits(dtype) is None:
            return f"tensorflow-{dtype.replace(' ', '-')}"
        if dtypes.is_packed(dtype):
            return ONE_IN_A_BYTE
        return BIG_ENDIAN if self.bundle.header.is_big_endian and dtypes.bits(dtype) != 8 else RAW


def _assembled(
    files: Files,
    tensor: Tensor,
    parts: tuple[tuple[Tensor, tuple[slice, ...]], ...],
    is_big_endian: bool,
    check: Check,
) -> Array:
    """A whole variable from its slices."""
    held = dtypes.numpy_dtype(tensor.dtype)
    if held is None or dtypes.is_packed(tensor.dtype):
        raise UnreadableValues(tensor.file, f"values of the type {tensor.dtype} are not decoded ({tensor.name!r})")
    stored = held.newbyteorder(">") if is_big_endian else held
    found = np.zeros(tensor.shape, held)
    for part, where in parts:
        assert part.offset is not None
        check(files, part)
        view = files.open(part.file).view(part.offset, part.offset + part.nbytes)
        found[where] = np.frombuffer(view, stored).reshape(part.shape)
    return found


def _strings(files: Files, tensor: Tensor, crc: int | None) -> Array:
    """Texts as bytes objects, in the shape of the tensor. Raises UnreadableValues where lengths or sum are wrong."""
    assert tensor.offset is not None
    content = files.open(tensor.file).read(tensor.offset, tensor.offset + tensor.nbytes)
    lengths: list[int] = []
    place = 0
    for _ in range(tensor.elements):
        value = shift = 0
        while True:
            if place >= len(content) or shift > 63:
                raise UnreadableValues(tensor.file, f"the lengths of {tensor.name!r} are cut off", tensor.offset)
            byte = content[place]
            value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
            if byte < 0x80:
                break
        lengths.append(value)
    begin = place + 4
    if begin + sum(lengths) != len(content):
        raise UnreadableValues(
            tensor.file, f"the texts of {tensor.name!r} have not the lengths they say", tensor.offset
        )
    written = b"".join(length.to_bytes(4 if length < 1 << 32 else 8, "little") for length in lengths)
    if crc is not None and masked(crc32c(written + content[place:])) != crc:
        raise UnreadableValues(tensor.file, f"the check sum of {tensor.name!r} is wrong", tensor.offset)
    found = np.empty(len(lengths), object)
    for number, length in enumerate(lengths):
        found[number] = content[begin : begin + length]
        begin += length
    return found.reshape(tensor.shape)


FORMAT = Format("tensorflow-checkpoint", "an index of a TensorFlow checkpoint", matches, read)
