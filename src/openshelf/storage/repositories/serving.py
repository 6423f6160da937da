"""Clones and fetches: ``git upload-pack`` as a child process that dies with the client it serves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.abc
import anyio.lowlevel

from openshelf.errors import StorageFault
from openshelf.storage.repositories.processes import ErrorFile, command, environment

READ_BYTES = 256 * 1024
# git itself gives a sign of life every five seconds while it works.
SILENT_SECONDS = 300.0
# The client's mistakes, which git has told it in its answer.
_WRONG_REQUEST = re.compile("not our ref|protocol error|hung up|disconnect|unknown|expected|invalid|bad line")


async def advertise(path: Path, protocol: str = "") -> bytes:
    """The refs, or for protocol version 2 the abilities, that a client asks for before it fetches.

    ``protocol``: what the client says in ``Git-Protocol``. Raises StorageFault.
    """
    return b"".join([piece async for piece in _run(path, ["--http-backend-info-refs"], subprocess.DEVNULL, protocol)])


def upload_pack(path: Path, request: BinaryIO, protocol: str = "") -> AsyncGenerator[bytes, None]:
    """The answer to one request of a fetch, in pieces; close it to stop git. Raises StorageFault."""
    return _run(path, [], request, protocol)


async def _run(path: Path, options: list[str], request: BinaryIO | int, protocol: str) -> AsyncGenerator[bytes, None]:
    errors = ErrorFile()
    try:
        process = await anyio.open_process(
            command("upload-pack", "--stateless-rpc", "--strict", *options, str(path.absolute())),
            cwd=path,
            env=environment({"GIT_PROTOCOL": protocol} if protocol else None),
            stdin=request,
            stdout=subprocess.PIPE,
            stderr=errors.file,
            start_new_session=True,
        )
        try:
            async for piece in _output(process, path):
                yield piece
            code = await process.wait()
            if code != 0 and not _WRONG_REQUEST.search(errors.text()):
                raise StorageFault(f"git upload-pack in {path} ended with {code}: {errors.text()}")
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)
    finally:
        errors.close()


async def _output(process: anyio.abc.Process, path: Path) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    while True:
        with anyio.move_on_after(SILENT_SECONDS) as patience:
            try:
                piece = await process.stdout.receive(READ_BYTES)
            except anyio.EndOfStream:
                return
        if patience.cancelled_caught:
            raise StorageFault(f"git upload-pack in {path} said nothing for {SILENT_SECONDS:.0f} seconds.")
        yield piece
        # Output that lies ready would be sent on and on without a look at whether the client is still there.
        await anyio.lowlevel.checkpoint()


async def _stop(process: anyio.abc.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()
