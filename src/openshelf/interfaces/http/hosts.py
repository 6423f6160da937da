"""Under which names this hub may be asked (see the decision record "Names under which the hub answers").

A page of another site can make its own name point to this hub's address (DNS rebinding) and then read answers as its
own. Such a name stands in the Host header, and is refused here. An address in numbers cannot be made to point
elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from openshelf.settings import Settings

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::\d{1,5})?\Z")
_PROBES = ("/healthz", "/readyz")


class KnownHosts:
    """Answers 421 (RFC 9110, 15.5.20) to requests for a name that is not this hub's."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._is_known = lru_cache(maxsize=1000)(lambda host: is_known(settings, host))
        self._is_for_itself = is_local(settings.host) and not settings.trust_forwarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._may_ask(scope):
            answer = PlainTextResponse(
                "This hub is not asked under this name. Its administrator can add the name to the setting "
                "allowed_hosts, or set public_url.\n",
                421,
            )
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _may_ask(self, scope: Scope) -> bool:
        if scope["path"] in _PROBES:
            return True
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._settings.trust_forwarded:
            host = headers.get("x-forwarded-host", host).split(",")[0].strip()
        if not host:
            return True
        settings = self._settings
        if not (settings.public_url or settings.allowed_hosts or (self._is_for_itself and _comes_from_here(scope))):
            return _HOST.match(host) is not None
        return bool(self._is_known(host))


def is_known(settings: Settings, host: str) -> bool:
    """Whether a Host header names this hub: by an address, as localhost, or as the settings call it."""
    match = _HOST.match(host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().rstrip(".")
    if is_local(name) or _is_address(name):
        return True
    names = {part.strip().lower().rstrip(".") for part in settings.allowed_hosts.split(",")} | {settings.host.lower()}
    names.add((urlsplit(settings.public_url).hostname or "").rstrip("."))
    return name in names - {""}


@lru_cache(maxsize=1000)
def is_local(host: str) -> bool:
    """Whether only this machine itself is reached by ``host``."""
    if _is_address(host):
        return ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _comes_from_here(scope: Scope) -> bool:
    client: tuple[str, int] | None = scope.get("client")
    return client is not None and is_local(client[0])
