"""The file of a delta: a safetensors file whose header says what it is, and whose tensors hold what is stored.

``__metadata__``: ``format`` is ``openshelf-delta``, ``version`` is ``1``, ``plan`` the blake3 of the tensor ``plan``;
``base``, ``result`` and ``max_error`` are for people and for search: content hashes and bound, as the plan has them.
Tensors: ``data:KEY`` (U8) what is stored for a piece; ``low-rank-a:KEY`` and ``low-rank-b:KEY`` its factors, F32 for a
piece of float32, else BF16; ``plan`` (U8), the last. The header is written in one way only, so that no bit of it can
change unseen.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from blake3 import blake3

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile
from openshelf.analysis.checkpoints.headers.safetensors import MAX_HEADER, TensorInfo, read_safetensors_header
from openshelf.analysis.checkpoints.opening import Place, find
from openshelf.analysis.checkpoints.remote.spool import Spool
from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.weights.delta.errors import DeltaRefused
from openshelf.analysis.weights.delta.plan import Plan, from_json, to_json

FORMAT, VERSION = "openshelf-delta", "1"
MAX_PLAN = 64 * 1024 * 1024
"""Bytes of JSON; some 400,000 changed tensors."""
_FACTOR_TYPES = {"float32": ("F32", np.dtype("<f4"))}
Factors = tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float32]]]


def factor_type(dtype: str) -> tuple[str, np.dtype[Any]]:
    """How factors of a change of a tensor of ``dtype`` are stored, as safetensors and NumPy name it.

    A tensor of 16 bits rounds away what more bits of its factors would say.
    """
    return _FACTOR_TYPES.get(dtype, ("BF16", np.dtype(ml_dtypes.bfloat16)))


@dataclass(slots=True)
class DeltaWriter:
    """Takes what is stored piece by piece into an unnamed file, and gives it a header in the end."""

    spool: BinaryIO
    entries: list[tuple[str, str, tuple[int, ...], int]] = field(default_factory=list)
    size: int = 0

    def add(self, name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
        """What was written to ``spool`` since the last call is the tensor ``name``."""
        if size:
            self.entries.append((name, dtype, shape, size))
            self.size += size

    def save(self, out: Path, plan: Plan) -> int:
        """Write the file, whole or not at all. Gives its size in bytes."""
        told = to_json(plan)
        if len(told) > MAX_PLAN:
            raise DeltaRefused(f"the plan of this delta takes {len(told):,} bytes; at most {MAX_PLAN:,} are read back")
        packed = zlib.compress(told, 6)
        self.spool.write(packed)
        self.add("plan", "U8", (len(packed),), len(packed))
        header = _header(self.entries, _metadata(plan, packed))
        if len(header) - 8 > MAX_HEADER:
            raise DeltaRefused(
                f"the header of this delta takes {len(header):,} bytes; at most {MAX_HEADER:,} are read back"
            )
        self.spool.seek(0)
        with written_whole(out) as file:
            file.write(header)
            shutil.copyfileobj(self.spool, file, 1 << 20)
        return len(header) + self.size


@contextmanager
def written_whole(out: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when the block ends well, and is gone otherwise."""
    handle, part = tempfile.mkstemp(prefix=f".{out.name[:100]}.", suffix=".part", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(part).chmod(0o666 & ~mask)
        Path(part).replace(out)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(part).unlink()
        raise


def _metadata(plan: Plan, packed: bytes) -> dict[str, str]:
    bound = "" if plan.max_error is None else repr(plan.max_error)
    return {
        "format": FORMAT, "version": VERSION, "plan": blake3(packed).hexdigest(), "base": plan.base.content,
        "result": plan.new.content, "max_error": bound,
    }  # fmt: skip


def _header(entries: list[tuple[str, str, tuple[int, ...], int]], metadata: Mapping[str, str]) -> bytes:
    found: dict[str, Any] = {"__metadata__": dict(metadata)}
    place = 0
    for name, dtype, shape, size in entries:
        found[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(found, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


@dataclass(frozen=True, slots=True)
class Delta(AbstractContextManager["Delta"]):
    """A delta that is open for reading. Close it, or use it in a ``with`` block."""

    files: Files
    file: OpenFile
    name: str
    plan: Plan
    tensors: Mapping[str, TensorInfo]

    def close(self) -> None:
        self.files.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        return self.file.size

    def stored(self, key: str) -> memoryview:
        """What is stored for a piece, without its factors."""
        return self._view("data:" + key)

    def stored_bytes(self, key: str) -> int:
        names = (f"data:{key}", f"low-rank-a:{key}", f"low-rank-b:{key}")
        return sum(self.tensors[name].bytes for name in names if name in self.tensors)

    def factors(self, key: str) -> Factors | None:
        """A (rows, rank) and B (rank, columns) of a piece. Raises UnreadableCheckpoint."""
        told = self.plan.pieces[key]
        if not told.rank:
            return None
        rows = told.shape[0] if told.shape else 0
        columns = int(np.prod(told.shape[1:], dtype=object)) if rows else 0
        shapes = (("low-rank-a:", (rows, told.rank)), ("low-rank-b:", (told.rank, columns)))
        stored, held = factor_type(told.dtype)
        found = []
        for start, shape in shapes:
            info = self.tensors.get(start + key)
            if info is None or info.dtype != stored or info.shape != shape:
                raise UnreadableCheckpoint(self.name, f"the factors of {key[:200]} are not of the shapes {shape}")
            found.append(np.frombuffer(self._view(start + key), held).astype(np.float32).reshape(shape))
        return found[0], found[1]

    def check_stored(self, key: str) -> None:
        """Raises UnreadableCheckpoint where what is stored for a piece is not what was stored."""
        told = blake3()
        for start in ("low-rank-a:", "low-rank-b:", "data:"):
            told.update(self._view(start + key))
        if told.hexdigest() != self.plan.pieces[key].stored:
            raise UnreadableCheckpoint(self.name, f"it is damaged: what it holds for {key[:200]} has changed")

    def _view(self, name: str) -> memoryview:
        info = self.tensors.get(name)
        return memoryview(b"") if info is None else self.file.view(info.start, info.end)


def read_delta(where: str | Path, *, endpoint: str | None = None, spool: Spool | None = None) -> Delta:
    """The delta in a file, at a reference to one (``owner/name:file``) or at an address; its plan is read and checked.

    Raises UnreadableCheckpoint.
    """
    place = find(where, endpoint=endpoint, spool=spool)
    try:
        return _read(place)
    except BaseException:
        place.files.close()
        raise


def _read(place: Place) -> Delta:
    if place.first is None:
        raise UnreadableCheckpoint(place.files.label, "it is a folder or a repo; name the file of the delta in it")
    file, name = place.files.open(place.first), place.first
    try:
        header = read_safetensors_header(file)
    except UnreadableFile as error:
        raise UnreadableCheckpoint(name, str(error)) from None
    metadata = header.metadata
    if metadata.get("format") != FORMAT:
        raise UnreadableCheckpoint(name, "it is no delta: its header does not say so")
    if metadata.get("version") != VERSION:
        raise UnreadableCheckpoint(
            name,
            f"it is a delta of version {metadata.get('version', '')[:20]}; this version of openshelf reads {VERSION}",
        )
    if header.problems:
        raise UnreadableCheckpoint(name, header.problems[0])
    tensors = {info.name: info for info in header.tensors}
    if "plan" not in tensors or tensors["plan"].dtype != "U8":
        raise UnreadableCheckpoint(name, "it has no plan")
    packed = file.read(tensors["plan"].start, tensors["plan"].end)
    plan = from_json(name, _inflated(name, packed))
    entries = [(info.name, info.dtype, info.shape, info.bytes) for info in header.tensors]
    if _header(entries, _metadata(plan, packed)) != file.read(0, 8 + header.header_bytes):
        raise UnreadableCheckpoint(name, "it is damaged: its header and its plan do not agree")
    known = {"plan"} | {start + key for key in plan.pieces for start in ("data:", "low-rank-a:", "low-rank-b:")}
    if extra := next((found for found in tensors if found not in known), None):
        raise UnreadableCheckpoint(name, f"it holds {extra[:200]!r}, of which its plan says nothing")
    return Delta(place.files, file, name, plan, tensors)


def _inflated(name: str, packed: bytes) -> bytes:
    opener = zlib.decompressobj()
    try:
        found = opener.decompress(packed, MAX_PLAN + 1)
    except zlib.error as error:
        raise UnreadableCheckpoint(name, f"its plan cannot be inflated: {error}") from None
    if len(found) > MAX_PLAN or not opener.eof or opener.unused_data:
        raise UnreadableCheckpoint(name, f"its plan is cut off, or larger than {MAX_PLAN:,} bytes")
    return found
