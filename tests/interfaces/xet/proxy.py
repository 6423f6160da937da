"""An HTTP proxy in front of a hub that does to requests what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Interference = Callable[[str], int | None]
"""From the path of a request to the status that is answered instead of passing it on; None passes it on."""

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@contextmanager
def proxy(target: str, interfere: Interference) -> Iterator[str]:
    """The address of a proxy for the hub at ``target``."""
    client = httpx.Client(base_url=target, trust_env=False, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status = interfere(self.path)
            if status is not None:
                self.answer(status, httpx.Headers(), b"")
                return
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP]
            response = client.request(self.command, self.path, headers=headers, content=body)
            self.answer(response.status_code, response.headers, response.content)

        def answer(self, status: int, headers: httpx.Headers, content: bytes) -> None:
            # The client does not wait for the answer to its telemetry.
            with suppress(ConnectionError):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()
