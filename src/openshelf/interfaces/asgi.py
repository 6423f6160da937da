"""The ASGI application: every interface that speaks HTTP, under one roof."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from openshelf import __version__
from openshelf.errors import Invalid, NotFound, OpenshelfError, StorageFault, Unsupported
from openshelf.interfaces import operations
from openshelf.interfaces.hf.errors import error_response as hf_error
from openshelf.interfaces.http.context import RequestContext
from openshelf.interfaces.http.routing import RawPaths
from openshelf.services.hub import Hub

ErrorSpeech = Callable[[Request, OpenshelfError], Response]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

log = structlog.get_logger("openshelf.http")


def build(hub: Hub, lifespan: Lifespan | None = None) -> FastAPI:
    """The application over an open hub."""
    app = FastAPI(
        title="Openshelf",
        version=__version__,
        summary="The JSON API of this hub.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.hub = hub
    app.router.routes.extend(operations.routes)
    app.add_exception_handler(OpenshelfError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_middleware(RawPaths)
    app.add_middleware(RequestContext)
    return app


def speech_of(_path: str) -> ErrorSpeech:
    """Which protocol's errors belong to an address."""
    return hf_error


def _answer(request: Request, error: OpenshelfError) -> Response:
    if isinstance(error, StorageFault):
        log.error("storage fault", path=request.url.path, fault=error.message)
    return speech_of(request.scope["path"])(request, error)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OpenshelfError)
    return _answer(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return _answer(request, Invalid(f"{where}: {first['msg']}"))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _answer(request, NotFound("There is nothing at this address."))
    response = _answer(request, Unsupported(str(error.detail)))
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _on_fault(request: Request, error: Exception) -> Response:
    log.exception("fault", path=request.url.path, exc_info=error)
    request_id = getattr(request.state, "request_id", "")
    message = f"The hub failed to answer; this is a fault of the hub. The administrator finds it under {request_id}."
    return _answer(request, OpenshelfError(message))
