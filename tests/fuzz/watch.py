"""Nothing but the given files is opened, nothing is started, connected or unpickled, while hostile bytes are read.

Python tells its audit hooks of all that (PEP 578). Modules that are loaded when they are first wanted, from where the
interpreter and the hub have theirs, are let through; what C libraries open by themselves is not seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import openshelf
from openshelf.analysis.checkpoints.hdf5 import child

_PLACES = ("open", "os.listdir", "os.scandir")
_NEVER = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir",
    "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chdir", "subprocess.Popen", "socket.connect",
    "socket.bind", "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen", "urllib.Request", "shutil.", "tempfile.",
)  # fmt: skip


class OutsideReached(AssertionError):
    """Something was touched that was not given."""


class _Watch:
    """The one hook of this process; hooks cannot be taken away again."""

    def __init__(self) -> None:
        self.allowed: Collection[str] | None = None
        self.reached: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        if event in _PLACES:
            flags = int(given[2]) if event == "open" else 0
            if isinstance(given[0], int) or self._may_open(os.fsdecode(given[0] or "."), flags):
                return
        elif not event.startswith(_NEVER) or _is_confined(event, given):
            return
        what = f"{event} {given!r:.300}"
        self.reached.append(what)
        raise OutsideReached(what)

    def _may_open(self, path: str, flags: int) -> bool:
        path = path.rstrip(os.sep) or os.sep
        allowed = self.allowed or ()
        if path in allowed or path == os.devnull or path.startswith(_libraries()):
            return True
        if os.pardir in path.split(os.sep) or not path.startswith(tuple(f"{one}{os.sep}" for one in allowed)):
            return False
        # Within what was given, nothing comes of a name that is not there, nor of a link that is not followed.
        return not os.path.lexists(path) or bool(flags & os.O_NOFOLLOW and os.path.dirname(path) in allowed)


def _is_confined(event: str, given: tuple[Any, ...]) -> bool:
    """Whether a process is started that gives up files and network before it reads: the one for HDF5."""
    return event == "subprocess.Popen" and list(given[1])[1:] == ["-I", "-m", child.__name__]


@cache
def _watch() -> _Watch:
    _libraries()
    return _Watch()


@cache
def _libraries() -> tuple[str, ...]:
    places = {sys.prefix, sys.base_prefix, str(Path(openshelf.__file__).parent)}
    return tuple(sorted(f"{place}{os.sep}" for place in places))


@contextmanager
def watched(allowed: Collection[str] = ()) -> Iterator[None]:
    """While it lasts, only the paths ``allowed`` may be opened or listed. Raises OutsideReached, at the end at last."""
    watch = _watch()
    watch.allowed, watch.reached = allowed, []
    try:
        yield
    finally:
        watch.allowed = None
    if watch.reached:
        raise OutsideReached(watch.reached[0])
