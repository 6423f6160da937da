"""What a delta says, schema 1: which pieces of the base it needs, and how every piece of the result is told.

The plan is JSON, deflated, in the tensor ``plan`` of the delta::

    {"schema": 1, "max_error": null or a number,
     "base":   {"format", "content", "files": {NAME: {"size", "sha256"}}, "pieces": {KEY: [bytes, dtype, blake3]}},
     "new":    {"format", "content", "files": {NAME: {"size", "sha256"}}},
     "result": {NAME: {"size", "blake3", "pieces": [KEY, ...]}},
     "pieces": {KEY: {"base": KEY or null, "nbytes", "width", "dtype", "shape", "blake3", "stored",
                      "segments": [[METHOD, NUMBER], ...], "rank", "error", "moves": [[ROW, ROW], ...]}}}

Keys are those of ``pieces``. A piece of the result that has no entry is the piece of the base with the same key.
``segments`` covers the piece in steps of SEGMENT bytes (TEXT_SEGMENT between tensors); NUMBER is the bytes stored for
one segment, for ``same`` how many segments in a row. ``stored`` is the blake3 of all that is stored for the piece.
``rank`` is that of its factors, 0 for none. ``error``, where the piece is not exact, is [relative L2, largest].
``moves``, where rows were put in or taken out, is from which row on which rows of the base are expected. Without
``max_error`` the result is the new model, byte for byte; with it ``blake3`` is still what apply must arrive at.
``content`` is the blake3 of a line ``name NUL dtype NUL shape NUL blake3`` for every tensor, in order of name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from blake3 import blake3

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.weights.delta.pieces import BETWEEN, TENSOR
from openshelf.analysis.weights.delta.rows import MAX_MOVES, Moves, row_bytes
from openshelf.analysis.weights.delta.segments import SEGMENT, TEXT_SEGMENT, Method

SCHEMA = 1
MAX_RANK = 256
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_MOST_BYTES = 1 << 50
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileIdentity:
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model: its files as a hub knows them, and the hash of its tensors whatever files they are in."""

    format: str
    content: str
    files: Mapping[str, FileIdentity]


@dataclass(frozen=True, slots=True)
class Needed:
    """A piece that the base must have."""

    nbytes: int
    dtype: str
    blake3: str


@dataclass(frozen=True, slots=True)
class ResultFile:
    size: int
    blake3: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """How one piece of the result is told. ``error``: relative L2 and largest error, None where exact."""

    base: str | None
    nbytes: int
    width: int
    dtype: str
    shape: tuple[int, ...]
    blake3: str
    stored: str
    segments: tuple[tuple[Method, int], ...]
    rank: int = 0
    error: tuple[float, float] | None = None
    moves: Moves = ()


@dataclass(frozen=True, slots=True)
class Plan:
    base: ModelIdentity
    new: ModelIdentity
    needed: Mapping[str, Needed]
    result: Mapping[str, ResultFile]
    pieces: Mapping[str, Told]
    max_error: float | None = None

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self.result.values())


def segment_of(key: str) -> int:
    """Bytes in a segment of the piece."""
    return SEGMENT if key.startswith(TENSOR) else TEXT_SEGMENT


def content_of(tensors: Iterable[tuple[str, str, tuple[int, ...], str]]) -> str:
    """The hash of tensors given as name, dtype, shape and blake3."""
    told = blake3()
    for name, dtype, shape, digest in sorted(tensors):
        told.update(f"{name}\0{dtype}\0{','.join(map(str, shape))}\0{digest}\n".encode())
    return told.hexdigest()


