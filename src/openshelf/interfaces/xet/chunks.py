"""Xorbs on their way in: may it be spared, which chunks are known, and the bytes themselves."""

from __future__ import annotations

import anyio
import structlog
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openshelf.errors import AccessDenied, NotFound, RateLimited
from openshelf.interfaces.http.bodies import receive_into
from openshelf.interfaces.http.requests import hub_of
from openshelf.interfaces.xet.metrics import XORB_BYTES
from openshelf.interfaces.xet.requests import caller_of, hash_of
from openshelf.services import xet_dedup, xet_upload
from openshelf.xet.xorbs import MAX_XORB_BODY

_PREFIX = "default"
_DEDUP_PREFIXES = ("default", "default-merkledb")

log = structlog.get_logger("openshelf.xet")


def find_chunk(request: Request) -> Response:
    """A shard of the xorbs around a chunk that is stored; 404 where it is not, or should anything go wrong.

    A client that gets a 5xx here holds its whole upload for minutes, for want of a mere advantage.
    """
    try:
        caller = caller_of(request)
        if request.path_params["prefix"] not in _DEDUP_PREFIXES:
            raise NotFound("There is nothing at this address.")
        shard = xet_dedup.answer(hub_of(request), caller, hash_of(request.path_params["hash"]))
    except (AccessDenied, RateLimited):
        raise
    except Exception:
        log.exception("no answer about a chunk", path=request.url.path)
        shard = None
    if shard is None:
        raise NotFound("This chunk is not known here.")
    return Response(shard, media_type="application/octet-stream")


def grant_xorb(request: Request) -> Response:
    """200 where the xorb is stored and need not be sent; 404 makes the client send it to ``upload_xorb``."""
    caller = caller_of(request, write=True)
    _check_prefix(request)
    if not xet_upload.is_usable(hub_of(request), caller, hash_of(request.path_params["xorb_hash"])):
        raise NotFound("This xorb is not stored here; send it.")
    return JSONResponse({"was_inserted": False})


async def upload_xorb(request: Request) -> Response:
    """Take one xorb. It is verified as it arrives and lies on disk, so that slow senders take little memory."""
    hub = hub_of(request)
    caller = await to_thread.run_sync(caller_of, request, True)
    _check_prefix(request)
    xorb_hash = hash_of(request.path_params["xorb_hash"])
    taking = await to_thread.run_sync(xet_upload.XorbUpload, hub, caller, xorb_hash)
    try:
        XORB_BYTES.inc(await receive_into(request, taking, MAX_XORB_BODY))
        is_new = await to_thread.run_sync(taking.finish)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(taking.discard)
    return JSONResponse({"was_inserted": is_new})


def _check_prefix(request: Request) -> None:
    if request.path_params["prefix"] != _PREFIX:
        raise NotFound("There is nothing at this address.")
