"""What a request says: who asks, of which hub, under which address."""

from __future__ import annotations

import base64
import binascii
import re
from typing import cast

from starlette.requests import Request

from openshelf.domain.access import Access
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import ANONYMOUS, Actor
from openshelf.domain.repos import Repo
from openshelf.errors import BadCredentials, Invalid
from openshelf.interfaces.http import form_tokens
from openshelf.services import accounts, repos
from openshelf.services.hub import Hub
from openshelf.services.limits import network_of

SESSION_COOKIE = "openshelf_session"
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}\Z")
_SAFE = ("GET", "HEAD")


def hub_of(request: Request) -> Hub:
    return cast(Hub, request.app.state.hub)


def base_url(request: Request) -> str:
    """Where clients reach this hub, without a slash at the end."""
    settings = hub_of(request).settings
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme, host = request.url.scheme, request.headers.get("host", "")
    if settings.trust_forwarded:
        scheme = request.headers.get("x-forwarded-proto", scheme).split(",")[0].strip()
        host = request.headers.get("x-forwarded-host", host).split(",")[0].strip()
    if not _HOST.match(host) or scheme not in ("http", "https"):
        raise Invalid("The Host header of this request is not a host name.")
    return f"{scheme}://{host}"


def is_secure(request: Request) -> bool:
    """Whether browsers reach this hub by https."""
    settings = hub_of(request).settings
    if settings.public_url:
        return settings.public_url.startswith("https://")
    forwarded = request.headers.get("x-forwarded-proto", "") if settings.trust_forwarded else ""
    return (forwarded.split(",")[0].strip() or request.url.scheme) == "https"


def cookie_name(request: Request, name: str) -> str:
    """The name under which a browser keeps a cookie: by https one that no neighbour under the same domain can set."""
    return f"__Host-{name}" if is_secure(request) else name


def cookie(request: Request, name: str) -> str:
    """A cookie of this hub; empty where the browser sends none."""
    return request.cookies.get(cookie_name(request, name), "")


def client_address(request: Request) -> str:
    """The address that a request came from."""
    if hub_of(request).settings.trust_forwarded:
        forwarded = request.headers.get("x-forwarded-for", "")
        if forwarded:
            return forwarded.split(",")[-1].strip()
    return request.client.host if request.client else ""


def actor_of(request: Request) -> Actor:
    """Who asks: by token, else by session where the request changes nothing; counted against the rate limit.

    A session also counts for a form of the pages, once its token has been checked (``request.state.form_checked``),
    and for what a script of the pages asks of the API, with such a token in the header ``X-CSRF-Token``.
    Reads the catalogue, so call it off the event loop. The answer is kept for the rest of the request. Raises
    BadCredentials, RateLimited.
    """
    known = getattr(request.state, "actor", None)
    if known is not None:
        return cast(Actor, known)
    actor = _recognise(request)
    count(request, actor)
    request.state.actor = actor
    return actor


def repo_of(
    request: Request, kind: RepoKind, owner: str, name: str, need: Access = Access.READ
) -> tuple[Hub, Actor, Repo]:
    """The repo that an address names, for the actor who asks. Raises as ``services.repos.find`` does."""
    hub, actor = hub_of(request), actor_of(request)
    return hub, actor, repos.find(hub, actor, kind, RepoId(owner, name), need)


def has_credentials(request: Request) -> bool:
    """Whether the request says who asks; it may be wrong about that."""
    return "authorization" in request.headers or "cookie" in request.headers


def bearer_token(request: Request) -> str | None:
    """The token of an Authorization header: Bearer, or the password of Basic (any user name)."""
    header = request.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise BadCredentials("Invalid credentials in Authorization header") from None
    return password or user


def _recognise(request: Request) -> Actor:
    hub = hub_of(request)
    token = bearer_token(request)
    if token:
        return accounts.actor_by_token(hub, token)
    secret = cookie(request, SESSION_COOKIE)
    if secret and (request.method in _SAFE or _is_from_our_pages(request, secret)):
        found = accounts.actor_by_session(hub, secret)
        if found:
            return found[0]
    return ANONYMOUS


def _is_from_our_pages(request: Request, secret: str) -> bool:
    if getattr(request.state, "form_checked", False):
        return True
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    given = request.headers.get(form_tokens.HEADER, "")
    return bool(given) and form_tokens.is_good(hub_of(request), secret, given)


def count(request: Request, actor: Actor) -> None:
    """Count a request against the rate limit of whoever sent it. Raises RateLimited."""
    hub = hub_of(request)
    if actor.account:
        key, limit = f"account:{actor.account.id}", hub.settings.rate_limit_requests
    else:
        key, limit = f"address:{network_of(client_address(request))}", hub.settings.rate_limit_anonymous
    request.state.rate = hub.rate_limits.take(key, limit, "You have sent too many requests.")
