"""Starting a process that reads one foreign file; what it gives up first is in ``confinement``."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast


@contextmanager
def reading_process(
    program: str, environment: Mapping[str, str], seconds: float
) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The pipes from and to a new process that runs the module ``program``, isolated from the user's settings.

    It is gone at the end of the block, and after ``seconds`` in any case.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, **environment},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    clock = threading.Timer(seconds, process.kill)
    clock.daemon = True
    clock.start()
    try:
        yield cast(BinaryIO, process.stdout), cast(BinaryIO, process.stdin)
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()
