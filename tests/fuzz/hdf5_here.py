"""The program that reads HDF5, in this process instead of a confined one of its own, where a fuzzer can see it.

What it says goes through the same lines of JSON, and what is made of them is the same. libhdf5 itself is C: a fault in
it ends the confined process only, and would end this one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from openshelf.analysis.checkpoints.hdf5 import messages, reading, walk
from openshelf.analysis.checkpoints.hdf5.child import words
from openshelf.analysis.files.ranges import RangeReader, UnreadableFile


def hdf5_here() -> AbstractContextManager[object]:
    """While it lasts, HDF5 is read here."""
    return patch.object(reading, "_answers", _answers)


def _answers(ranges: RangeReader, request: messages.Request, budget: int) -> Iterator[tuple[str, Any]]:
    held = io.BytesIO(ranges.read(0, ranges.size))
    try:
        if request.path:
            for piece in walk.values(held, request.path):
                yield "piece", piece
        else:
            for message in walk.listing(held):
                ((word, value),) = json.loads(messages.line(message)).items()
                yield word, value
    except Exception as error:
        raise UnreadableFile(words(error)) from None
