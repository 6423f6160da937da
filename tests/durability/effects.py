"""What a process does to a folder, call by call; and what of it a power cut would take away.

The model of a power cut is the strictest that POSIX allows: bytes are on disk once their file was synced, a name once
its folder was synced after the name was made, changed or removed. What was not synced may be lost or not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.durability.ptrace import Fail, Kill, Stop, follow, is_below

# System call numbers of x86_64 (asm/unistd_64.h).
_WRITE = {1: "write", 18: "pwrite64", 20: "writev", 296: "pwritev", 328: "pwritev2", 326: "copy_file_range"}
_WRITE |= {40: "sendfile", 77: "ftruncate", 285: "fallocate"}
_SYNC = {74: "fsync", 75: "fdatasync", 306: "syncfs", 162: "sync"}
_RENAME = {82: "rename", 264: "renameat", 316: "renameat2"}
_LINK = {86: "link", 265: "linkat", 88: "symlink", 266: "symlinkat"}
_UNLINK = {87: "unlink", 263: "unlinkat", 84: "rmdir"}
_MAKE = {83: "mkdir", 258: "mkdirat"}
_OPEN = {2: "open", 257: "openat", 85: "creat"}
_EXEC = {59: "execve"}
_READ = {0: "read", 17: "pread64", 19: "readv", 295: "preadv"}
_NAMES = _WRITE | _SYNC | _RENAME | _LINK | _UNLINK | _MAKE | _OPEN | _EXEC | _READ
_AT_FDCWD = 0xFFFFFF9C

CALLS = tuple(_NAMES.keys() - _READ.keys())
READS = tuple(_READ)


class Kind(StrEnum):
    """What an effect is about."""

    WRITE = "write"
    SYNC = "sync"
    RENAME = "rename"
    LINK = "link"
    UNLINK = "unlink"
    MAKE = "make"
    CREATE = "create"
    EXEC = "exec"
    READ = "read"


_KINDS: tuple[tuple[dict[int, str], Kind], ...] = (
    (_WRITE, Kind.WRITE),
    (_SYNC, Kind.SYNC),
    (_RENAME, Kind.RENAME),
    (_LINK, Kind.LINK),
    (_UNLINK, Kind.UNLINK),
    (_MAKE, Kind.MAKE),
    (_OPEN, Kind.CREATE),
    (_EXEC, Kind.EXEC),
    (_READ, Kind.READ),
)


@dataclass(frozen=True)
class Effect:
    """One call that changes a folder, or reads from it; paths are absolute, ``target`` is the new name of a rename."""

    call: str
    kind: Kind
    path: str
    target: str = ""

    def seen_from(self, root: Path) -> str:
        text = f"{self.call} {self.path} {self.target}".strip()
        return text.replace(f"{root}/", "")


def read_effect(stop: Stop, root: Path) -> Effect | None:
    """The effect that a call will have on ``root``; None where it has none."""
    number, args = stop.number, stop.arguments
    kind = next(kind for calls, kind in _KINDS if number in calls)
    name = _NAMES[number]
    if kind in (Kind.WRITE, Kind.SYNC, Kind.READ):
        at = 2 if name == "copy_file_range" else 0
        path = "" if name == "sync" else stop.folder(args[at])
        # Shared memory of SQLite, and files without a name, hold nothing that must last.
        is_transient = path.endswith(("-shm", " (deleted)"))
        return Effect(name, kind, path) if is_below(path, root) and not is_transient else None
    if kind is Kind.EXEC:
        return Effect(name, kind, stop.text(args[0]))
    paths = _paths(stop, name)
    if not any(is_below(path, root) for path in paths):
        return None
    if kind is Kind.CREATE:
        flags = os.O_CREAT if name == "creat" else args[2 if name == "openat" else 1]
        is_new = flags & os.O_CREAT and not os.path.lexists(paths[0])
        cuts = flags & os.O_TRUNC and os.path.exists(paths[0]) and os.path.getsize(paths[0]) > 0
        if (not is_new and not cuts) or paths[0].endswith("-shm") or "/locks/" in paths[0]:
            return None
    return Effect(name, kind, *paths)


def _paths(stop: Stop, name: str) -> list[str]:
    args = stop.arguments
    if name == "symlink":
        return [_path(stop, None, args[1])]
    if name == "symlinkat":
        return [_path(stop, args[1], args[2])]
    if name in ("renameat", "renameat2", "linkat"):
        return [_path(stop, args[0], args[1]), _path(stop, args[2], args[3])]
    if name.endswith("at"):
        return [_path(stop, args[0], args[1])]
    if name in ("rename", "link"):
        return [_path(stop, None, args[0]), _path(stop, None, args[1])]
    return [_path(stop, None, args[0])]


def _path(stop: Stop, folder: int | None, address: int) -> str:
    text = stop.text(address)
    if text.startswith("/"):
        return os.path.normpath(text)
    is_cwd = folder is None or folder & 0xFFFFFFFF == _AT_FDCWD
    return os.path.normpath(f"{stop.cwd() if is_cwd or folder is None else stop.folder(folder)}/{text}")


@dataclass
class Disk:
    """What of a folder is on disk for sure. ``aside`` keeps what was removed or replaced, to bring it back."""

    root: Path
    aside: Path
    synced: dict[str, int] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    undo: list[tuple[str, str, str]] = field(default_factory=list)

    def before(self, effect: Effect) -> str:
        """Keep what the effect is about to take away; returns where."""
        if effect.kind is Kind.WRITE and os.path.isfile(effect.path):
            self.synced.setdefault(effect.path, os.path.getsize(effect.path))
        doomed = effect.target if effect.kind is Kind.RENAME else effect.path if effect.kind is Kind.UNLINK else ""
        if not doomed or not os.path.isfile(doomed):
            return ""
        self.aside.mkdir(exist_ok=True)
        kept = self.aside / str(len(list(self.aside.iterdir())))
        os.link(doomed, kept)
        return str(kept)

    def after(self, effect: Effect, kept: str) -> None:
        """The effect has taken place."""
        path = effect.path
        if kept:
            self.undo.append(("restore", effect.target or path, kept))
        if effect.kind is Kind.WRITE:
            self.dirty.add(path)
        elif effect.kind is Kind.SYNC:
            self._sync(effect)
        elif effect.kind in (Kind.CREATE, Kind.MAKE):
            if effect.kind is Kind.CREATE and os.path.isfile(path) and path in self.synced:
                self.dirty.add(path)
            self.synced.setdefault(path, 0)
            self.undo.append(("remove", path, ""))
        elif effect.kind is Kind.LINK:
            self.undo.append(("remove", effect.target or path, ""))
        elif effect.kind is Kind.RENAME:
            self._renamed(path, effect.target)

    def _renamed(self, old: str, new: str) -> None:
        self.undo.append(("rename", new, old))
        for name in [name for name in self.synced if is_below(name, Path(old))]:
            moved = new + name.removeprefix(old)
            self.synced[moved] = self.synced.pop(name)
            if name in self.dirty:
                self.dirty.remove(name)
                self.dirty.add(moved)

    def _sync(self, effect: Effect) -> None:
        if effect.call in ("syncfs", "sync"):
            self.dirty.clear()
            self.undo.clear()
        elif os.path.isdir(effect.path):
            # A rename is on disk with its new folder; what is undone below a folder concerns its names alone.
            self.undo = [step for step in self.undo if os.path.dirname(step[1]) != effect.path]
        else:
            self.dirty.discard(effect.path)
            self.synced[effect.path] = os.path.getsize(effect.path) if os.path.exists(effect.path) else 0

    def cut_power(self, lost: str) -> int:
        """Take away what was not synced: ``names``, ``bytes``, both (``all``), or ``half`` of the bytes.

        Returns how many things were lost.
        """
        count = 0
        if lost != "names":
            for path in self.dirty:
                count += _cut(path, self.synced.get(path, 0), half=lost == "half")
        if lost in ("names", "all"):
            for step, path, other in reversed(self.undo):
                count += _undone(step, path, other)
        return count


def _cut(path: str, synced: int, *, half: bool) -> int:
    try:
        size = os.path.getsize(path)
    except OSError:
        return 0
    keep = synced + (size - synced) // 2 if half else synced
    if os.path.isdir(path) or size <= keep:
        return 0
    os.chmod(path, 0o644)
    os.truncate(path, keep)
    return 1


def _undone(step: str, path: str, other: str) -> int:
    if step == "rename" and os.path.lexists(path):
        os.makedirs(os.path.dirname(other), exist_ok=True)
        os.rename(path, other)
    elif step == "restore" and os.path.exists(other) and os.path.isdir(os.path.dirname(path)):
        shutil.copy2(other, path)
    elif step == "remove" and os.path.isdir(path):
        shutil.rmtree(path)
    elif step == "remove" and os.path.lexists(path):
        os.unlink(path)
    else:
        return 0
    return 1


@dataclass
class Walk:
    """One run of some work, its effects counted from 1; at number ``at`` it is killed, or the call fails."""

    root: Path
    at: int = 0
    errno: int = 0
    kinds: tuple[Kind, ...] = ()
    forever: bool = False
    """Whether every call of the kinds fails from there on, as on a disk that stays full."""
    count: int = 0
    effects: list[Effect] = field(default_factory=list)
    disk: Disk = field(init=False)
    last: Effect | None = None
    _under_way: dict[int, tuple[Effect, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.disk = Disk(self.root, self.root.with_name(self.root.name + ".aside"))

    def run(self, work: Callable[[], object]) -> int:
        """The exit code of ``work`` in a process of its own."""
        calls = READS if Kind.READ in self.kinds else CALLS
        return follow(work, calls, self._enter, self._leave)

    def _enter(self, stop: Stop) -> Fail | bool:
        effect = read_effect(stop, self.root)
        if effect is None:
            return False
        if not self.kinds or effect.kind in self.kinds:
            self.count += 1
            if self.count == self.at or (self.forever and self.count > self.at > 0):
                self.last = self.last or effect
                if self.errno:
                    return Fail(self.errno)
                raise Kill
        self.effects.append(effect)
        self._under_way[stop.thread] = (effect, self.disk.before(effect))
        return effect.kind is not Kind.EXEC

    def _leave(self, stop: Stop, value: int) -> None:
        effect, kept = self._under_way.pop(stop.thread)
        if value >= 0:
            self.disk.after(effect, kept)
