"""Requests whose end or addressee two readers could see differently are refused (RFC 9112, 3.2 and 6.3).

A proxy in front and this server must never disagree where a request ends; what the HTTP parser lets pass of that kind
ends here, before any route.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class CleanFraming:
    """Answers 400 to a request with both lengths, an unknown transfer coding, or several hosts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wrong = _wrong(scope) if scope["type"] == "http" else None
        if wrong is None:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse(wrong + "\n", 400, {"Connection": "close"})(scope, receive, send)


def _wrong(scope: Scope) -> str | None:
    hosts, has_length, coding = 0, False, None
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            has_length = True
        elif name == b"transfer-encoding":
            coding = value if coding is None else b"several"
    if coding is not None and has_length:
        return "This request has both a Content-Length and a Transfer-Encoding; send one of them."
    if coding is not None and coding.strip().lower() != b"chunked":
        return "This request has a Transfer-Encoding other than chunked, which is not understood here."
    return "This request has more than one Host header; send one." if hosts > 1 else None
