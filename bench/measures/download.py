"""Download: one and four streams beside the peers; files kept whole, kept as chunks, and sent by nginx."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.bench import GB, Bench
from bench.client import Target, get_all, measured
from bench.figures import Figure, Result, Rounds, Table, Verdict, contest, failing
from bench.measures.moving import COLUMNS, STREAMS, Peaks, download, rows, samples, upload
from bench.measures.sha256 import hashed
from bench.measures.upload import SHA, upload_by_xet
from bench.samples import Sample, fill
from bench.servers import DockerRegistry, Giftless, MLflow, Nginx, Openshelf, OpenshelfBehindNginx

KINDS = (Nginx, DockerRegistry, MLflow, Giftless, OpenshelfBehindNginx, Openshelf)
CHUNKED = "Openshelf, kept as chunks"
# Reading is quick and its figures are small, so there are more rounds than of uploads.
_MORE_ROUNDS = 2
WHY_DIRECT = "Every megabyte is read and handed over by Python; behind nginx with X-Accel-Redirect it is not."


def measure(bench: Bench) -> Result:
    peaks, result = Peaks(), Result()
    found = {}
    for streams in STREAMS:
        found[streams] = contest(bench.options.rounds + _MORE_ROUNDS, _entrants(bench, streams, peaks))
        title = f"Download of {bench.options.size / GB:.2f} GB in {'one stream' if streams == 1 else '4 streams'}"
        result.tables.append(Table(title, COLUMNS, rows(found[streams], found[streams][SHA], peaks)))
    one = found[1]
    nginx = one.get(Nginx.name)
    direct, front = one[Openshelf.name], one.get(OpenshelfBehindNginx.name, Rounds())
    result.verdicts = [
        Verdict("download, server CPU to nginx, direct", direct.ratio(nginx), 5, "times", why_missed=WHY_DIRECT),
        Verdict(
            "download, server CPU to nginx, by X-Accel-Redirect",
            front.ratio(nginx),
            1.05,
            "times",
            why_missed=bench.left_out.get(OpenshelfBehindNginx.name, "One request to Openshelf is in it."),
        ),
    ]
    return result


def _entrants(bench: Bench, streams: int, peaks: Peaks) -> dict[str, Callable[[], Figure]]:
    entrants: dict[str, Callable[[], Figure]] = {SHA: partial(hashed, bench.options.size)}
    folder = bench.folder / "download"
    peers = bench.peers(*KINDS)
    files = {share: samples(bench, folder, share, streams) for share in {peer.share for peer in peers}}
    for peer in peers:
        entrants[peer.name] = partial(peaks.watch, peer.name, peer, partial(download, peer, files[peer.share]))
        try:
            upload(peer, files[peer.share])
        except Exception as error:
            entrants[peer.name] = failing(error)
    each = bench.options.size // streams
    by_xet = [fill(folder / f"xet-{number + 1}-of-{streams}.bin", each) for number in range(streams)]
    upload_by_xet(bench, bench.hub, by_xet)
    chunked = partial(_download_chunked, bench.hub, by_xet)
    entrants[CHUNKED] = partial(peaks.watch, CHUNKED, bench.hub, chunked)
    shutil.rmtree(folder)
    return entrants


def _download_chunked(hub: Openshelf, files: list[Sample]) -> Figure:
    url = f"{hub.server.url}/{hub.repo}-by-xet/resolve/main/"
    targets = [Target(url + sample.name) for sample in files]
    figure = measured(hub.server, 0, lambda: get_all(targets))
    return replace(figure, amount=sum(sample.size for sample in files) / GB)
