"""What the stored xorbs hold, looked up as a file is walked."""

from __future__ import annotations

import threading
from collections import OrderedDict

from openshelf.services.hub import Hub
from openshelf.storage.catalogue import xorbs
from openshelf.xet.xorb_index import XorbIndex

_KEPT = 64


class XorbIndexes:
    """From a xorb's hash to its index, or None; remembers the last few, which have some 100 kB each.

    Says nothing of who may use a xorb: callers ask that first.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, XorbIndex] = OrderedDict()

    def __call__(self, xorb_hash: bytes) -> XorbIndex | None:
        with self._lock:
            known = self._known.get(xorb_hash)
            if known is not None:
                self._known.move_to_end(xorb_hash)
                return known
        with self._hub.storage.catalogue.read() as tx:
            row = xorbs.get(tx, xorb_hash)
        if row is None:
            return None
        index = XorbIndex.unpack(row.chunk_index)
        with self._lock:
            self._known[xorb_hash] = index
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return index
