"""Locks that hold between threads, processes and command-line tools on one data folder."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from openshelf.errors import Unavailable
from openshelf.storage.durable import make_folder


class Locks(Protocol):
    """Named exclusive locks; they vanish with the process that holds them."""

    @contextmanager
    def hold(self, name: str, timeout: float = 60.0) -> Iterator[None]:
        """Hold ``name``; raises Unavailable where it is not free within ``timeout`` seconds."""
        ...

    @contextmanager
    def try_hold(self, name: str) -> Iterator[bool]:
        """Hold ``name`` if it is free now; yields whether it is held."""
        ...


class DiskLocks:
    """Locks as flock(2) on files of one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_folder(root)
        self._guard = threading.Lock()
        self._threads: dict[str, threading.Lock] = {}

    @contextmanager
    def hold(self, name: str, timeout: float = 60.0) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        gate = self._gate(name)
        if not gate.acquire(timeout=timeout):
            raise self._busy(name)
        try:
            descriptor = self._open(name)
            try:
                wait = 0.001
                while not _try_flock(descriptor):
                    if time.monotonic() > deadline:
                        raise self._busy(name)
                    time.sleep(wait)
                    wait = min(wait * 2, 0.05)
                yield
            finally:
                os.close(descriptor)
        finally:
            gate.release()

    @contextmanager
    def try_hold(self, name: str) -> Iterator[bool]:
        gate = self._gate(name)
        if not gate.acquire(blocking=False):
            yield False
            return
        try:
            descriptor = self._open(name)
            try:
                yield _try_flock(descriptor)
            finally:
                os.close(descriptor)
        finally:
            gate.release()

    def _gate(self, name: str) -> threading.Lock:
        with self._guard:
            return self._threads.setdefault(name, threading.Lock())

    def _open(self, name: str) -> int:
        path = self.root / (name.replace("/", "-") + ".lock")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @staticmethod
    def _busy(name: str) -> Unavailable:
        return Unavailable(f"Something else is working on {name}; try again in a moment.")


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