def to_json(plan: Plan) -> bytes:
    def model(one: ModelIdentity) -> dict[str, Any]:
        files = {name: {"size": file.size, "sha256": file.sha256} for name, file in one.files.items()}
        return {"format": one.format, "content": one.content, "files": files}

    needed = {key: [one.nbytes, one.dtype, one.blake3] for key, one in plan.needed.items()}
    found = {
        "schema": SCHEMA,
        "max_error": plan.max_error,
        "base": {**model(plan.base), "pieces": needed},
        "new": model(plan.new),
        "result": {
            name: {"size": file.size, "blake3": file.blake3, "pieces": list(file.pieces)}
            for name, file in plan.result.items()
        },
        "pieces": {
            key: {field: _plain(getattr(told, field)) for field in Told.__dataclass_fields__}
            for key, told in plan.pieces.items()
        },
    }
    return json.dumps(found, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def from_json(file: str, content: bytes) -> Plan:
    """The plan that ``content`` says, with every number checked. Raises UnreadableCheckpoint."""
    try:
        return _plan(json.loads(content))
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise UnreadableCheckpoint(file, f"its plan is malformed: {reason[:300]}") from None


def _plan(found: Any) -> Plan:
    if _object(found).get("schema") != SCHEMA:
        raise ValueError(f"its schema is {str(found.get('schema'))[:40]}; this version reads schema {SCHEMA}")
    bound = found["max_error"]
    if bound is not None and not (type(bound) in (int, float) and 0 < bound < 1):
        raise ValueError("max_error is not between 0 and 1")
    plan = Plan(
        _model(found["base"]),
        _model(found["new"]),
        _mapping(found["base"]["pieces"], lambda one: Needed(_size(one[0]), _text(one[1]), _hash(one[2]))),
        _mapping(found["result"], _result_file),
        {key: _told(key, one) for key, one in _object(found["pieces"]).items()},
        bound,
    )
    _check_together(plan)
    return plan


def _check_together(plan: Plan) -> None:
    """Every piece is told, and the pieces of a file add up to it."""
    for key, told in plan.pieces.items():
        if told.base is not None and told.base not in plan.needed:
            raise ValueError(f"{key[:200]} builds on {told.base[:200]}, which the base is not said to have")
        if told.error is not None and plan.max_error is None:
            raise ValueError(f"{key[:200]} is not exact, but the delta says to be")
    for name, file in plan.result.items():
        check_name(name)
        size = 0
        for key in file.pieces:
            piece = plan.pieces.get(key) or plan.needed.get(key)
            if piece is None:
                raise ValueError(f"{name}: the piece {key[:200]} is not told")
            size += piece.nbytes
        if size != file.size:
            raise ValueError(f"{name}: its pieces have {size:,} bytes together, the file {file.size:,}")
    for name in plan.result:
        parts = name.split("/")
        if any("/".join(parts[:end]) in plan.result for end in range(1, len(parts))):
            raise ValueError(f"{name} lies in a folder that is a file too")


def check_name(name: str) -> None:
    """Raises ValueError for the name of a file that is not simply in the folder, or in one below it."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 255 for part in parts) or len(name) > 1024:
        raise ValueError(f"{name[:200]!r} is not the name of a file in a model")
    if any(ord(letter) < 32 or letter in "\\:\x7f" or 0xD800 <= ord(letter) < 0xE000 for letter in name):
        raise ValueError(f"{name[:200]!r} is not the name of a file in a model")
    if parts[0].casefold() == ".git":
        raise ValueError(f"{name[:200]!r} belongs to git")


def _model(found: Any) -> ModelIdentity:
    def file(one: Any) -> FileIdentity:
        return FileIdentity(_size(one["size"]), _hash(one["sha256"]))

    return ModelIdentity(_text(found["format"]), _hash(found["content"]), _mapping(found["files"], file))


def _result_file(found: Any) -> ResultFile:
    pieces = found["pieces"]
    if not isinstance(pieces, list):
        raise TypeError("the pieces of a file are not a list")
    return ResultFile(_size(found["size"]), _hash(found["blake3"]), tuple(_text(key) for key in pieces))


def _told(key: str, found: Any) -> Told:
    if not key.startswith((TENSOR, BETWEEN)):
        raise ValueError(f"{key[:200]!r} is no key of a piece")
    nbytes, width, rank = _size(found["nbytes"]), found["width"], found["rank"]
    if width not in (1, 2, 4, 8) or nbytes % width:
        raise ValueError(f"{key[:200]}: {nbytes:,} bytes are not numbers of {str(width)[:20]} bytes")
    if type(rank) is not int or not 0 <= rank <= MAX_RANK:
        raise ValueError(f"{key[:200]}: its rank is not between 0 and {MAX_RANK}")
    base, error = found["base"], found["error"]
    if error is not None:
        error = (float(error[0]), float(error[1]))
    shape = tuple(_size(side) for side in found["shape"])
    return Told(
        None if base is None else _text(base), nbytes, width, _text(found["dtype"]),
        shape, _hash(found["blake3"]), _hash(found["stored"]), _segments(key, nbytes, found["segments"]), rank, error,
        _moves(key, nbytes, shape, found.get("moves", [])),
    )  # fmt: skip


def _segments(key: str, nbytes: int, found: Any) -> tuple[tuple[Method, int], ...]:
    segments = tuple((Method(method), _size(number)) for method, number in found)
    count = sum(number if method is Method.SAME else 1 for method, number in segments)
    if count != -(-nbytes // segment_of(key)):
        raise ValueError(f"{key[:200]}: {count:,} segments are told of {nbytes:,} bytes")
    return segments


def _moves(key: str, nbytes: int, shape: tuple[int, ...], found: Any) -> Moves:
    moves = tuple((_size(row), _size(other)) for row, other in found)
    rows = [row for row, _ in moves]
    if moves and (not row_bytes(nbytes, shape) or rows[-1] >= shape[0] or len(moves) > MAX_MOVES):
        raise ValueError(f"{key[:200]}: it has no such rows as are said to have moved")
    if any(row >= following for row, following in pairwise(rows)):
        raise ValueError(f"{key[:200]}: the rows that moved are not in order")
    return moves


def _mapping(found: Any, of: Callable[[Any], _T]) -> dict[str, _T]:
    return {key: of(one) for key, one in _object(found).items()}


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError("an object should stand where something else does")
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError("a text should stand where something else does")
    return found


def _hash(found: Any) -> str:
    if not isinstance(found, str) or not _HEX.match(found):
        raise ValueError("a hash is not 64 hexadecimal digits")
    return found


def _size(found: Any) -> int:
    if type(found) is not int or not 0 <= found < _MOST_BYTES:
        raise ValueError("a size is not a number of bytes")
    return found
