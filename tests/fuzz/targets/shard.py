"""Shards: parsed, each file checked against the xorbs, and planned for download."""

from __future__ import annotations

from openshelf.xet.errors import RangeNotSatisfiableError, XetFormatError
from openshelf.xet.files import validate_file
from openshelf.xet.reads import plan_reads
from openshelf.xet.reconstruction import plan, render_v1, render_v2
from openshelf.xet.shards import parse_shard
from tests.fuzz.material import index_of, shard, xorb
from tests.fuzz.target import Target

_BODY = xorb(b"e" * 4000, b"f" * 6000, bytes(range(256)) * 30)
_INDEX = index_of(_BODY)


def run(data: bytes) -> None:
    try:
        found = parse_shard(data)
    except XetFormatError as error:
        assert str(error)
        return
    for file in found.files:
        try:
            size = validate_file(file, lambda _: _INDEX)
        except XetFormatError:
            size = None
        _download(file.segments, size)


def _download(segments: object, size: int | None) -> None:
    assert isinstance(segments, tuple)
    for wanted in (None, (0, 0), (5, 2**40)):
        try:
            found = plan(segments, lambda _: _INDEX, wanted)
            render_v1(found, lambda *_: "")
            render_v2(found, lambda *_: "", 3)
            taken = sum(step.take for step in plan_reads(segments, lambda _: _INDEX, wanted))
        except (XetFormatError, RangeNotSatisfiableError):
            assert size is None or not size or wanted is not None, "a file that was accepted cannot be read"
            continue
        assert size is None or wanted is not None or taken == size


TARGET = Target(run, lambda: [shard(_BODY, footer=False), shard(_BODY, footer=True)], per_byte=400)
