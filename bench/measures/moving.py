"""What upload and download share: streams, memory, and the rows of their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.bench import GB, Bench
from bench.client import get_all, measured, put_all
from bench.figures import NONE, Figure, Rounds, times
from bench.processes import Peak
from bench.samples import Sample, fill
from bench.servers import Peer

STREAMS = (1, 4)
COLUMNS = (
    "server",
    "GB/s",
    "server CPU-s per GB (least–most)",
    "times nginx",
    "times sha256",
    "client CPU-s per GB",
    "peak MiB",
)


@dataclass
class Peaks:
    """The most memory that each server took."""

    mib: dict[str, float] = field(default_factory=dict)

    def watch(self, name: str, peer: Peer, run: Callable[[], Figure]) -> Figure:
        with Peak(peer.server) as peak:
            figure = run()
        self.mib[name] = max(self.mib.get(name, 0.0), peak.mib)
        return figure


def samples(bench: Bench, folder: Path, share: int, streams: int) -> list[Sample]:
    """``streams`` new files which together have 1/``share`` of the bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    each = max(1, bench.options.size // share // streams)
    return [fill(folder / f"model-{share}-{number + 1}-of-{streams}.bin", each) for number in range(streams)]


def upload(peer: Peer, files: Sequence[Sample]) -> Figure:
    """PUT all files at once; asking for addresses and naming the files afterwards is counted too."""

    def work() -> None:
        put_all([(peer.upload_to(sample), sample.path) for sample in files])
        for sample in files:
            peer.finish(sample)

    return measured(peer.server, sum(sample.size for sample in files) / GB, work)


def download(peer: Peer, files: Sequence[Sample]) -> Figure:
    targets = [peer.file(sample) for sample in files]
    return measured(peer.server, sum(sample.size for sample in files) / GB, lambda: get_all(targets))


def rows(found: dict[str, Rounds], sha: Rounds, peaks: Peaks, floor: str = "nginx") -> list[tuple[str, ...]]:
    lines = []
    for name, result in found.items():
        if result.failure:
            lines.append((name, f"failed: {result.failure}", *[NONE] * (len(COLUMNS) - 2)))
            continue
        lines.append(
            (
                name,
                f"{result.of(lambda f: f.rate):.2f}",
                result.spread(lambda f: f.each, ".2f"),
                times(result.ratio(found.get(floor)), ".1f"),
                times(result.ratio(sha)),
                f"{result.of(lambda f: f.client_cpu / f.amount):.2f}",
                f"{peaks.mib[name]:.0f}" if peaks.mib.get(name) else NONE,
            )
        )
    return lines
