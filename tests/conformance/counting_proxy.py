"""A TCP proxy that counts the bytes each side sends."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self

_PIECE = 1 << 18


class CountingProxy:
    """``sent`` counts what clients sent to the server, ``received`` what came back."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.sent = 0
        self.received = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def reset(self) -> None:
        with self._lock:
            self.sent = self.received = 0

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        self._listener.settimeout(0.2)
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._start(self._carry, client)

    def _carry(self, client: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(client)
            server = stack.enter_context(socket.create_connection(self._target))
            client.settimeout(None)
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            try:
                while not self._closing.is_set() and selector.get_map():
                    for key, _ in selector.select(0.2):
                        self._pass_on(selector, client, key)
            except OSError:
                return  # one side went away; the other sees its connection closed

    def _pass_on(self, selector: selectors.BaseSelector, client: socket.socket, key: selectors.SelectorKey) -> None:
        source, target = key.fileobj, key.data
        assert isinstance(source, socket.socket)
        assert isinstance(target, socket.socket)
        data = source.recv(_PIECE)
        if not data:
            selector.unregister(source)
            target.shutdown(socket.SHUT_WR)
            return
        with self._lock:
            if source is client:
                self.sent += len(data)
            else:
                self.received += len(data)
        target.sendall(data)
