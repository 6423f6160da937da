"""Around every request: an id, a log line, metrics, and headers that keep browsers safe."""

from __future__ import annotations

import time
import uuid
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openshelf.interfaces.http.requests import client_address
from openshelf.services.limits import WINDOW_SECONDS, RateState

REQUESTS = Counter("openshelf_requests_total", "Requests answered.", ["method", "status"])
SECONDS = Histogram("openshelf_request_seconds", "Time until an answer began.", ["method"])
SENT = Counter("openshelf_sent_bytes_total", "Bytes of answers.")
RECEIVED = Counter("openshelf_received_bytes_total", "Bytes of requests.")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Pages and files bring their own; the rest is no document, and nothing is kept of it.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"cache-control", b"no-store"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_REFUSED = (401, 403, 421, 429)
_QUIET = ("/healthz", "/readyz", "/metrics", "/static/")

log = structlog.get_logger("openshelf.http")


class RequestContext:
    """Gives each request an id, tells the log and the metrics of it, and adds headers to its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, seen = time.perf_counter(), {"status": 0, "sent": 0, "received": 0}

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                seen["received"] += len(message.get("body", b""))
            return message

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                SECONDS.labels(scope["method"]).observe(time.perf_counter() - started)
                message["headers"] = [
                    *with_defaults(message.get("headers", []), request_id, only_https=_only_https(scope)),
                    *_rate_headers(scope["state"].get("rate")),
                ]
            elif message["type"] == "http.response.body":
                seen["sent"] += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receiving, sending)
            finally:
                _tell(scope, seen, time.perf_counter() - started)


def with_defaults(
    headers: list[tuple[bytes, bytes]], request_id: str, *, only_https: bool = False
) -> list[tuple[bytes, bytes]]:
    """``headers`` with those that every answer has; what is given already stays."""
    given = {name.lower() for name, _ in headers}
    extra = [header for header in (*_HEADERS, *((_HSTS,) if only_https else ())) if header[0] not in given]
    return [*headers, (b"x-request-id", request_id.encode()), *extra]


def _only_https(scope: Scope) -> bool:
    """Whether the operator has said that browsers reach this hub by https, and should never try without."""
    public_url: str = scope["app"].state.hub.settings.public_url
    return public_url.startswith("https://")


def _rate_headers(rate: RateState | None) -> list[tuple[bytes, bytes]]:
    if rate is None:
        return []
    left = f'"api";r={max(rate.remaining, 0)};t={rate.reset_seconds}'
    policy = f'"fixed window";"api";q={rate.limit};w={WINDOW_SECONDS}'
    return [(b"ratelimit", left.encode()), (b"ratelimit-policy", policy.encode())]


def _tell(scope: Scope, seen: dict[str, int], seconds: float) -> None:
    REQUESTS.labels(scope["method"], str(seen["status"])).inc()
    SENT.inc(seen["sent"])
    RECEIVED.inc(seen["received"])
    if scope["path"].startswith(_QUIET):
        return
    # The query is left out: signed addresses carry secrets in it.
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=seen["status"],
        milliseconds=round(seconds * 1000, 1),
        sent=seen["sent"],
        received=seen["received"],
        **_who(scope, seen["status"]),
    )


def _who(scope: Scope, status: int) -> dict[str, str]:
    """The account that asked; of who was refused the address too, so that attacks can be traced."""
    actor = scope.get("state", {}).get("actor")
    who = {"account": actor.name} if actor is not None and not actor.is_anonymous else {}
    return who | ({"address": client_address(Request(scope))} if status in _REFUSED else {})
