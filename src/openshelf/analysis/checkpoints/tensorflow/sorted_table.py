"""Sorted tables of keys and values, as LevelDB and the index of TensorFlow's checkpoints are.

Source: LevelDB, doc/table_format.md. From the end: a footer of 48 bytes with the places of two blocks and a magic
number; the index block names the data blocks. In a block each key leaves out what it shares with the one before; a
block ends with the places where a key stands whole, and their number. Behind it: how it is packed, and a sum.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import OpenFile
from openshelf.analysis.checkpoints.tensorflow.crc32c import crc32c, masked
from openshelf.analysis.checkpoints.tensorflow.snappy import unpack
from openshelf.analysis.files.ranges import UnreadableFile

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
MAX_BYTES = 128 * 1024 * 1024
"""What the blocks of one table, and the keys of them, may hold, unpacked, in all."""
MAX_BLOCKS = 20_000
MAX_ENTRIES = 1_000_000
MAX_BLOCK = 64 * 1024 * 1024
MAX_KEY = 16 * 1024
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1
_MOST_PACKED = 64
"""Snappy makes at best some 64 bytes of three; a block that says more is not allowed to ask for memory."""


def is_table(file: OpenFile) -> bool:
    """Whether the file ends as a table does."""
    return file.size >= FOOTER + _TRAILER and file.read(file.size - 8, file.size) == MAGIC


class SortedTable:
    """A table in a file, read once from front to back. It bounds what it unpacks in all."""

    def __init__(self, file: OpenFile, name: str) -> None:
        self.file, self.name = file, name
        self._left, self._blocks, self._entries = MAX_BYTES, MAX_BLOCKS, MAX_ENTRIES

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in the order of the keys, which all differ. Raises UnreadableCheckpoint."""
        if not is_table(self.file):
            raise UnreadableCheckpoint(self.name, "it does not end with the magic number of a table")
        footer = self.file.size - FOOTER
        handles = self.file.read(footer, self.file.size - 8)
        place = self._handle(handles, 0, footer)[2]
        start, size, _ = self._handle(handles, place, footer)
        last: bytes | None = None
        for _, handle in self._block(start, size, footer):
            begin, length, _ = self._handle(handle, 0, start)
            for key, value in self._block(begin, length, footer):
                if last is not None and key <= last:
                    raise UnreadableCheckpoint(
                        self.name, f"the key {_shown(key)} does not come after {_shown(last)}", begin
                    )
                last = key
                yield key, value

    def _handle(self, content: bytes, place: int, where: int) -> tuple[int, int, int]:
        """The start and size of a block, and the byte of ``content`` after them."""
        offset, place = self._number(content, place, where)
        size, place = self._number(content, place, where)
        return offset, size, place

    def _number(self, content: bytes, place: int, where: int) -> tuple[int, int]:
        found = 0
        for shift, byte in enumerate(content[place : place + 10]):
            found |= (byte & 0x7F) << 7 * shift
            if byte < 0x80:
                return found, place + shift + 1
        raise UnreadableCheckpoint(self.name, "a number of a block is cut off", where)

    def _block(self, start: int, size: int, footer: int) -> Iterator[tuple[bytes, bytes]]:
        """The keys and values of the block at ``start``."""
        content = self._content(start, size, footer)
        restarts = struct.unpack("<I", content[-4:])[0] if len(content) >= 4 else len(content)
        end = len(content) - 4 - 4 * restarts
        if end < 0:
            raise UnreadableCheckpoint(self.name, f"a block of {len(content):,} bytes has no room for its end", start)
        place, key = 0, b""
        while place < end:
            shared, place = self._number(content, place, start)
            added, place = self._number(content, place, start)
            length, place = self._number(content, place, start)
            if shared > len(key) or place + added + length > end:
                raise UnreadableCheckpoint(self.name, f"the entry after {_shown(key)} does not fit its block", start)
            if shared + added > MAX_KEY:
                raise UnreadableCheckpoint(self.name, f"a key has more than {MAX_KEY:,} bytes", start)
            key = key[:shared] + content[place : place + added]
            self._take(len(key), start)
            self._entries -= 1
            if self._entries < 0:
                raise UnreadableCheckpoint(self.name, f"it has more than {MAX_ENTRIES:,} entries", start)
            place += added + length
            yield key, content[place - length : place]

    def _content(self, start: int, size: int, footer: int) -> bytes:
        """The unpacked bytes of a block, once its sum is right."""
        end = start + size + _TRAILER
        if end > footer:
            raise UnreadableCheckpoint(
                self.name,
                f"a block of {size:,} bytes begins here, and the footer at byte {footer:,}",
                min(start, footer),
            )
        self._blocks -= 1
        if self._blocks < 0:
            raise UnreadableCheckpoint(self.name, f"it has more than {MAX_BLOCKS:,} blocks", start)
        if size > MAX_BLOCK:
            raise UnreadableCheckpoint(self.name, f"a block has {size:,} bytes; at most {MAX_BLOCK:,} are read", start)
        self._take(size, start)
        stored = self.file.read(start, end)
        if masked(crc32c(stored[: size + 1])) != int.from_bytes(stored[-4:], "little"):
            raise UnreadableCheckpoint(self.name, "the check sum of a block is wrong: the file is damaged", start)
        if stored[size] == _PLAIN:
            return stored[:size]
        if stored[size] != _SNAPPY:
            raise UnreadableCheckpoint(self.name, f"a block is packed in the way {stored[size]}, not known here", start)
        try:
            content = unpack(stored[:size], min(MAX_BLOCK, _MOST_PACKED * max(size, 64)))
        except UnreadableFile as error:
            raise UnreadableCheckpoint(self.name, str(error), start) from None
        self._take(len(content), start)
        return content

    def _take(self, count: int, start: int) -> None:
        self._left -= count
        if self._left < 0:
            raise UnreadableCheckpoint(self.name, f"its blocks hold more than {MAX_BYTES:,} bytes", start)


def _shown(key: bytes) -> str:
    return repr(key[:100].decode("utf-8", "backslashreplace"))
