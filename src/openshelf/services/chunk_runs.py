"""Finding runs of a file's chunks in stored xorbs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from openshelf.domain.access import ReadScope
from openshelf.services import xet_dedup
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import xorbs
from openshelf.storage.catalogue.xorbs import XorbRow
from openshelf.xet.hashes import Node, is_dedup_eligible
from openshelf.xet.xorb_index import XorbIndex

# Shorter runs would scatter a file over many xorbs; clients stop at about eight chunks too.
MIN_RUN = 8
_MOST_INDEXES = 128
_MOST_PLACES = 4

Place: TypeAlias = tuple[bytes, XorbIndex, int]
"""A chunk's xorb, that xorb's index, and the chunk's number in it."""


@dataclass(frozen=True, slots=True)
class Run:
    """The chunks [start_chunk, end_chunk) of a stored xorb; ``length`` is their uncompressed bytes."""

    xorb_hash: bytes
    start_chunk: int
    end_chunk: int
    length: int


class KnownChunks:
    """Xorbs that a file may refer to: those that each repo which holds it may use without learning of another's.

    They are found as clients find them, by the chunks that are indexed for all, and bring their neighbours.
    """

    def __init__(self, hub: Hub, holders: Sequence[str]) -> None:
        self._hub = hub
        self._holders = holders
        self._scope = ReadScope() if hub.settings.dedup_scope == "readable" else None
        self._indexes: OrderedDict[bytes, XorbIndex] = OrderedDict()
        self._is_first = True

    def remember(self, xorb_hash: bytes, index: XorbIndex) -> None:
        """Match against this xorb too; the last ones are kept."""
        self._indexes[xorb_hash] = index
        self._indexes.move_to_end(xorb_hash)
        if len(self._indexes) > _MOST_INDEXES:
            self._indexes.popitem(last=False)

    def match(self, window: Sequence[Node], *, is_whole_file: bool) -> Iterator[Run | Node]:
        """The window's chunks in order, as runs of stored chunks where there are long ones, singly where not."""
        self._look_up(window)
        places = self._places({name for name, _ in window})
        at = 0
        while at < len(window):
            run, count = _longest(window, at, places.get(window[at][0], ()))
            if run and (count >= MIN_RUN or (is_whole_file and count == len(window))):
                yield run
                at += count
            else:
                yield window[at]
                at += 1

    def _look_up(self, window: Sequence[Node]) -> None:
        asked = [name for name, _ in window if is_dedup_eligible(name)]
        if self._is_first:
            asked.insert(0, window[0][0])
            self._is_first = False
        for name in dict.fromkeys(asked):
            for row in self._usable(name):
                if row.hash not in self._indexes:
                    self.remember(row.hash, XorbIndex.unpack(row.chunk_index))

    def _usable(self, name: bytes) -> list[XorbRow]:
        with self._hub.storage.catalogue.read() as tx:
            rows = xet_dedup.around(tx, self._scope, self._holders[0], name)
            for repo_id in self._holders[1:]:
                seen = xorbs.visible_hashes(tx, self._scope, repo_id, [row.hash for row in rows])
                rows = [row for row in rows if row.hash in seen]
        return rows

    def _places(self, wanted: set[bytes]) -> dict[bytes, list[Place]]:
        places: dict[bytes, list[Place]] = {}
        for xorb_hash, index in self._indexes.items():
            for number, (name, _) in enumerate(index.nodes()):
                if name in wanted:
                    known = places.setdefault(name, [])
                    if len(known) < _MOST_PLACES:
                        known.append((xorb_hash, index, number))
        return places


def _longest(window: Sequence[Node], at: int, places: Iterable[Place]) -> tuple[Run | None, int]:
    best, most = None, 0
    for xorb_hash, index, number in places:
        room = min(len(window) - at, len(index) - number)
        count = 0
        while count < room and window[at + count][0] == index.chunk_hash(number + count):
            count += 1
        if count > most:
            length = index.raw_length_of(number, number + count)
            best, most = Run(xorb_hash, number, number + count, length), count
    return best, most
