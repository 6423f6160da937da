"""Parquet and Arrow read in a child process that has no files, no network, and bounded memory and time."""

from __future__ import annotations

import threading

from openshelf.analysis.files.ranges import RangeReader, UnreadableFile
from openshelf.analysis.reading_process import reading_process
from openshelf.analysis.tables import columnar_messages as messages
from openshelf.analysis.tables.columnar_messages import ReaderFailed, Request
from openshelf.analysis.tables.table import Table

SECONDS = 30.0
AT_ONCE = 2
PATIENCE_SECONDS = 15.0
_PROGRAM = "openshelf.analysis.tables.columnar"
# One thread, and the allocator whose memory the limit of address space is made for.
_ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_places = threading.BoundedSemaphore(AT_ONCE)


def read(ranges: RangeReader, form: str, first: int, most: int) -> Table:
    """Rows ``first`` to ``first + most`` of a file in the ``form`` parquet, arrow or stream.

    Raises UnreadableFile with what the reader says, ReaderFailed where it did not live to say anything.
    """
    if not _places.acquire(timeout=PATIENCE_SECONDS):
        raise ReaderFailed("this hub reads other tables at the moment; try again in a minute")
    try:
        with reading_process(_PROGRAM, _ENVIRONMENT, SECONDS) as (inward, outward):
            messages.send_request(outward, Request(form, ranges.size, first, most))
            return messages.serve(inward, outward, ranges)
    except UnreadableFile:
        raise
    except (BrokenPipeError, ValueError):
        raise ReaderFailed("the process that reads it ended early: too much memory or time") from None
    finally:
        _places.release()
