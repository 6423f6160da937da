"""The ASGI application: every interface that speaks HTTP, under one roof."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog
from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from openshelf import __version__
from openshelf.errors import Invalid, NotFound, OpenshelfError, StorageFault, Unsupported
from openshelf.interfaces import operations
from openshelf.interfaces.git.errors import error_response as git_error
from openshelf.interfaces.git.errors import is_for_git
from openshelf.interfaces.git.routes import routes as git_routes
from openshelf.interfaces.hf import api as hf_api
from openshelf.interfaces.hf.addresses import Moved, moved_response
from openshelf.interfaces.hf.errors import error_response as hf_error
from openshelf.interfaces.http.context import RequestContext, with_defaults
from openshelf.interfaces.http.dispatch import Dispatch
from openshelf.interfaces.http.framing import CleanFraming
from openshelf.interfaces.http.hosts import KnownHosts
from openshelf.interfaces.http.quick import QuickCalls
from openshelf.interfaces.http.routing import RawPaths
from openshelf.interfaces.lfs.errors import error_response as lfs_error
from openshelf.interfaces.lfs.errors import is_for_lfs
from openshelf.interfaces.lfs.routes import routes as lfs_routes
from openshelf.interfaces.openapi import describe
from openshelf.interfaces.web.errors import error_response as page_error
from openshelf.interfaces.web.errors import is_for_people
from openshelf.interfaces.web.routes import routes as page_routes
from openshelf.interfaces.xet import tokens as xet_tokens
from openshelf.interfaces.xet.errors import error_response as xet_error
from openshelf.interfaces.xet.errors import is_for_xet
from openshelf.interfaces.xet.routes import routes as xet_routes
from openshelf.services.hub import Hub
from openshelf.storage.durable import fault_of

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
    app.state.quick_calls = QuickCalls()
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.router.routes.extend(operations.routes)
    app.router.routes.extend(xet_routes)
    app.router.routes.extend(xet_tokens.router.routes)
    app.router.routes.extend(git_routes)
    app.router.routes.extend(lfs_routes)
    app.router.routes.extend(hf_api.routes)
    app.router.routes.extend(hf_api.last_routes)
    app.router.routes.extend(page_routes)  # last: they take nearly any address
    app.router.middleware_stack = Dispatch(app.router)
    app.add_exception_handler(OpenshelfError, _on_error)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Moved, moved_response)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_middleware(RawPaths)
    app.add_middleware(KnownHosts, settings=hub.settings)
    app.add_middleware(CleanFraming)
    app.add_middleware(RequestContext)
    return app


def speech_of(path: str) -> ErrorSpeech:
    """Which protocol's errors belong to an address."""
    if is_for_xet(path):
        return xet_error
    if is_for_git(path):
        return git_error
    if is_for_lfs(path):
        return lfs_error
    return hf_error


async def _answer(request: Request, error: OpenshelfError, status: int | None = None) -> Response:
    if isinstance(error, StorageFault):
        log.error("storage fault", path=request.url.path, fault=error.message)
    if is_for_people(request):
        return await to_thread.run_sync(page_error, request, error, status)
    return speech_of(request.scope["path"])(request, error)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OpenshelfError)
    return await _answer(request, error)


async def _on_os_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    log.error("the system refused", path=request.url.path, reason=str(error))
    return await _answer(request, fault_of(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return await _answer(request, Invalid(f"{where}: {first['msg']}"))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _answer(request, NotFound("There is nothing at this address."))
    response = await _answer(request, Unsupported(str(error.detail)), error.status_code)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _on_fault(request: Request, error: Exception) -> Response:
    log.exception("fault", path=request.url.path, exc_info=error)
    request_id = getattr(request.state, "request_id", "")
    message = f"The hub failed to answer; this is a fault of the hub. The administrator finds it under {request_id}."
    response = await _answer(request, OpenshelfError(message))
    # This answer is made outside all middleware.
    response.raw_headers = with_defaults(response.raw_headers, request_id)
    return response
