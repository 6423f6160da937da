"""Small requests: HEAD of a file, what is known of a model, and what peers have that comes nearest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.bench import Bench
from bench.client import Target, requests_per_second
from bench.figures import NONE, Figure, Result, Rounds, Table, Verdict, contest, failing
from bench.measures.moving import upload
from bench.samples import Sample, fill
from bench.servers import DockerRegistry, Giftless, MLflow, Nginx, Openshelf, Peer
from bench.servers.mlflow import API

RESOLVE, SIGNED, INFO = (
    "Openshelf: HEAD resolve",
    "Openshelf: HEAD resolve, with a token",
    "Openshelf: GET model info",
)
_CARD = "---\nlicense: mit\ntags:\n- bench\nlibrary_name: transformers\n---\n# A model\n\nWords about it.\n"


def measure(bench: Bench) -> Result:
    found = contest(bench.options.rounds, _entrants(bench))
    floor = found.get("nginx: HEAD of a file")
    rows = [_row(name, result, floor) for name, result in found.items()]
    columns = ("request", "per second (least–most)", "server CPU, µs each", "times nginx")
    resolve = found[RESOLVE]
    rate = resolve.of(lambda f: f.rate) if resolve.figures else None
    why = "ApacheBench and the other load take their share of the same cores."
    if resolve.figures:
        why += f" The CPU time alone allows {1 / resolve.of(lambda f: f.each):.0f}/s on a free core."
    verdict = Verdict("HEAD resolve, one worker process", rate, 800, "a second", at_least=True, why_missed=why)
    after = "16 kept connections from ApacheBench, which itself takes up to one core. One worker process each."
    return Result([Table("Small requests", columns, rows, after=after)], [verdict])


def _row(name: str, result: Rounds, floor: Rounds | None) -> tuple[str, ...]:
    if result.failure:
        return (name, f"failed: {result.failure}", NONE, NONE)
    ratio = result.ratio(floor)
    each = result.spread(lambda f: f.each * 1e6, ".0f")
    return (name, result.spread(lambda f: f.rate, ".0f"), each, NONE if ratio is None else f"{ratio:.0f}")


def _entrants(bench: Bench) -> dict[str, Callable[[], Figure]]:
    sample = fill(bench.folder / "small.bin", 64 * 1024)
    seconds = bench.options.seconds
    entrants: dict[str, Callable[[], Figure]] = {}
    for peer in bench.peers(Nginx, DockerRegistry, MLflow, Giftless, Openshelf):
        try:
            upload(peer, [sample])
            entrants |= _of_peer(bench, peer, sample)
        except Exception as error:
            entrants[f"{peer.name}: a small request"] = failing(error)
    hub = bench.hub
    hub.commit(hub.repo, [{"key": "file", "value": {"path": "README.md", "content": _CARD, "encoding": "utf-8"}}])
    rate = partial(requests_per_second, hub.server)
    entrants[RESOLVE] = partial(rate, hub.file(sample), "HEAD", seconds)
    entrants[SIGNED] = partial(rate, Target(hub.file(sample).url, hub.signed), "HEAD", seconds)
    entrants[INFO] = partial(rate, Target(f"{hub.server.url}/api/models/{hub.repo}"), "GET", seconds)
    return entrants


def _of_peer(bench: Bench, peer: Peer, sample: Sample) -> dict[str, Callable[[], Figure]]:
    """The small request of a peer that comes nearest to asking what is known of a file."""
    rate, seconds = partial(requests_per_second, peer.server), bench.options.seconds
    if isinstance(peer, Giftless):
        target, content = peer.batch("download", sample)
        body = bench.folder / "batch.json"
        body.write_bytes(content)
        return {"giftless: POST batch": partial(rate, target, "POST", seconds, body=body)}
    if isinstance(peer, MLflow):
        listing = Target(f"{peer.server.url}{API}?path=model")
        return {"MLflow: GET list of one artifact": partial(rate, listing, "GET", seconds)}
    if isinstance(peer, Openshelf):
        return {}
    what = "HEAD of a file" if isinstance(peer, Nginx) else "HEAD of a blob"
    return {f"{peer.name}: {what}": partial(rate, peer.file(sample), "HEAD", seconds)}
