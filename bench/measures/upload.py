"""Upload: one and four streams beside the peers and sha256, by git-lfs and by Xet."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial

from bench.bench import GB, Bench
from bench.client import measured, run
from bench.figures import Figure, Result, Rounds, Table, Verdict, contest
from bench.measures.moving import COLUMNS, STREAMS, Peaks, rows, upload
from bench.measures.moving import samples as new_samples
from bench.measures.sha256 import has_instructions, hashed
from bench.samples import Sample, change, fill
from bench.servers import DockerRegistry, Giftless, MLflow, Nginx, Openshelf, OpenshelfPlainSha, Peer

SHA, PLAIN_SHA = "sha256 alone, in memory", "sha256 alone, no SHA instructions"
XET = "Openshelf, by Xet (huggingface_hub)"
XET_PLAIN = "Openshelf, by Xet, no SHA instructions"
_CLIENT = """
import sys
from huggingface_hub import HfApi
api = HfApi()
api.create_repo(sys.argv[1], exist_ok=True)
for path in sys.argv[2:]:
    api.upload_file(path_or_fileobj=path, path_in_repo=path.rpartition("/")[2], repo_id=sys.argv[1])
"""


def measure(bench: Bench) -> Result:
    peaks, result = Peaks(), Result()
    found: dict[int, dict[str, Rounds]] = {}
    for streams in STREAMS:
        entrants = _entrants(bench, streams, peaks)
        found[streams] = contest(bench.options.rounds, entrants)
        sha = found[streams][SHA]
        title = f"Upload of {bench.options.size / GB:.2f} GB in {'one stream' if streams == 1 else '4 streams'}"
        result.tables.append(Table(title, COLUMNS, rows(found[streams], sha, peaks)))
    _judge(found[1], result)
    shutil.rmtree(bench.folder / "upload", ignore_errors=True)
    return result


def _judge(one: dict[str, Rounds], result: Result) -> None:
    sha, plain, nginx = one[SHA], one[PLAIN_SHA], one.get(Nginx.name)
    has = bool(sha.figures and plain.figures) and has_instructions(sha, plain)
    with_word = "with SHA instructions" if has else "this processor has no SHA instructions"
    result.verdicts += _verdicts(with_word, one.get(Openshelf.name), one.get(XET), sha, nginx)
    if has and OpenshelfPlainSha.name in one:
        without = one[OpenshelfPlainSha.name], one.get(XET_PLAIN)
        result.verdicts += _verdicts("both without SHA instructions", *without, plain, nginx)


def _verdicts(
    how: str, lfs: Rounds | None, xet: Rounds | None, sha: Rounds, nginx: Rounds | None
) -> tuple[Verdict, Verdict]:
    taking = nginx.ratio(sha) if nginx else None
    floor = (
        f"Taking the bytes from the socket and writing them costs nginx {taking:.2f} times sha256; with the hash that "
        f"is {1 + taking:.2f} times before anything else is done."
        if taking
        else ""
    )
    more = f"{floor} Xet adds a BLAKE3 of every chunk, unpacking, and reading the file back for its sha256."
    return (
        Verdict(
            f"upload by LFS, server CPU to sha256 ({how})",
            lfs.ratio(sha) if lfs else None,
            1.3,
            "times",
            why_missed=floor,
        ),
        Verdict(
            f"upload by Xet, server CPU to sha256 ({how})", xet.ratio(sha) if xet else None, 2, "times", why_missed=more
        ),
    )


def _entrants(bench: Bench, streams: int, peaks: Peaks) -> dict[str, Callable[[], Figure]]:
    peers = bench.peers(Nginx, DockerRegistry, MLflow, Giftless, Openshelf, OpenshelfPlainSha)
    files = {
        share: new_samples(bench, bench.folder / "upload", share, streams) for share in {peer.share for peer in peers}
    }

    def turn(peer: Peer) -> Figure:
        files[peer.share] = [change(sample) for sample in files[peer.share]]
        return peaks.watch(peer.name, peer, partial(upload, peer, files[peer.share]))

    entrants: dict[str, Callable[[], Figure]] = {
        SHA: partial(hashed, bench.options.size),
        PLAIN_SHA: partial(hashed, bench.options.size, plain=True),
    }
    entrants |= {peer.name: partial(turn, peer) for peer in peers}
    if streams == 1:
        plain = bench.peer(OpenshelfPlainSha)
        for name, hub in ((XET, bench.hub), (XET_PLAIN, plain)):
            if hub is not None:
                entrants[name] = partial(_xet_turn, bench, hub, name, peaks)
    return entrants


def _xet_turn(bench: Bench, hub: Openshelf, name: str, peaks: Peaks) -> Figure:
    sample = fill(bench.folder / "upload" / "xet.safetensors", bench.options.size)
    return peaks.watch(name, hub, partial(upload_by_xet, bench, hub, [sample]))


def upload_by_xet(bench: Bench, hub: Openshelf, samples: Sequence[Sample]) -> Figure:
    """Upload with the stock client and an empty cache, one file after the other."""
    home = bench.folder / "xet-home"
    shutil.rmtree(home, ignore_errors=True)
    command = (sys.executable, "-c", _CLIENT, f"{hub.repo}-by-xet", *(str(sample.path) for sample in samples))
    work = partial(run, *command, env=hub.client_environment(home))
    try:
        return measured(hub.server, sum(sample.size for sample in samples) / GB, work)
    finally:
        shutil.rmtree(home, ignore_errors=True)
