"""A web server of few lines with ranges, and with the faults that tests ask for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Place:
    """What is at a path. ``failures`` are statuses that are answered before; ``cut`` ends the first answer early,
    ``cut_always`` every one.
    """

    content: bytes = b""
    ranges: bool = True
    etag: str | None = '"1"'
    failures: list[int] = field(default_factory=list)
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    cut_always: int | None = None
    delay: float = 0


@dataclass
class Site:
    """``asked`` is every request: path, range and the token that came with it."""

    places: dict[str, Place]
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    sent: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serving(places: dict[str, Place]) -> Iterator[Site]:
    site = Site(places)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            said = self.headers.get("range", "")
            site.asked.append((self.path, said, self.headers.get("authorization", "")))
            place = site.places.get(self.path)
            if place is None:
                self.answer(404, b"", {})
                return
            time.sleep(place.delay)
            if place.failures:
                self.answer(place.failures.pop(0), b"", {"retry-after": "0"})
            elif place.redirect is not None:
                self.answer(302, b"", {"location": place.redirect})
            else:
                self.give(place, said)

        def give(self, place: Place, said: str) -> None:
            headers = {"etag": place.etag} if place.etag else {}
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", said)
            if found is None or not place.ranges:
                self.answer(200, place.content, headers | place.headers)
                return
            start, end, size = int(found[1]), min(int(found[2]) + 1, len(place.content)), len(place.content)
            if start >= size:
                self.answer(416, b"", headers | {"content-range": f"bytes */{size}"} | place.headers)
                return
            headers |= {"content-range": f"bytes {start}-{end - 1}/{size}"} | place.headers
            cut, place.cut = place.cut if place.cut is not None else place.cut_always, None
            self.answer(206, place.content[start:end], headers, cut)

        def answer(self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None) -> None:
            self.send_response(status)
            for name, value in ({"content-length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            content = content[:cut]
            site.sent += len(content)
            try:
                self.wfile.write(content)
            except ConnectionError:
                pass
            self.close_connection = self.close_connection or cut is not None

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients go away in the middle of answers that they do not want."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
