"""The scrub: everything that is stored is read again, regularly and slowly, before it is needed and is gone.

It goes through the blobs, the xorbs and the repositories in order and remembers in the catalogue how far it came, so
that a restart goes on where it was. One process does it at a time; ``openshelf scrub`` takes over from the worker.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import structlog

from openshelf.errors import Unavailable
from openshelf.services import scrub_bytes
from openshelf.services.hub import Hub
from openshelf.services.scrub_bytes import Verdict
from openshelf.storage.catalogue import Transaction, blobs, damages, events, repos, xorbs
from openshelf.storage.catalogue.damages import Damage, Kind
from openshelf.xet.hashes import from_hex, to_hex

LOCK = "scrub"
_STATE_KEY = "scrub"
_SAVE_SECONDS = 5.0
_LOOK_SECONDS = 60.0
_YIELD_SECONDS = 0.2
_TAKE_OVER_SECONDS = 20.0
_BATCH = 200
_STAGES = (Kind.BLOB, Kind.XORB, Kind.REPOSITORY)

Progress = Callable[[str, int, int], None]

log = structlog.get_logger("openshelf.scrub")


@dataclass(frozen=True, slots=True)
class Pass:
    """How far a reading of everything is: ``after`` is the last thing of the ``stage`` that was read.

    Times in seconds since 1970; ``finished_at`` is None while it goes on. ``mended`` and ``damaged`` count things.
    """

    started_at: float
    finished_at: float | None = None
    stage: str = Kind.BLOB.value
    after: str = ""
    things: int = 0
    bytes_read: int = 0
    mended: int = 0
    damaged: int = 0


def last_pass(hub: Hub) -> Pass | None:
    """The pass that goes on, or else the last one; None before the first."""
    with hub.storage.catalogue.read() as tx:
        return _load(tx)


def known_damage(hub: Hub, limit: int = 100) -> list[Damage]:
    """What is damaged and waits to be uploaded again or restored."""
    with hub.storage.catalogue.read() as tx:
        return damages.known(tx, limit)


def count_damage(hub: Hub) -> dict[Kind, int]:
    with hub.storage.catalogue.read() as tx:
        return damages.count(tx)


def run(hub: Hub, *, resume: bool = False, bytes_per_second: int = 0, progress: Progress = lambda *_: None) -> Pass:
    """Read everything now, or with ``resume`` what the last pass has left; returns the finished pass.

    Raises Unavailable where another process does so and is in the middle of something large.
    """
    hub.check_writable()
    pace = _Pace(bytes_per_second, threading.Event())
    total = _total_bytes(hub)
    try:
        with hub.storage.locks.hold(LOCK, timeout=_TAKE_OVER_SECONDS):
            going = last_pass(hub) if resume else None
            if going is None or going.finished_at is not None:
                going = Pass(time.time())
            while going.finished_at is None:
                going = _work(hub, going, pace)
                progress("reading (MB)", going.bytes_read // 1_000_000, max(total, going.bytes_read) // 1_000_000)
    except Unavailable as error:
        raise Unavailable(f"{error.message} How far it is: `openshelf scrub --status`.") from None
    return going


def run_when_due(hub: Hub, stop: threading.Event) -> None:
    """Go on with a pass, or begin one when it is time, until ``stop`` is set."""
    while not stop.is_set():
        try:
            while not stop.is_set() and _go_on(hub, stop):
                # Time for a command to take over.
                stop.wait(_YIELD_SECONDS)
        except _Stopped:
            return
        except Exception:
            log.exception("the scrub was interrupted; trying again")
        stop.wait(_LOOK_SECONDS)


def check(hub: Hub, kind: str, subject: str) -> Verdict:
    """Read one thing whole, because a reader found it damaged."""
    return _examine(hub, Kind(kind), subject, lambda _size: None)


def _go_on(hub: Hub, stop: threading.Event) -> bool:
    """Do some of what is due; False where nothing is, or another process does it."""
    if not _is_due(hub, last_pass(hub)):
        return False
    with hub.storage.locks.try_hold(LOCK) as is_mine:
        going = last_pass(hub)
        if not is_mine or not _is_due(hub, going):
            return False
        if going is None or going.finished_at is not None:
            log.info("scrub begins")
            going = Pass(time.time())
        going = _work(hub, going, _Pace(hub.settings.scrub_bytes_per_second, stop))
    return going.finished_at is None


def _is_due(hub: Hub, last: Pass | None) -> bool:
    days = hub.settings.scrub_days
    if last is None:
        if not (hub.storage.blobs.objects.is_summed and hub.storage.xorbs.is_summed):
            return True
        # A new hub has nothing that is old: the first pass comes when its time does.
        last = Pass(time.time(), time.time())
        with hub.storage.catalogue.write() as tx:
            _save(tx, last)
    if last.finished_at is None:
        return True
    # A clock that went back must not put the next pass off.
    return days > 0 and abs(time.time() - last.finished_at) >= days * 86_400


def _work(hub: Hub, going: Pass, pace: _Pace) -> Pass:
    """Go on for some seconds, and remember how far that was."""
    until = time.monotonic() + _SAVE_SECONDS
    stage = Kind(going.stage)
    subjects = _next(hub, stage, going.after)
    for subject in subjects:
        before = pace.total
        verdict = _examine(hub, stage, subject, pace)
        going = replace(
            going,
            after=subject,
            things=going.things + 1,
            bytes_read=going.bytes_read + pace.total - before,
            mended=going.mended + (verdict is Verdict.MENDED),
            damaged=going.damaged + (verdict is Verdict.DAMAGED),
        )
        if time.monotonic() > until:
            break
    if not subjects:
        going = _end_of_stage(hub, going, stage)
    with hub.storage.catalogue.write() as tx:
        _save(tx, going)
    return going


def _end_of_stage(hub: Hub, going: Pass, stage: Kind) -> Pass:
    if stage is Kind.REPOSITORY:
        done = replace(going, finished_at=time.time())
        log.info("scrub done", things=done.things, bytes=done.bytes_read, mended=done.mended, damaged=done.damaged)
        return done
    objects = hub.storage.blobs.objects if stage is Kind.BLOB else hub.storage.xorbs
    if not objects.is_summed:
        objects.set_summed()
    return replace(going, stage=_STAGES[_STAGES.index(stage) + 1].value, after="")


def _next(hub: Hub, stage: Kind, after: str) -> list[str]:
    with hub.storage.catalogue.read() as tx:
        match stage:
            case Kind.BLOB:
                return [row.sha256 for row in blobs.every(tx, after, _BATCH)]
            case Kind.XORB:
                rows = xorbs.every(tx, from_hex(after) if after else b"", _BATCH)
                return [to_hex(row.hash) for row in rows]
            case Kind.REPOSITORY:
                return [repo_id for repo_id in sorted(repos.all_ids(tx)) if repo_id > after][:_BATCH]


def _examine(hub: Hub, kind: Kind, subject: str, pace: scrub_bytes.Pace) -> Verdict:
    match kind:
        case Kind.BLOB:
            verdict = scrub_bytes.examine_blob(hub, subject, pace)
        case Kind.XORB:
            verdict = scrub_bytes.examine_xorb(hub, from_hex(subject), pace)
        case Kind.REPOSITORY:
            verdict = scrub_bytes.examine_repository(hub, subject)
    if verdict is Verdict.DAMAGED:
        log.error("damaged", kind=kind.value, subject=subject)
    elif verdict is Verdict.MENDED:
        log.warning("mended", kind=kind.value, subject=subject)
    return verdict


def _total_bytes(hub: Hub) -> int:
    with hub.storage.catalogue.read() as tx:
        return damages.bytes_to_read(tx)


def _load(tx: Transaction) -> Pass | None:
    text = events.get_meta(tx, _STATE_KEY)
    return Pass(**json.loads(text)) if text else None


def _save(tx: Transaction, state: Pass) -> None:
    events.set_meta(tx, _STATE_KEY, json.dumps(asdict(state)))


class _Stopped(Exception):
    """The process is to end."""


class _Pace:
    """Counts bytes, and waits where they are more than ``bytes_per_second`` since the beginning; 0 never waits."""

    def __init__(self, bytes_per_second: int, stop: threading.Event) -> None:
        self.total = 0
        self._rate = bytes_per_second
        self._stop = stop
        self._begun = time.monotonic()

    def __call__(self, size: int) -> None:
        self.total += size
        ahead = self.total / self._rate - (time.monotonic() - self._begun) if self._rate else 0.0
        if self._stop.is_set() or (ahead > 0 and self._stop.wait(ahead)):
            raise _Stopped
