"""Forms are taken only from pages of this hub (OWASP CSRF prevention: signed double submit, and where it came from).

A form carries a token made from a secret of the browser's: its session, or before signing in a cookie of its own.
Another site can neither read that secret nor make the token.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request

from openshelf.errors import Forbidden
from openshelf.interfaces.http import form_tokens
from openshelf.interfaces.http.requests import SESSION_COOKIE, base_url, cookie, hub_of
from openshelf.services.hub import Hub

FIELD = "csrf"
COOKIE = "openshelf_form"


def secret_of(request: Request) -> str | None:
    """The browser's secret that tokens are bound to, where it has one yet."""
    return cookie(request, SESSION_COOKIE) or cookie(request, COOKIE) or None


def new_secret() -> str:
    return secrets.token_urlsafe(24)


def token(hub: Hub, secret: str) -> str:
    """A token for one page."""
    return form_tokens.make(hub, secret)


def check_origin(request: Request) -> None:
    """Raises Forbidden where the browser says that another site sent this."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin")
        hosts = {request.headers.get("host", ""), urlsplit(base_url(request)).netloc}
        if origin is None or urlsplit(origin).netloc in hosts - {""}:
            return
    raise Forbidden("This form was sent by another site, so nothing was done. Open the page here and try again.")


def check(request: Request, given: str) -> None:
    """Raises Forbidden unless ``given`` is a token made for this browser."""
    check_origin(request)
    secret = secret_of(request)
    if secret and form_tokens.is_good(hub_of(request), secret, given):
        return
    raise Forbidden(
        "You have signed in or out since this page was opened, or your browser refuses cookies. Nothing was done. "
        "Go back, reload the page and send the form again."
    )
