"""Writes docs/explanation/performance.md: what was measured, how, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import machine
from bench.bench import Options
from bench.figures import Result, Table
from bench.servers import NAMES

_METHOD = """## How it is measured

`make bench BENCH_ARGS=--publish` repeats all of it and writes this page: about a quarter of an hour on two quiet cores,
with 35 GB of free disk. `--only download,lists` and `--peers nginx,docker-registry` choose, `--size` says how much is
moved, `--quick` only tries whether everything runs.

- **CPU time first.** The machine is small and shared, so wall times say as much about the neighbours as about the
  servers. The figure that counts is the server's CPU time, user and system, of all its processes together (read from
  `/proc` before and after, in steps of 10 ms). The client's CPU time is noted apart from it. Throughput and latency
  are given too; read them as "at least this fast".
- **Ratios.** The speed of such machines drifts within minutes. Every figure of bytes is therefore also given as a
  multiple of nginx and of sha256, each round compared with nginx and sha256 of the same round.
- **Turns.** The servers take turns within each round; a table shows the median of the rounds and, in brackets, the
  least and the most. One that fails stays in the table, with the reason.
- **Same work.** The same curl moves the same random bytes over loopback to and from the same disk; for upload they
  are new in each round, so that nobody can skip them. What was written is in the page cache when it is read.
  One worker process each (nginx, MLflow, giftless, Openshelf); docker-registry is one Go process on all cores.
  Slow peers move an eighth of the bytes; figures are per GB (10^9 bytes).
- **sha256** is OpenSSL's, over bytes that are in memory already: the least that any server can pay which verifies
  what it takes. "No SHA instructions" is the same with the processor's SHA extension switched off
  (`OPENSSL_ia32cap=:~0x20000000`), as on many older servers; there hashing costs some four times as much.
- **Openshelf** runs as `make serve` starts it: one process, SQLite, local disk, nothing tuned. Background jobs are
  off where not said otherwise, as in a set-up with `openshelf worker` beside the server; rate limits are off.
"""


_QUIET = 0.5
_BUSY = (
    "**The machine was not quiet.** Targets of wall time (ready, requests a second, milliseconds) cannot be judged by "
    "this run; CPU time and ratios can, though contention makes them somewhat worse too.\n"
)


@dataclass(frozen=True)
class Run:
    """How a run went, apart from its figures."""

    options: Options
    minutes: float
    cores_of_others: float
    left_out: Mapping[str, str]
    failed: Mapping[str, str]
    command: str


def render(run: Run, results: Mapping[str, Result]) -> str:
    verdicts = [verdict.row() for result in results.values() for verdict in result.verdicts]
    parts = [
        "<!-- Written by `python -m bench --publish`; change bench/ and run it again. -->\n",
        "# Performance\n",
        "What Openshelf costs beside servers that do part of its work, in one run of one command, with its misses.\n",
        f"`{run.command}`, {datetime.now(UTC):%d %B %Y %H:%M} UTC, {run.minutes:.0f} minutes. "
        + " ".join(machine.describe())
        + f" Other programs kept {run.cores_of_others:.1f} cores busy meanwhile.\n",
        _BUSY if run.cores_of_others > _QUIET else "",
    ]
    if verdicts:
        columns = ("what", "target", "measured", "verdict")
        parts += ["## Targets\n", Table("", columns, verdicts).markdown().partition("\n\n")[2].lstrip("\n")]
    parts += [_METHOD, "## What each peer does, and does not\n", _peers(run)]
    parts.append("## Figures\n")
    parts += [table.markdown() for result in results.values() for table in result.tables]
    if run.failed:
        parts += ["## Not measured\n", "\n".join(f"- {name}: {why}" for name, why in run.failed.items()) + "\n"]
    parts.append(_LIMITS)
    return "\n".join(parts)


def _peers(run: Run) -> str:
    rows = []
    for kind in NAMES.values():
        absent = run.left_out.get(kind.name, "")
        rows.append((kind.name, kind.does, kind.does_not, f"left out: {absent}" if absent else "measured"))
    columns = ("server", "does", "does not", "in this run")
    return Table("", columns, rows).markdown().partition("\n\n")[2]


_LIMITS = """## What these figures do not say

- Loopback has no latency and no loss. Over a network, wall times are those of the network; CPU time stays.
- Client and server share the cores here. Request rates are therefore lower than on a machine of the server's own.
- nginx does not sync what it writes, and neither do MLflow and giftless; Openshelf syncs before it acknowledges. That
  costs wall time on a slow disk and hardly any CPU time.
- MLflow's default is four workers and a tracking server beside the artifacts; one worker with artifacts alone is the
  leanest form of it. giftless is made to send clients to object storage of a cloud; sending the bytes itself is what
  it does least well.
- No peer has search over repos or clones over the same data, so lists have no peer here; clones have git itself.
"""
