"""Errors as pages: what happened, to what, and what to do next."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from openshelf import errors
from openshelf.domain.people import ANONYMOUS, Actor
from openshelf.errors import OpenshelfError
from openshelf.interfaces.hf.errors import error_response as hf_error
from openshelf.interfaces.http.errors import code_of, header_text, headers_of, public_message, status_of
from openshelf.interfaces.http.requests import actor_of, hub_of
from openshelf.interfaces.web.error_words import explain
from openshelf.interfaces.web.plain_page import plain_page
from openshelf.interfaces.web.visit import CONTENT_SECURITY_POLICY, visit_of

_PROGRAMS = ("/api/", "/v1/", "/v2/", "/static/", "/oauth/", "/openapi.json", "/healthz", "/readyz", "/metrics")

log = structlog.get_logger("openshelf.web")


def is_for_people(request: Request) -> bool:
    """Whether a browser asks, at an address that is not of an API."""
    wants_html = "text/html" in request.headers.get("accept", "")
    return wants_html and not request.scope["path"].startswith(_PROGRAMS)


def error_response(request: Request, error: OpenshelfError, status: int | None = None) -> Response:
    """The page about a failed request; programs get the JSON of the Hub protocol. Reads the catalogue.

    ``status``: that of HTTP itself, where the error has none of its own.
    """
    if not is_for_people(request):
        return hf_error(request, error)
    status = status or status_of(error)
    try:
        response = _page(request, error, status)
    except Exception:
        log.exception("the page about an error could not be made", path=request.url.path)
        response = _plain(request, status)
    response.headers.update(headers_of(error))
    response.headers["X-Error-Message"] = header_text(public_message(error))
    if code := code_of(error):
        response.headers["X-Error-Code"] = code
    return response


def _page(request: Request, error: OpenshelfError, status: int) -> Response:
    visit = visit_of(request, _who(request))
    if isinstance(error, errors.NotSignedIn) and request.method in ("GET", "HEAD"):
        return visit.sign_in_first()
    wanted = request.scope["path"].rstrip("/").rpartition("/")[2]
    is_missing = isinstance(error, errors.NotFound)
    return visit.page(
        "error.html",
        status=status,
        code=status,
        said=explain(visit, error, status),
        offers_search=is_missing and not isinstance(error, errors.PageNotFound),
        offers_sign_in=isinstance(error, errors.NotFound | errors.AccessDenied | errors.RateLimited)
        and visit.actor.is_anonymous,
        wanted=wanted[:100],
        request_id=getattr(request.state, "request_id", "") if status >= 500 else "",
    )


def _plain(request: Request, status: int) -> Response:
    request_id = getattr(request.state, "request_id", "")
    text = plain_page(
        hub_of(request).settings.hub_name,
        "Something went wrong in the hub",
        "This page could not be made; the fault is the hub's, and nothing of yours is lost by it.",
        f"Try again in a minute. The administrator finds the fault in the log under {request_id}.",
        way=("/", "To the first page"),
    )
    return HTMLResponse(text, status, {"Cache-Control": "no-store", "Content-Security-Policy": CONTENT_SECURITY_POLICY})


def _who(request: Request) -> Actor:
    try:
        return actor_of(request)
    except OpenshelfError:
        return ANONYMOUS
