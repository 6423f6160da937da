"""What the process that reads HDF5 and its parent say to each other.

Parent to child: one line of JSON, the Request. Child to parent: lines of JSON. ``{"read": [start, end]}`` asks for
bytes, and is answered with 8 bytes of length (big endian) and that many bytes; the length ``REFUSED`` says that it may
not read that. ``{"piece": n}`` is followed by n bytes of values. ``{"attribute": [name, text]}``, ``{"dataset": ...}``
and ``{"problem": text}`` are what a listing is made of. ``{"done": true}`` or ``{"failure": text}`` ends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile

MAX_LINE = 40 * 1024 * 1024
MAX_PIECE = 64 * 1024 * 1024
MAX_READ = 16 * 1024 * 1024
REFUSED = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a file of ``size`` bytes: with an empty ``path`` the listing, else the values of a dataset."""

    size: int
    path: str = ""


class ReaderFailed(UnreadableFile):
    """The process ended without an answer, or gave one that makes no sense."""


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def send(outward: BinaryIO, value: dict[str, Any]) -> None:
    outward.write(line(value))
    outward.flush()


def send_request(outward: BinaryIO, request: Request) -> None:
    send(outward, asdict(request))


def read_request(inward: BinaryIO) -> Request:
    return Request(**json.loads(inward.readline(MAX_LINE)))


def ask(inward: BinaryIO, outward: BinaryIO, start: int, end: int) -> bytes:
    """Bytes ``[start, end)`` from the parent. Raises UnreadableFile where it refuses."""
    send(outward, {"read": [start, end]})
    length = int.from_bytes(_exactly(inward, 8), "big")
    if length == REFUSED:
        raise UnreadableFile("more of it would have to be read than is allowed")
    return _exactly(inward, length)


def answers(inward: BinaryIO, outward: BinaryIO, ranges: RangeReader, budget: int) -> Iterator[tuple[str, Any]]:
    """What the child says until it is done; a piece is given as its bytes.

    It may read ``budget`` bytes. Raises UnreadableFile with its failure, ReaderFailed where it makes no sense.
    """
    while True:
        said = inward.readline(MAX_LINE)
        if not said.endswith(b"\n"):
            raise ReaderFailed("the process that reads it ended before it had an answer: too much memory or time")
        try:
            ((word, value),) = json.loads(said).items()
            if word == "read":
                start, end = (int(place) for place in value)
                budget -= _answer(outward, ranges, start, end, budget)
                continue
            if word == "piece" and (type(value) is not int or not 0 <= value <= MAX_PIECE):
                raise TypeError(value)
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            if isinstance(error, UnreadableFile):
                raise
            raise ReaderFailed("the process that reads it gave an answer that makes no sense") from None
        if word == "failure":
            raise UnreadableFile(str(value)[:500] or "the process that reads it gave up without a word")
        if word == "done":
            return
        yield word, _exactly(inward, value) if word == "piece" else value


def _answer(outward: BinaryIO, ranges: RangeReader, start: int, end: int, budget: int) -> int:
    end = min(end, ranges.size)
    if not 0 <= start <= end or end - start > min(budget, MAX_READ):
        outward.write(REFUSED.to_bytes(8, "big"))
        outward.flush()
        return 0
    content = ranges.read(start, end)
    outward.write(len(content).to_bytes(8, "big"))
    outward.write(content)
    outward.flush()
    return len(content)


def _exactly(inward: BinaryIO, length: int) -> bytes:
    content = inward.read(length)
    if len(content) < length:
        raise ReaderFailed("the other process is gone")
    return content
