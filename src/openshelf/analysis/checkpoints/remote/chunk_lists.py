"""Of which chunks a hub keeps its files: two ranges of the same chunks hold the same bytes, and neither is fetched.

A hub that speaks Xet states the chunks of any range of a file. Source: huggingface.co/docs/xet, reconstruction, V1.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.remote.http_client import HttpClient
from openshelf.analysis.checkpoints.remote.references import is_address

_MOST_ANSWER = 16 * 1024 * 1024
_LEAST_LEFT = 60
"""Seconds that a token must still hold."""
_HASH = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class _Grant:
    """Where to ask, what lets in there, and until when (seconds since 1970)."""

    address: str
    token: str
    expires: float


@dataclass(slots=True)
class ChunkLists:
    """Asks for the chunks of files of one repo; ``hashes`` are the Xet hashes of those that have one, by name.

    A hub that does not answer as expected is not asked again: whoever wants to know reads the bytes then.
    """

    client: HttpClient
    endpoint: str
    token_address: str
    hashes: Mapping[str, str]
    _grant: _Grant | None = field(default=None, init=False)
    _is_silent: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def of(self, name: str, start: int, end: int) -> Hashable | None:
        """What is equal for two ranges of the same chunks of this hub; None where it does not say."""
        if not _HASH.match(self.hashes.get(name, "")) or end <= start:
            return None
        with self._lock:
            if self._is_silent:
                return None
            try:
                return (self.endpoint, end - start, *self._ask(self.hashes[name], start, end))
            except (UnreadableCheckpoint, KeyError, TypeError, ValueError, RecursionError):
                self._is_silent = True
                return None

    def _ask(self, file: str, start: int, end: int) -> tuple[Hashable, ...]:
        if self._grant is None or self._grant.expires < time.time() + _LEAST_LEFT:
            said = self._json(self.token_address, {})
            self._grant = _Grant(str(said["casUrl"]).rstrip("/"), str(said["accessToken"]), float(said["exp"]))
            if not is_address(self._grant.address):
                raise ValueError(self._grant.address)
        headers = {"authorization": f"Bearer {self._grant.token}", "range": f"bytes={start}-{end - 1}"}
        said = self._json(f"{self._grant.address}/v1/reconstructions/{file}", headers)
        return int(said["offset_into_first_range"]), *_joined(said["terms"])

    def _json(self, address: str, headers: dict[str, str]) -> Any:
        with self.client.get(address, headers) as response:
            return json.loads(b"".join(self.client.take(response, _MOST_ANSWER)))


def _joined(terms: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Runs of chunks as (xorb, first, past the last), where one that goes on from the one before is part of it.

    Raises ValueError of what is no run of chunks.
    """
    found: list[tuple[str, int, int]] = []
    for term in terms:
        xorb, first, stop = term["hash"], int(term["range"]["start"]), int(term["range"]["end"])
        if not (isinstance(xorb, str) and _HASH.match(xorb) and 0 <= first < stop):
            raise ValueError(term)
        if found and found[-1][0] == xorb and found[-1][2] == first:
            first = found.pop()[1]
        found.append((xorb, first, stop))
    if not found:
        raise ValueError("no chunks")
    return found
