"""Following a forked process, its threads and its children through system calls (ptrace(2), seccomp(2))."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_PTRACE_CONT, _PTRACE_SYSCALL = 7, 24
_PTRACE_GETREGS, _PTRACE_SETREGS = 12, 13
_PTRACE_SEIZE, _PTRACE_LISTEN, _PTRACE_GET_SYSCALL_INFO = 0x4206, 0x4208, 0x420E
# TRACESYSGOOD, fork, vfork, clone, exec, seccomp, EXITKILL: nothing outlives the tracer.
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_EVENT_SECCOMP, _EVENT_STOP = 7, 128
_WALL = 0x40000000
_STOP_SIGNALS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_FILTER = 22, 38, 2
_AUDIT_ARCH_X86_64 = 0xC000003E
_RET_ALLOW, _RET_TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


@dataclass(frozen=True)
class Stop:
    """A thread that is about to enter a system call."""

    thread: int
    number: int
    arguments: tuple[int, ...]

    def folder(self, descriptor: int) -> str:
        """What a descriptor is open on; empty where it is no file."""
        try:
            return os.readlink(f"/proc/{self.thread}/fd/{descriptor}")
        except OSError:
            return ""

    def text(self, address: int) -> str:
        """The path at ``address`` in the memory of the thread."""
        with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            found = b""
            while b"\0" not in found and len(found) < 8192:
                # Up to the end of a page: the next one may not be there.
                piece = memory.read(4096 - (address + len(found)) % 4096)
                if not piece:
                    break
                found += piece
        return os.fsdecode(found.split(b"\0")[0])

    def cwd(self) -> str:
        return os.readlink(f"/proc/{self.thread}/cwd")


class Kill(Exception):
    """Raised by a watcher: the whole process ends here, before this call."""


@dataclass(frozen=True)
class Fail:
    """Returned by a watcher: the call is not made, and seems to fail with this errno."""

    errno: int


Enter = Callable[[Stop], "Fail | bool"]
"""Told of each call that was asked for, before it is made; returns whether it wants to know the end."""
Leave = Callable[[Stop, int], None]
"""Told of the value that the call returned."""


def unsupported() -> str:
    """Why processes cannot be followed on this machine; empty where they can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return "faults are injected by ptrace(2) on Linux on x86_64 only"
    try:
        code = follow(lambda: os.getppid() and None, [39, 110], lambda _stop: False, lambda _stop, _value: None)
    except OSError as error:
        return f"ptrace(2) is not allowed here: {error}"
    return "" if code == 0 else f"a process that was followed ended with {code}"


def follow(work: Callable[[], object], numbers: Iterable[int], enter: Enter, leave: Leave) -> int:
    """Run ``work`` in a forked process; returns its exit code, negative where a signal ended it.

    ``numbers`` are the system calls (x86_64) that ``enter`` and ``leave`` are told of, by whichever thread or child.
    """
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _begin(work, numbers, ready, go)
    os.close(ready[1])
    os.close(go[0])
    try:
        os.read(ready[0], 1)
        _ptrace(_PTRACE_SEIZE, child, 0, _OPTIONS)
        os.write(go[1], b"!")
        return _Follower(child, enter, leave).run()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(ready[0])
        os.close(go[1])


def _begin(work: Callable[[], object], numbers: Iterable[int], ready: tuple[int, int], go: tuple[int, int]) -> None:
    """The child's side: wait to be followed, then work. Never returns."""
    code = 99
    try:
        os.close(ready[0])
        os.close(go[1])
        os.write(ready[1], b"!")
        if os.read(go[0], 1):
            _install_filter(numbers)
            work()
            code = 0
    except BaseException:  # the process must not go on as its parent would
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _install_filter(numbers: Iterable[int]) -> None:
    """Stop at these calls only: everything else runs at full speed."""

    def line(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    program = line(_LOAD, 0, 0, 4) + line(_JUMP_EQUAL, 1, 0, _AUDIT_ARCH_X86_64) + line(_RETURN, 0, 0, _RET_ALLOW)
    program += line(_LOAD, 0, 0, 0)
    for number in numbers:
        program += line(_JUMP_EQUAL, 0, 1, number) + line(_RETURN, 0, 0, _RET_TRACE)
    program += line(_RETURN, 0, 0, _RET_ALLOW)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _SECCOMP_FILTER, header, 0, 0)):
        if _libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")


class _Follower:
    def __init__(self, child: int, enter: Enter, leave: Leave) -> None:
        self._child, self._enter, self._leave = child, enter, leave
        self._threads = {child}
        self._inside: dict[int, Stop] = {}
        self._code = 0

    def run(self) -> int:
        while True:
            try:
                thread, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                return self._code
            if os.WIFSTOPPED(status):
                self._threads.add(thread)
                try:
                    self._stopped(thread, os.WSTOPSIG(status), status >> 16)
                except ProcessLookupError:
                    continue  # it died meanwhile, and is waited for next
                except Kill:
                    self._kill()
            else:
                self._threads.discard(thread)
                if thread == self._child:
                    self._code = os.waitstatus_to_exitcode(status)

    def _kill(self) -> None:
        self._enter = lambda _stop: False
        for thread in self._threads:
            try:
                os.kill(thread, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _stopped(self, thread: int, number: int, event: int) -> None:
        if event == _EVENT_SECCOMP:
            self._entered(thread)
        elif number == signal.SIGTRAP | 0x80:
            stop = self._inside.pop(thread, None)
            if stop:
                self._leave(stop, _returned(thread))
            _ptrace(_PTRACE_CONT, thread, 0, 0)
        elif event == _EVENT_STOP and number in _STOP_SIGNALS:
            _ptrace(_PTRACE_LISTEN, thread, 0, 0)
        else:
            _ptrace(_PTRACE_CONT, thread, 0, 0 if event else number)

    def _entered(self, thread: int) -> None:
        info = _syscall_info(thread)
        number, *arguments = struct.unpack_from("7Q", info, 24)
        stop = Stop(thread, number, tuple(arguments))
        wanted = self._enter(stop)
        if isinstance(wanted, Fail):
            _skip(thread, -wanted.errno)
        if wanted is True:
            self._inside[thread] = stop
            _ptrace(_PTRACE_SYSCALL, thread, 0, 0)
        else:
            _ptrace(_PTRACE_CONT, thread, 0, 0)


def _syscall_info(thread: int) -> bytes:
    buffer = ctypes.create_string_buffer(88)
    _ptrace(_PTRACE_GET_SYSCALL_INFO, thread, len(buffer), ctypes.addressof(buffer))
    return buffer.raw


def _returned(thread: int) -> int:
    return int(struct.unpack_from("q", _syscall_info(thread), 24)[0])


def _skip(thread: int, value: int) -> None:
    """Let the kernel leave out the call, and return ``value``: orig_rax = -1, rax = value (sys/user.h)."""
    registers = (ctypes.c_ulonglong * 27)()
    _ptrace(_PTRACE_GETREGS, thread, 0, ctypes.addressof(registers))
    registers[15] = 2**64 - 1
    registers[10] = value % 2**64
    _ptrace(_PTRACE_SETREGS, thread, 0, ctypes.addressof(registers))


def _ptrace(request: int, thread: int, address: int, data: int) -> None:
    ctypes.set_errno(0)
    if _libc.ptrace(request, thread, address, data) == -1 and ctypes.get_errno():
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace: {os.strerror(number)}")


def is_below(path: str, root: Path) -> bool:
    """Whether ``path`` is in folder ``root`` or is it."""
    return path == str(root) or path.startswith(f"{root}/")
