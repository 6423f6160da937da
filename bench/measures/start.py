"""Time to ready and memory of an idle server, each peer alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.bench import Bench
from bench.figures import NONE, Figure, Result, Rounds, Table, Verdict, contest
from bench.processes import Server
from bench.servers import DockerRegistry, Giftless, MLflow, Nginx, Openshelf, Peer

DEFAULT = "Openshelf, as `make serve` starts it (with background jobs)"
ALONE = "Openshelf, background jobs in a process of their own"


@dataclass(frozen=True)
class Idle:
    """A server that nobody asks: its memory, processes, and share of a core."""

    mib: float
    processes: int
    percent: float


def measure(bench: Bench) -> Result:
    kinds = [kind for kind in (Nginx, DockerRegistry, Giftless) if kind.name not in bench.left_out]
    idle: dict[str, Idle] = {}

    def turn(name: str, peer: Peer) -> Figure:
        folder = bench.folder / f"start-{time.monotonic_ns()}"
        with peer.started(folder):
            if name not in idle:
                idle[name] = _settled(peer.server, bench.options.settle)
            return Figure(1, peer.server.ready_seconds, peer.server.ready_cpu)

    def hub_turn(name: str, hub: Openshelf, folder: Path) -> Figure:
        if not folder.exists():
            hub.prepare(folder)
        with hub.serving(folder) as server:
            if name not in idle:
                idle[name] = _settled(server, bench.options.settle)
            return Figure(1, server.ready_seconds, server.ready_cpu)

    entrants = {kind.name: partial(turn, kind.name, kind()) for kind in kinds}
    hubs = {DEFAULT: Openshelf({"OPENSHELF_EMBEDDED_WORKER": "true"}), ALONE: Openshelf()}
    for number, (name, hub) in enumerate(hubs.items()):
        entrants[name] = partial(hub_turn, name, hub, bench.folder / f"start-hub-{number}")
    found = contest(min(bench.options.rounds, 3), entrants)
    if mlflow := bench.peer(MLflow):
        # It takes long to start, so once is enough; it goes on to serve the measurements that follow.
        idle[mlflow.name] = _settled(mlflow.server, bench.options.settle)
        found[mlflow.name] = Rounds([Figure(1, mlflow.server.ready_seconds, mlflow.server.ready_cpu)])
    rows = [_row(name, result, idle) for name, result in found.items()]
    columns = (
        "server",
        "ready after, s (least–most)",
        "CPU-s until then",
        "idle memory (PSS), MiB",
        "processes",
        "idle CPU, % of a core",
    )
    table = Table("Start and memory", columns, rows, after="Peak memory stands in the tables of upload and download.")
    default = found[DEFAULT]
    ready = default.of(lambda f: f.seconds) if default.figures else None
    why = f"{default.of(lambda f: f.cpu):.1f} s of it is CPU time; the rest waited for other programs." if ready else ""
    verdicts = [
        Verdict("idle memory (PSS), with background jobs", idle[DEFAULT].mib if DEFAULT in idle else None, 150, "MiB"),
        Verdict("ready after", ready, 3, "s", why_missed=why),
    ]
    return Result([table], verdicts)


def _settled(server: Server, settle: int) -> Idle:
    time.sleep(settle)
    before = server.cpu_seconds()
    watched = max(settle, 0.1)
    time.sleep(watched)
    percent = (server.cpu_seconds() - before) / watched * 100
    return Idle(server.pss_mib(), server.count(), percent)


def _row(name: str, result: Rounds, idle: dict[str, Idle]) -> tuple[str, ...]:
    if result.failure:
        return (name, f"failed: {result.failure}", NONE, NONE, NONE, NONE)
    seen = idle[name]
    cpu = f"{result.of(lambda f: f.cpu):.2f}"
    return (
        name,
        result.spread(lambda f: f.seconds, ".2f"),
        cpu,
        f"{seen.mib:.0f}",
        str(seen.processes),
        f"{seen.percent:.1f}",
    )
