"""Folder listings kept in memory. A git tree never changes, so neither does what lies in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from openshelf.domain.tree import Entry

Key = tuple[str, str, str]
MAX_ENTRIES = 100_000


@dataclass(slots=True)
class FolderCache:
    """The most recently used folders, up to ``most`` entries in all; keys are (repository, tree id, prefix)."""

    most: int = MAX_ENTRIES
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _folders: OrderedDict[Key, list[Entry]] = field(default_factory=OrderedDict)
    _held: int = 0

    def get(self, key: Key, read: Callable[[], list[Entry]]) -> list[Entry]:
        """The listing under ``key``, read where it is not held. Callers must not change it."""
        with self._lock:
            known = self._folders.get(key)
            if known is not None:
                self._folders.move_to_end(key)
                return known
        entries = read()
        with self._lock:
            if key not in self._folders and len(entries) <= self.most:
                self._folders[key] = entries
                self._held += len(entries) + 1
            while self._held > self.most and self._folders:
                _, dropped = self._folders.popitem(last=False)
                self._held -= len(dropped) + 1
        return entries
