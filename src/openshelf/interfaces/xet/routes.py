"""The addresses of the store. ``gN`` is its generation; those of former generations stay valid."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openshelf.errors import NotFound
from openshelf.interfaces.http.bodies import read_body
from openshelf.interfaces.xet import chunks, data, reconstructions, shards

_ROOT = "/xet/g{generation:int}"
_MAX_TELEMETRY = 1024 * 1024


async def telemetry(request: Request) -> Response:
    """Take what clients tell of themselves, and keep nothing of it."""
    await read_body(request, _MAX_TELEMETRY)
    return JSONResponse({})


def unknown(_request: Request) -> Response:
    """Clients try newer routes first and take 404, and nothing else, for their absence."""
    raise NotFound("There is nothing at this address.")


routes = [
    Route(f"{_ROOT}/v1/chunks/{{prefix:segment}}/{{hash:segment}}", chunks.find_chunk),
    Route(f"{_ROOT}/v1/xorb-grants/{{prefix:segment}}/{{xorb_hash:segment}}", chunks.grant_xorb, methods=["POST"]),
    Route(f"{_ROOT}/v1/xorbs/{{prefix:segment}}/{{xorb_hash:segment}}", chunks.upload_xorb, methods=["POST"]),
    Route(f"{_ROOT}/v1/shards", shards.register, methods=["POST"]),
    Route(f"{_ROOT}/v2/shards", shards.register_in_sight, methods=["POST"]),
    Route(f"{_ROOT}/v1/reconstructions/{{file_hash:segment}}", reconstructions.reconstruct_v1),
    Route(f"{_ROOT}/v2/reconstructions/{{file_hash:segment}}", reconstructions.reconstruct_v2),
    Route(f"{_ROOT}/v1/reconstructions", reconstructions.reconstruct_many),
    Route(f"{_ROOT}/reconstructions", reconstructions.reconstruct_many),
    Route(f"{_ROOT}/data/{{xorb_hash:segment}}", data.read_data),
    Route(f"{_ROOT}/v1/telemetry", telemetry, methods=["POST"]),
    Route("/v1/telemetry", telemetry, methods=["POST"]),
    Route("/xet/{path:rest}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
]
