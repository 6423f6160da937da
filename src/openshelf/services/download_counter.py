"""Downloads seen and not yet written.

The rule: one client (an account, or an address that is not signed in) counts once for a repo in an hour. What
counts is a request for the bytes of a file, and a look at its metadata by a client that says it is using the file
(``X-HF-Download-Counter``), which is how a file that is cached already is seen. So a snapshot of a hundred files, or a
file read in a thousand ranges, is one download. Counts are kept in the memory of one process.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

ONCE_SECONDS = 3600
_MOST_CLIENTS = 200_000


@dataclass(slots=True)
class DownloadCounter:
    """Counts by repo id."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: Counter[str] = field(default_factory=Counter)
    _seen: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, repo_id: str, client: str) -> None:
        """``client`` downloads from a repo."""
        key, moment = (repo_id, client), time.monotonic()
        last = self._seen.get(key)
        if last is not None and moment - last < ONCE_SECONDS:
            return
        with self._lock:
            if len(self._seen) >= _MOST_CLIENTS:
                self._seen = {known: at for known, at in self._seen.items() if moment - at < ONCE_SECONDS}
            if len(self._seen) >= _MOST_CLIENTS:
                self._seen.clear()
            self._seen[key] = moment
            self._counts[repo_id] += 1

    def take(self) -> dict[str, int]:
        """The counts by repo id since the last call."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
        return counts

    def give_back(self, counts: Mapping[str, int]) -> None:
        """Take counts that could not be written."""
        with self._lock:
            self._counts.update(counts)
