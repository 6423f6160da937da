"""Bounded, patient HTTP: redirects that carry no token elsewhere, retries, sizes known before bytes are taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

import httpx

from openshelf import __version__
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.remote.references import is_address, origin_of, shown_address

ATTEMPTS = 5
_MOST_REDIRECTS = 5
_MOST_WAIT = 30.0
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_SLOWEST = 4096
"""Bytes a second; a server that is slower for long is given up."""


class Unreachable(UnreadableCheckpoint):
    """A server that does not answer, or answers in no way that is of use. ``status``: the HTTP status, if any."""

    def __init__(self, address: str, reason: str, status: int | None = None, code: str = "") -> None:
        super().__init__(shown_address(address), reason)
        self.status = status
        self.code = code


@dataclass(slots=True)
class HttpClient:
    """Requests to any host; ``token`` goes to the origin of ``endpoint`` alone, whatever redirects to where."""

    endpoint: str = ""
    token: str | None = None
    pause: Callable[[float], None] = time.sleep
    fetched: int = field(default=0, init=False)
    """Bytes of bodies that were taken, for those who pay for them."""
    _client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        timeout = httpx.Timeout(30, connect=10)
        headers = {"user-agent": f"openshelf/{__version__}", "accept-encoding": "identity"}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)

    @contextmanager
    def get(self, address: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        """A response whose body is not read yet, with status 200, 206 or 416. Raises Unreachable for others.

        Busy servers and broken connections are tried again, with growing pauses.
        """
        response = self._patiently(address, headers or {})
        try:
            yield response
        finally:
            response.close()

    def take(self, response: httpx.Response, most: int) -> Iterator[bytes]:
        """The body, as it comes over the line. Raises Unreachable past ``most`` bytes, or where it comes too slowly."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(str(response.url), "the server answers with compressed bytes, which was not asked for")
        taken, begin = 0, time.monotonic()
        for piece in response.iter_raw():
            taken += len(piece)
            self.fetched += len(piece)
            if taken > most:
                raise Unreachable(str(response.url), f"the server sends more than the {most:,} bytes it should")
            if time.monotonic() - begin > 60 + taken / _SLOWEST:
                raise Unreachable(str(response.url), f"the server sent only {taken:,} bytes in a minute")
            yield piece

    def _patiently(self, address: str, headers: dict[str, str]) -> httpx.Response:
        for attempt in range(ATTEMPTS):
            try:
                response = self._following(address, headers)
            except httpx.TransportError as error:
                if attempt + 1 == ATTEMPTS or isinstance(error, httpx.UnsupportedProtocol):
                    raise Unreachable(
                        address, f"the server cannot be reached: {error or type(error).__name__}"
                    ) from None
                self.pause(0.5 * 2**attempt)
                continue
            except (httpx.InvalidURL, UnicodeError) as error:
                raise Unreachable(address, f"this is no address: {error}") from None
            if response.status_code in (200, 206, 416):
                return response
            response.close()
            if response.status_code not in _AGAIN or attempt + 1 == ATTEMPTS:
                raise _refusal(address, response)
            self.pause(_wait(response, attempt))
        raise AssertionError("unreachable")

    def _following(self, address: str, headers: dict[str, str]) -> httpx.Response:
        first = origin_of(address)
        for _ in range(_MOST_REDIRECTS + 1):
            if origin_of(address) != first:
                headers = {name: value for name, value in headers.items() if name != "authorization"}
            own = self.token and self.endpoint and origin_of(address) == origin_of(self.endpoint)
            sent = ({"authorization": f"Bearer {self.token}"} if own else {}) | headers
            response = self._client.send(self._client.build_request("GET", address, headers=sent), stream=True)
            if response.status_code not in (301, 302, 303, 307, 308):
                return response
            response.close()
            target = urljoin(address, response.headers.get("location", ""))
            if not is_address(target):
                raise Unreachable(address, "the server leads to what is no address")
            if address.startswith("https:") and not target.startswith("https:"):
                raise Unreachable(address, f"the server leads on to {shown_address(target)}, which is not encrypted")
            address = target
        raise Unreachable(address, f"the server leads on more than {_MOST_REDIRECTS} times")

    def close(self) -> None:
        self._client.close()


def _refusal(address: str, response: httpx.Response) -> Unreachable:
    said = response.headers.get("x-error-message", "")
    words = f"the server answers {response.status_code} {response.reason_phrase}".rstrip()
    code = response.headers.get("x-error-code", "")
    return Unreachable(address, f"{words}: {said[:300]}" if said else words, response.status_code, code)


def _wait(response: httpx.Response, attempt: int) -> float:
    said = response.headers.get("retry-after", "")
    return min(float(said), _MOST_WAIT) if said.isdecimal() else 0.5 * 2**attempt
