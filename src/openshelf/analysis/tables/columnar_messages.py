"""What the process that reads Parquet and its parent say to each other.

Parent to child: one line of JSON, the Request. Child to parent: lines of JSON, ``{"read": [start, end]}`` as often as
it needs bytes, then ``{"table": ...}`` or ``{"failure": "..."}``. Each ``read`` is answered with 8 bytes of length
(big endian) and that many bytes; the length ``REFUSED`` says that it may not read that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile
from openshelf.analysis.tables.table import Table
from openshelf.analysis.tables.table_json import table_from, table_values

MAX_LINE = 8 * 1024 * 1024
REFUSED = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Request:
    """Rows ``first`` to ``first + most`` of a file of ``size`` bytes; ``form``: parquet, arrow or stream."""

    form: str
    size: int
    first: int
    most: int


class ReaderFailed(UnreadableFile):
    """The process ended without an answer, or gave one that makes no sense."""


def send_request(outward: BinaryIO, request: Request) -> None:
    _send(outward, asdict(request))


def read_request(inward: BinaryIO) -> Request:
    return Request(**json.loads(inward.readline(MAX_LINE)))


def send_table(outward: BinaryIO, table: Table) -> None:
    _send(outward, {"table": table_values(table)})


def send_failure(outward: BinaryIO, message: str) -> None:
    _send(outward, {"failure": message})


def ask(inward: BinaryIO, outward: BinaryIO, start: int, end: int) -> bytes:
    """Bytes ``[start, end)`` from the parent. Raises UnreadableFile where it refuses."""
    _send(outward, {"read": [start, end]})
    length = int.from_bytes(_exactly(inward, 8), "big")
    if length == REFUSED:
        raise UnreadableFile("more of it would have to be read than this hub allows for one page")
    return _exactly(inward, length)


def serve(inward: BinaryIO, outward: BinaryIO, ranges: RangeReader) -> Table:
    """Answer a child's questions until it answers ours. Raises UnreadableFile with what it says, or ReaderFailed."""
    while True:
        line = inward.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            raise ReaderFailed("the process that reads it ended before it had an answer: too much memory or time")
        try:
            said: dict[str, Any] = json.loads(line)
            if "failure" in said:
                raise UnreadableFile(str(said["failure"])[:500])
            if "table" in said:
                return table_from(said["table"])
            start, end = (int(place) for place in said["read"])
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReaderFailed(f"the process that reads it gave an answer that makes no sense: {error!r}") from None
        _answer(outward, ranges, start, end)


def _answer(outward: BinaryIO, ranges: RangeReader, start: int, end: int) -> None:
    try:
        content = ranges.read(start, min(end, ranges.size))
    except UnreadableFile:
        outward.write(REFUSED.to_bytes(8, "big"))
    else:
        outward.write(len(content).to_bytes(8, "big"))
        outward.write(content)
    outward.flush()


def _send(outward: BinaryIO, value: dict[str, Any]) -> None:
    outward.write(json.dumps(value).encode() + b"\n")
    outward.flush()


def _exactly(inward: BinaryIO, length: int) -> bytes:
    content = inward.read(length)
    if len(content) < length:
        raise EOFError("the parent is gone")
    return content
