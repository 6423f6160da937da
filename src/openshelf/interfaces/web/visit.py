"""One request for a page: who asks, in which language, and how to answer."""

from __future__ import annotations

import gzip
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from openshelf.domain.access import may_administer_hub
from openshelf.domain.names import RepoKind
from openshelf.domain.people import ANONYMOUS, Account, Actor
from openshelf.errors import NotSignedIn, PageNotFound
from openshelf.interfaces.http.requests import SESSION_COOKIE, base_url, cookie, cookie_name, hub_of, is_secure
from openshelf.interfaces.web import csrf, languages, templating
from openshelf.interfaces.web.languages import Language
from openshelf.services.hub import Hub

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
THEME_COOKIE = "openshelf_theme"
THEMES = ("light", "dark")
_PACK_ABOVE_BYTES = 1000
# Long pages repeat themselves: packed quickly they take a third more bytes and half the time.
_LARGE_BYTES = 200_000
_PACK, _PACK_LARGE = 5, 2
_YEAR = 365 * 24 * 3600


@dataclass(slots=True)
class Visit:
    """What a page's handler works with."""

    request: Request
    hub: Hub
    actor: Actor
    language: Language
    _form_cookie: str | None = field(default=None, init=False)

    @property
    def account(self) -> Account:
        """Who is signed in. Raises NotSignedIn."""
        if self.actor.account is None:
            raise NotSignedIn
        return self.actor.account

    def check_signed_in(self) -> None:
        """Raises NotSignedIn."""
        if self.actor.account is None:
            raise NotSignedIn

    @property
    def here(self) -> str:
        """The path and query of this request, as it was sent."""
        query = self.request.scope["query_string"].decode("ascii", "replace")
        path: str = self.request.scope["path"]
        return f"{path}?{query}" if query else path

    @property
    def base_url(self) -> str:
        return base_url(self.request)

    def gettext(self, message: str) -> str:
        return self.language.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.language.ngettext(singular, plural, number) % {"num": number}

    @property
    def place(self) -> str:
        """Where a page of this hub can send people back to: here, unless this address takes forms alone."""
        return self.here if self.request.method in ("GET", "HEAD") else "/"

    def part(self, name: str) -> str:
        """A part of the address, decoded; empty where it has none of this name."""
        return str(self.request.path_params.get(name, ""))

    def kind(self) -> RepoKind:
        """The kind that the address names; models have no word for it."""
        found = self.request.path_params.get("kind", RepoKind.MODEL)
        assert isinstance(found, RepoKind)
        return found

    def asked(self, name: str, default: str = "") -> str:
        """A value from the query."""
        return self.request.query_params.get(name, default).strip()

    def asked_number(self, name: str, default: int = 0, most: int = 1_000_000) -> int:
        """A number from the query, from 0 to ``most``."""
        text = self.asked(name)
        return min(int(text), most) if text.isdecimal() and len(text) < 12 else default

    def check_page(self, number: int, rows: Sized) -> None:
        """Raises PageNotFound where a list ends before its page ``number``, counted from 0."""
        if number and not rows:
            raise PageNotFound(number + 1)

    def page(self, template: str, *, status: int = 200, secret: bool = False, **values: Any) -> Response:
        """The page made of a template. ``secret`` keeps it out of the browser's caches altogether."""
        context = self._context()
        if clash := context.keys() & values.keys() - {"query"}:
            raise ValueError(f"{template} would lose {clash} of every page's context")
        text = templating.render(self.language, template, context | values)
        kept = "no-store" if secret else "private, no-cache"
        headers = {
            "Cache-Control": kept,
            "Content-Language": self.language.tag,
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Vary": "Cookie, Accept, Accept-Language, Accept-Encoding",
        }
        body = text.encode()
        if len(body) > _PACK_ABOVE_BYTES and "gzip" in self.request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, _PACK if len(body) < _LARGE_BYTES else _PACK_LARGE, mtime=0)
            headers["Content-Encoding"] = "gzip"
        response = HTMLResponse(body, status, headers)
        if self._form_cookie:
            self.set_cookie(response, csrf.COOKIE, self._form_cookie, None)
        return response

    def redirect(self, path: str, status: int = 303) -> Response:
        return RedirectResponse(path, status, {"Cache-Control": "no-store"})

    def sign_in_first(self) -> Response:
        """To the sign-in page, and from there back here."""
        return self.redirect(f"/login?next={quote(self.here, safe='')}")

    def set_cookie(self, response: Response, name: str, value: str, seconds: int | None = _YEAR) -> None:
        """A cookie that only this hub's own pages see; ``seconds`` None ends it with the browser."""
        response.set_cookie(
            cookie_name(self.request, name),
            value,
            max_age=seconds,
            path="/",
            secure=is_secure(self.request),
            httponly=True,
            samesite="lax",
        )

    def forget_cookie(self, response: Response, name: str) -> None:
        named, secure = cookie_name(self.request, name), is_secure(self.request)
        response.delete_cookie(named, path="/", secure=secure, httponly=True, samesite="lax")

    def session_secret(self) -> str:
        return cookie(self.request, SESSION_COOKIE)

    def _context(self) -> dict[str, Any]:
        theme = cookie(self.request, THEME_COOKIE)
        return {
            "hub_name": self.hub.settings.hub_name,
            "account": self.actor.account,
            "is_admin": may_administer_hub(self.actor),
            "registration": self.hub.settings.registration,
            "read_only": self.hub.is_read_only,
            "read_only_reason": self.hub.read_only_reason,
            "theme": theme if theme in THEMES else "",
            "here": self.place,
            "path": self.request.scope["path"],
            "query": "",
            "kinds": list(RepoKind),
            "csrf_token": self._csrf_token,
        }

    def _csrf_token(self) -> str:
        secret = csrf.secret_of(self.request) or self._form_cookie
        if secret is None:
            secret = self._form_cookie = csrf.new_secret()
        return csrf.token(self.hub, secret)


def visit_of(request: Request, actor: Actor = ANONYMOUS) -> Visit:
    return Visit(request, hub_of(request), actor, languages.choose(request.headers.get("accept-language", "")))
