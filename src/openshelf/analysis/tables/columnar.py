"""Parquet and Arrow, read in a process of its own: ``python -I -m openshelf.analysis.tables.columnar``.

It has no files and no network. It asks its parent for ranges of bytes over its standard output, gets them over its
standard input, and answers with a table. pyarrow is imported here alone. See ``columnar_messages`` for what is said.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from openshelf.analysis import confinement
from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.analysis.tables import columnar_messages as messages

MEMORY_BYTES = 2 * 1024 * 1024 * 1024
CPU_SECONDS = 20


def main() -> int:
    inward, outward = sys.stdin.buffer, sys.stdout.buffer
    confinement.limit_resources(MEMORY_BYTES, CPU_SECONDS)
    confinement.leave_network()
    request = messages.read_request(inward)
    try:
        # Imported before the files are left, for that is the last time that it finds its libraries.
        from openshelf.analysis.tables import columnar_read
    except ImportError as error:
        messages.send_failure(outward, f"this hub has no reader for it ({error}); install pyarrow on the server")
        return 0
    confinement.leave_files()
    try:
        table = columnar_read.read_table(_Asked(inward, outward, request.size), request)
    except UnreadableFile as error:
        messages.send_failure(outward, str(error))
    except MemoryError:
        messages.send_failure(outward, "more memory than this hub allows would be needed to read it")
    except Exception as error:
        messages.send_failure(outward, _words(error))
    else:
        messages.send_table(outward, table)
    return 0


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"the reader says: {text[:300] or type(error).__name__}"


class _Asked:
    """The file as pyarrow wants it: what it reads is asked from the parent."""

    closed = False

    def __init__(self, inward: BinaryIO, outward: BinaryIO, size: int) -> None:
        self.inward, self.outward, self.length = inward, outward, size
        self.place = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = max(0, offset + (0, self.place, self.length)[whence])
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int | None = None) -> bytes:
        left = max(0, self.length - self.place)
        wanted = left if size is None or size < 0 else min(size, left)
        content = messages.ask(self.inward, self.outward, self.place, self.place + wanted) if wanted else b""
        self.place += len(content)
        return content

    def size(self) -> int:
        return self.length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main())
