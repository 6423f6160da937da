"""What stands in addresses and headers: ranges, cursors, names, forms."""

from __future__ import annotations

from openshelf.domain.names import RepoId
from openshelf.errors import OpenshelfError
from openshelf.interfaces.hf.addresses import read_cursor, split_commas, write_cursor
from openshelf.interfaces.http.bodies import parse_range
from openshelf.interfaces.http.errors import header_text, status_of
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import from_hex, to_hex
from tests.fuzz.target import Target


def run(data: bytes) -> None:
    text = data.decode("latin-1")
    for size in (1, 1000, 2**60):
        try:
            found = parse_range(text, size)
        except OpenshelfError as error:
            assert status_of(error) == 416
        else:
            assert found is None or 0 <= found[0] < found[1] <= size
    for value in (text, data.decode("utf-8", "replace")):
        try:
            assert isinstance(read_cursor(value, {"offset": int})["offset"], int)
        except OpenshelfError as error:
            assert status_of(error) == 400
        try:
            RepoId.parse(value)
        except OpenshelfError as error:
            assert status_of(error) < 500
        try:
            assert to_hex(from_hex(value)) == value
        except XetFormatError as error:
            assert str(error)
        split_commas([value])
        header_text(value).encode("latin-1")


def _seeds() -> list[bytes]:
    cursor = write_cursor({"offset": 5}).encode()
    return [b"bytes=0-1", b"bytes=-5", b"bytes=5-", cursor, b"alice/shelf", b"ab" * 32, b"a, b,,c"]


TARGET = Target(run, _seeds)
