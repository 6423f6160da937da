"""Errors as pages: what happened, to what, and what to do next."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openshelf import errors
from openshelf.domain.people import ANONYMOUS, Actor
from openshelf.errors import OpenshelfError
from openshelf.interfaces.hf.errors import error_response as hf_error
from openshelf.interfaces.http.errors import code_of, header_text, headers_of, public_message, status_of
from openshelf.interfaces.http.requests import actor_of
from openshelf.interfaces.web.visit import Visit, visit_of

_PROGRAMS = ("/api/", "/v1/", "/v2/", "/static/", "/oauth/", "/openapi.json", "/healthz", "/readyz", "/metrics")


def is_for_people(request: Request) -> bool:
    """Whether a browser asks, at an address that is not of an API."""
    wants_html = "text/html" in request.headers.get("accept", "")
    return wants_html and not request.scope["path"].startswith(_PROGRAMS)


def error_response(request: Request, error: OpenshelfError) -> Response:
    """The page about a failed request; programs get the JSON of the Hub protocol. Reads the catalogue."""
    if not is_for_people(request):
        return hf_error(request, error)
    visit = visit_of(request, _who(request))
    if isinstance(error, errors.NotSignedIn) and request.method in ("GET", "HEAD"):
        return visit.sign_in_first()
    status = status_of(error)
    response = visit.page("error.html", status=status, code=status, **_words(visit, error))
    response.headers.update(headers_of(error))
    response.headers["X-Error-Message"] = header_text(public_message(error))
    if code := code_of(error):
        response.headers["X-Error-Code"] = code
    return response


def _who(request: Request) -> Actor:
    try:
        return actor_of(request)
    except OpenshelfError:
        return ANONYMOUS


def _words(visit: Visit, error: OpenshelfError) -> dict[str, Any]:
    """Heading, explanation and suggestions. A private repo and a missing one are told of in the same words."""
    _ = visit.gettext
    detail = public_message(error)
    wanted = visit.request.scope["path"].rstrip("/").rpartition("/")[2]
    match error:
        case errors.RepoNotFound() | errors.AccountNotFound():
            heading = _("There is nothing here that you can see")
            detail = _("No repository or person has this address, or it is private and you may not read it.")
        case errors.NotFound():
            heading = _("There is nothing at this address")
        case errors.AccessDenied():
            heading = _("You may not do this")
        case errors.RateLimited():
            heading = _("Too many requests")
        case errors.LimitExceeded():
            heading = _("This is more than the hub takes")
        case errors.Conflict():
            heading = _("This is not possible as things are")
        case errors.Unavailable():
            heading = _("Not now")
        case errors.Invalid() | errors.Unsupported():
            heading = _("The hub does not understand this request")
        case _:
            heading = _("Something went wrong in the hub")
    return {
        "heading": heading,
        "detail": detail,
        "offers_search": isinstance(error, errors.NotFound),
        "offers_sign_in": isinstance(error, errors.NotFound | errors.AccessDenied) and visit.actor.is_anonymous,
        "wanted": wanted[:100],
        "request_id": getattr(visit.request.state, "request_id", "") if status_of(error) >= 500 else "",
    }
