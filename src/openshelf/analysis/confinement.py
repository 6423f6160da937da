"""A process that gives up what it does not need before it reads foreign bytes with a library that is not Python.

Each step is taken where the kernel has it: memory, CPU time and file size are limited everywhere on POSIX; Linux also
takes away the network (namespaces), the file system (Landlock) and new privileges. :func:`confine` says what it got.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_LANDLOCK_VERSION = 1
# Bits of handled_access_fs by Landlock ABI: 1 has 13, 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV.
_ACCESS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_ALL_BITS = 16


def limit_resources(memory_bytes: int, cpu_seconds: int) -> None:
    """At most so much address space and CPU time, no file written, no core dumped."""
    for name, most in (("AS", memory_bytes), ("CPU", cpu_seconds), ("FSIZE", 0), ("CORE", 0)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def leave_network() -> bool:
    """Into a namespace without any network, while this process still has one thread; whether that was possible."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(libc.unshare(_NEW_USER | _NEW_NET) == 0 or libc.unshare(_NEW_NET) == 0)


def leave_files() -> bool:
    """No file can be opened from here on; those that are open stay. Whether the kernel knows Landlock."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    version = int(libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION))
    if version < 1:
        return False
    handled = ctypes.c_uint64((1 << _ACCESS_BITS.get(version, _ALL_BITS)) - 1)
    rules = int(libc.syscall(_LANDLOCK_CREATE, ctypes.byref(handled), ctypes.sizeof(handled), 0))
    if rules < 0:
        return False
    done = libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(done)
