"""A file at an address, read by ranges: what was read is kept in blocks, and reading on reads ahead."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from threading import Lock, RLock

import httpx

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import check_range
from openshelf.analysis.checkpoints.remote.chunk_lists import ChunkLists
from openshelf.analysis.checkpoints.remote.http_client import ATTEMPTS, HttpClient, Unreachable
from openshelf.analysis.checkpoints.remote.references import shown_address

BLOCK = 64 * 1024
MOST_AHEAD = 2 * 1024 * 1024
MOST_KEPT = 64 * 1024 * 1024
MOST_WHOLE = 8 * 1024 * 1024
"""A file of so many bytes is taken whole from a server that knows no ranges."""
_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})\Z")


@dataclass(slots=True)
class BlockCache:
    """Blocks of all files of a checkpoint; those that were not used for longest go first."""

    most: int = MOST_KEPT
    held: int = 0
    whole: int = 0
    """Bytes of files that had to be taken whole; those stay."""
    blocks: OrderedDict[tuple[str, int], bytes] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            found = self.blocks.get(key)
            if found is not None:
                self.blocks.move_to_end(key)
            return found

    def keep(self, key: tuple[str, int], content: bytes) -> None:
        with self._lock:
            self.held += len(content) - len(self.blocks.pop(key, b""))
            self.blocks[key] = content
            while self.held > self.most:
                self.held -= len(self.blocks.popitem(last=False)[1])


@dataclass(slots=True)
class HttpFile:
    """A file at an address. ``size`` is asked of the server where it is not given.

    Raises UnreadableCheckpoint where the server knows no ranges, or the file changes while it is read.
    """

    name: str
    address: str
    client: HttpClient
    cache: BlockCache
    known_size: int | None = None
    identity: str | None = None
    """What no other content shares, as the hub states it."""
    chunk_lists: ChunkLists | None = None
    _validator: str | None = field(default=None, init=False)
    _whole: bytes | None = field(default=None, init=False)
    _next: int = field(default=0, init=False)
    _ahead: int = field(default=BLOCK, init=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    @property
    def size(self) -> int:
        with self._lock:
            if self.known_size is None:
                self._fetch(0, BLOCK)
            assert self.known_size is not None
            return self.known_size

    def chunks(self, start: int, end: int, /) -> Hashable | None:
        """What is equal for two ranges of the same chunks of a hub; None where it does not say."""
        return self.chunk_lists and self.chunk_lists.of(self.name, start, end)

    def read(self, start: int, end: int, /) -> bytes:
        return bytes(self.view(start, end))

    def view(self, start: int, end: int, /) -> memoryview:
        check_range(self.name, self.size, start, end)
        with self._lock:
            if self._whole is not None:
                return memoryview(self._whole)[start:end]
            if start == end:
                return memoryview(b"")
            if end - start > MOST_AHEAD:
                return memoryview(self._range(start, end)).toreadonly()
            return memoryview(self._from_blocks(start, end))

    def _from_blocks(self, start: int, end: int) -> bytes:
        first, last = start // BLOCK, (end - 1) // BLOCK
        held = {number: self.cache.get((self.name, number)) for number in range(first, last + 1)}
        missing = [number for number, content in held.items() if content is None]
        if missing:
            fetched = self._fetch(missing[0] * BLOCK, (missing[-1] + 1) * BLOCK)
            if self._whole is not None:
                return self._whole[start:end]
            held |= fetched
        content = b"".join(held[number] or b"" for number in range(first, last + 1))
        return content[start - first * BLOCK : end - first * BLOCK]

    def _fetch(self, start: int, end: int) -> dict[int, bytes]:
        """Blocks from ``start`` on, further than ``end`` where reading goes on from where it was."""
        self._ahead = min(2 * self._ahead, MOST_AHEAD) if start == self._next and start else BLOCK
        end = max(end, start + self._ahead)
        if self.known_size is not None:
            end = min(end, self.known_size)
        content = bytes(self._range(start, end))
        self._next = start + len(content)
        found = {}
        for place in range(0, len(content), BLOCK):
            number, block = (start + place) // BLOCK, content[place : place + BLOCK]
            found[number] = block
            self.cache.keep((self.name, number), block)
        return found

    def _range(self, start: int, end: int) -> bytearray:
        """The bytes ``[start, end)``, or up to the end of a file of unknown size. Goes on where a line broke."""
        content = bytearray()
        failures = 0
        while len(content) < end - start:
            before, reason = len(content), "the server gives nothing more"
            try:
                end = self._one_answer(content, start, end)
            except httpx.TransportError as error:
                reason = f"the connection broke: {error or type(error).__name__}"
            if len(content) > before:
                failures = 0
            elif len(content) < end - start:
                failures += 1
                if failures == ATTEMPTS:
                    raise Unreachable(self.address, f"{reason}, {failures} times")
                self.client.pause(0.5 * 2**failures)
        return content

    def _one_answer(self, content: bytearray, start: int, end: int) -> int:
        """Add to ``content`` what one request gives; returns where the bytes that are wanted end in truth."""
        begin = start + len(content)
        with self.client.get(self.address, {"range": f"bytes={begin}-{end - 1}"}) as response:
            if response.status_code == 200:
                self._take_whole(response)
                assert self._whole is not None
                content[:] = self._whole[start:end]
                return start + len(content)
            found = _RANGE.match(response.headers.get("content-range", ""))
            if found is None:
                raise self._unreadable("the server does not say how large the file is")
            self._check(response, int(found[3]))
            end = min(end, int(found[3]))
            if response.status_code == 416:
                if end > begin:
                    raise self._unreadable(f"the server refuses to give bytes {begin:,} to {end:,}")
                return end
            if int(found[1] or 0) != begin or int(found[2] or 0) >= end:
                raise self._unreadable(f"the server gives other bytes than {begin:,} to {end:,}")
            for piece in self.client.take(response, end - begin):
                content += piece
        return end

    def _take_whole(self, response: httpx.Response) -> None:
        said = response.headers.get("content-length", "")
        if (said.isdecimal() and int(said) > MOST_WHOLE) or (self.known_size or 0) > MOST_WHOLE:
            raise self._unreadable(
                "the server does not give parts of files (Range); download the file and open it from the disk"
            )
        content = b"".join(self.client.take(response, MOST_WHOLE))
        self._check(response, len(content))
        self.cache.whole += len(content)
        if self.cache.whole > MOST_KEPT:
            raise self._unreadable("the server does not give parts of files (Range), and there are too many of them")
        self._whole = content

    def _check(self, response: httpx.Response, size: int) -> None:
        validator = response.headers.get("etag") or response.headers.get("last-modified")
        changed = self.known_size not in (None, size) or (self._validator and validator != self._validator)
        if changed:
            raise self._unreadable("it changed while it was read, or is not what the hub lists; open it anew")
        self.known_size, self._validator = size, validator

    def _unreadable(self, reason: str) -> UnreadableCheckpoint:
        return UnreadableCheckpoint(self.name, f"{reason} ({shown_address(self.address)})")
