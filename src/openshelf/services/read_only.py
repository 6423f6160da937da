"""Read-only mode: everything can be read and nothing changed, while an administrator mends or moves the hub.

It holds for every process of the hub within a second. The setting ``read_only`` does the same from the start on, and
only a new start ends it.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field

from openshelf.storage.catalogue import events
from openshelf.storage.store import Storage

KEY = "read-only"
_REMEMBER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Since when (seconds since 1970), by whom, and what visitors are told."""

    since: float
    by: str
    reason: str = ""


@dataclass(slots=True)
class Switch:
    """What the catalogue says of read-only mode, remembered for a second."""

    _state: ReadOnly | None = None
    _looked_at: float = -1e9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self, storage: Storage) -> ReadOnly | None:
        """None while changes are taken."""
        with self._lock:
            if time.monotonic() - self._looked_at >= _REMEMBER_SECONDS:
                with storage.catalogue.read() as tx:
                    kept = events.get_meta(tx, KEY)
                self._state = ReadOnly(**json.loads(kept)) if kept else None
                self._looked_at = time.monotonic()
            return self._state

    def set(self, storage: Storage, state: ReadOnly | None) -> None:
        with storage.catalogue.write() as tx:
            events.set_meta(tx, KEY, json.dumps(asdict(state)) if state else "")
        with self._lock:
            self._state, self._looked_at = state, time.monotonic()
