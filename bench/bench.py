"""One run: its options, its folder, and the servers, each started when it is first wanted."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench.figures import first_line
from bench.servers import NAMES, Openshelf, Peer

GB = 1e9
P = TypeVar("P", bound=Peer)


@dataclass(frozen=True)
class Options:
    """``size`` in bytes is moved; the rest counts things.

    Request rates are taken over ``seconds``; a server is given ``settle`` seconds to become idle.
    """

    size: int = 1 << 30
    rounds: int = 3
    seconds: int = 4
    files: int = 10_000
    small_files: int = 1_000
    repos: int = 100_000
    commits: int = 2_000
    questions: int = 300
    page_views: int = 30
    settle: int = 3
    peers: tuple[str, ...] = tuple(NAMES)


@dataclass
class Bench:
    """What the measurements share. ``left_out`` says why a peer is not there."""

    options: Options
    folder: Path
    left_out: dict[str, str] = field(default_factory=dict)
    _running: dict[str, Peer] = field(default_factory=dict)
    _stops: dict[str, ExitStack] = field(default_factory=dict)

    def check(self) -> None:
        """Find out which peers can be had, before anything is measured."""
        for key, kind in NAMES.items():
            reason = kind.missing() if key in self.options.peers else "not asked for"
            if reason:
                self.left_out[kind.name] = reason.splitlines()[0]

    @property
    def hub(self) -> Openshelf:
        """The plain hub."""
        found = self.peer(Openshelf)
        assert found is not None
        return found

    def peer(self, kind: type[P]) -> P | None:
        """The running peer of this kind; None where it cannot be had."""
        if kind.name in self.left_out:
            return None
        if kind.name not in self._running:
            self._start(kind)
        found = self._running.get(kind.name)
        return found if isinstance(found, kind) else None

    def peers(self, *kinds: type[Peer]) -> list[Peer]:
        """Those of these kinds that can be had."""
        return [found for kind in kinds if (found := self.peer(kind)) is not None]

    def stop(self, *kinds: type[Peer]) -> None:
        """Stop peers that are not wanted any more; they would disturb what follows."""
        for kind in kinds:
            self._running.pop(kind.name, None)
            if kind.name in self._stops:
                self._stops.pop(kind.name).close()

    def close(self) -> None:
        self.stop(*NAMES.values())

    def _start(self, kind: type[Peer]) -> None:
        peer, stop = kind(), ExitStack()
        folder = self.folder / kind.__name__.lower()
        try:
            stop.enter_context(peer.started(folder))
        except Exception as error:
            stop.close()
            if kind is Openshelf:
                raise
            self.left_out[kind.name] = f"did not start: {first_line(error)}"
            return
        self._running[kind.name], self._stops[kind.name] = peer, stop
