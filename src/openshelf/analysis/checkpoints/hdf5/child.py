"""HDF5, read in a process of its own: ``python -I -m openshelf.analysis.checkpoints.hdf5.child``.

It has no files and no network. It asks its parent for ranges of bytes over its standard output, gets them over its
standard input, and answers with a listing or with values. h5py is imported here alone. See ``messages``.
"""

from __future__ import annotations

import io
import sys
from collections import OrderedDict
from typing import Any, BinaryIO

from openshelf.analysis import confinement
from openshelf.analysis.checkpoints.hdf5 import messages
from openshelf.analysis.files.ranges import UnreadableFile

MEMORY_BYTES = 2 * 1024 * 1024 * 1024
CPU_SECONDS = 30
_BLOCK = 64 * 1024
_BLOCKS = 256


def main() -> int:
    inward, outward = sys.stdin.buffer, sys.stdout.buffer
    confinement.limit_resources(MEMORY_BYTES, CPU_SECONDS)
    confinement.leave_network()
    request = messages.read_request(inward)
    try:
        # Imported before the files are left, for that is the last time that it finds its libraries.
        from openshelf.analysis.checkpoints.hdf5 import walk as hdf5_walk
    except ImportError as error:
        messages.send(outward, {"failure": f"there is no reader for HDF5 here ({error}); install h5py"})
        return 0
    confinement.leave_files()
    file = Asked(inward, outward, request.size)
    try:
        if request.path:
            for piece in hdf5_walk.values(file, request.path):
                messages.send(outward, {"piece": len(piece)})
                outward.write(piece)
        else:
            for message in hdf5_walk.listing(file):
                outward.write(messages.line(message))
    except Exception as error:
        messages.send(outward, {"failure": words(file.failure or error)})
    else:
        messages.send(outward, {"done": True})
    return 0


def words(error: Exception) -> str:
    """What the parent is told of a failure."""
    if isinstance(error, UnreadableFile):
        return str(error)
    if isinstance(error, MemoryError):
        return "more memory than is allowed would be needed to read it"
    text = " ".join(str(error).split())
    return f"h5py says: {text[:300] or type(error).__name__}"


class Asked(io.RawIOBase):
    """The file as h5py wants it: what it reads is asked from the parent in blocks, some of which are kept.

    ``failure`` is what the parent refused, which h5py would not say.
    """

    def __init__(self, inward: BinaryIO, outward: BinaryIO, size: int) -> None:
        self.inward, self.outward, self.size = inward, outward, size
        self.place = 0
        self.failure: UnreadableFile | None = None
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.place = max(0, offset + (0, self.place, self.size)[whence])
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self.place + len(view), self.size)
        filled = 0
        while self.place < end:
            part = self._part(self.place, end)
            view[filled : filled + len(part)] = part
            filled, self.place = filled + len(part), self.place + len(part)
        return filled

    def _part(self, start: int, end: int) -> bytes:
        """Some bytes from ``start`` on, at most up to ``end``."""
        if end - start >= 4 * _BLOCK:
            return self._ask(start, min(end, start + messages.MAX_READ))
        number = start // _BLOCK
        if number not in self._kept:
            self._kept[number] = self._ask(number * _BLOCK, min((number + 1) * _BLOCK, self.size))
            if len(self._kept) > _BLOCKS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number][start - number * _BLOCK : end - number * _BLOCK]

    def _ask(self, start: int, end: int) -> bytes:
        try:
            return messages.ask(self.inward, self.outward, start, end)
        except UnreadableFile as error:
            self.failure = error
            raise


if __name__ == "__main__":
    sys.exit(main())
