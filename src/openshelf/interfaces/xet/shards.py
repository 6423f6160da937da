"""Shards on their way in. The newer route answers with a stream that says how far the checks are."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from openshelf.errors import OpenshelfError, StorageFault, Unavailable
from openshelf.interfaces.http.bodies import receive_into
from openshelf.interfaces.http.errors import public_message
from openshelf.interfaces.http.requests import hub_of
from openshelf.interfaces.xet.metrics import DEDUPLICATED_BYTES, FILE_BYTES
from openshelf.interfaces.xet.requests import caller_of
from openshelf.services import xet_shards
from openshelf.services.hub import Hub
from openshelf.services.xet_access import Caller
from openshelf.services.xet_digests import Progress
from openshelf.services.xet_shards import Registration
from openshelf.storage.durable import fault_of
from openshelf.storage.objects import Staged

# Clients send at most 64 MiB and a little more.
MAX_SHARD_BODY = 96 * 1024 * 1024
KEEP_ALIVE_SECONDS = 10.0
_REPORT_SECONDS = 1.0

log = structlog.get_logger("openshelf.xet")


async def register(request: Request) -> Response:
    """POST /v1/shards: one answer when all is done."""
    hub = hub_of(request)
    caller = await to_thread.run_sync(caller_of, request, True)
    staged = await to_thread.run_sync(hub.storage.xorbs.stage)
    try:
        await receive_into(request, staged, MAX_SHARD_BODY)
    except BaseException:
        staged.discard()
        raise
    done = await to_thread.run_sync(_register, hub, caller, staged, Progress(), limiter=_registrars(request))
    return JSONResponse({"result": int(done.is_new)})


async def register_in_sight(request: Request) -> Response:
    """POST /v2/shards: frames of progress, and last the result or an error, whose message the client shows."""
    hub = hub_of(request)
    caller = await to_thread.run_sync(caller_of, request, True)
    staged = await to_thread.run_sync(hub.storage.xorbs.stage)
    try:
        await receive_into(request, staged, MAX_SHARD_BODY)
    except OpenshelfError as error:
        staged.discard()
        return _stream(_once(_error_frame(error)))
    except BaseException:
        staged.discard()
        raise
    return _stream(_frames(hub, caller, staged, _registrars(request)))


def _stream(lines: AsyncIterator[bytes]) -> Response:
    # The last header keeps nginx from holding the frames back.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


async def _frames(hub: Hub, caller: Caller, staged: Staged, limiter: CapacityLimiter) -> AsyncGenerator[bytes, None]:
    """Frames until the work, which goes on in a thread, is done. Where the client leaves, it stops."""
    progress = Progress()
    work = asyncio.ensure_future(to_thread.run_sync(_outcome, hub, caller, staged, progress, limiter=limiter))
    sent, sent_at = b"", 0.0
    try:
        while not work.done():
            frame = _line(_progress_frame(progress))
            if frame != sent or time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                sent, sent_at = frame, time.monotonic()
                yield frame
            await asyncio.wait({work}, timeout=_REPORT_SECONDS)
    finally:
        progress.is_cancelled = True
    yield _line(work.result())


async def _once(frame: dict[str, Any]) -> AsyncIterator[bytes]:
    yield _line(frame)


def _outcome(hub: Hub, caller: Caller, staged: Staged, progress: Progress) -> dict[str, Any]:
    """The last frame."""
    try:
        _register(hub, caller, staged, progress)
    except OpenshelfError as error:
        if isinstance(error, StorageFault):
            log.error("storage fault", fault=error.message)
        return _error_frame(error)
    except OSError as error:
        log.error("the system refused", reason=str(error))
        return _error_frame(fault_of(error))
    except Exception as error:
        log.exception("a shard was not registered")
        return _error_frame(OpenshelfError(f"The hub failed to register this upload: {type(error).__name__}."))
    return {"type": "result"}


def _register(hub: Hub, caller: Caller, staged: Staged, progress: Progress) -> Registration:
    try:
        done = xet_shards.register(hub, caller, staged.read(0, staged.size), progress)
    finally:
        staged.discard()
    FILE_BYTES.inc(done.file_bytes)
    DEDUPLICATED_BYTES.inc(done.deduplicated_bytes)
    return done


def _progress_frame(progress: Progress) -> dict[str, Any]:
    if progress.is_committing:
        return {"type": "committing", "stage": "syncing"}
    return {"type": "validating", "verified": progress.verified, "total": progress.total}


def _error_frame(error: OpenshelfError) -> dict[str, Any]:
    return {"type": "error", "message": public_message(error), "retryable": isinstance(error, Unavailable)}


def _line(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame).encode() + b"\n"


def _registrars(request: Request) -> CapacityLimiter:
    """Room for the shards that are checked, and held in memory, at once."""
    state = request.app.state
    if not hasattr(state, "shard_registrars"):
        state.shard_registrars = CapacityLimiter(2 * (os.cpu_count() or 1))
    limiter: CapacityLimiter = state.shard_registrars
    return limiter
