"""What took long to lay out, kept in memory for who looks next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from markupsafe import Markup

Key = tuple[str, ...]


class Shown(Protocol):
    @property
    def html(self) -> Markup: ...


T = TypeVar("T", bound=Shown)


class ShownCache(Generic[T]):
    """The pieces of pages shown last, up to so many characters in all; a key names all that a piece is made of."""

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._held = 0
        self._pieces: OrderedDict[Key, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> T | None:
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
            return self._pieces.get(key)

    def keep(self, key: Key, piece: T) -> None:
        """Keep ``piece``, unless it alone would take much of the room."""
        if len(piece.html) > self._most // 4:
            return
        with self._lock:
            if key not in self._pieces:
                self._pieces[key] = piece
                self._held += len(piece.html)
            while self._held > self._most:
                _, gone = self._pieces.popitem(last=False)
                self._held -= len(gone.html)
