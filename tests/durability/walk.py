"""Walk an operation from one durable effect to the next, with a fault at each.

``python -m tests.durability.walk commit --every 1`` prints one line of JSON for each point where a promise was broken,
and a summary. A process of its own, because it forks for each run and must be free of threads and open databases.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from tests.durability import scenes, state
from tests.durability.effects import Effect, Kind, Walk
from tests.durability.planted import PLANTED
from tests.durability.ptrace import unsupported
from tests.durability.scenes import OPERATIONS, Operation, Scene

CUTS = ("kill", "all", "bytes", "half", "names")
"""Faults: the process alone is killed; or the power is cut, and what was not synced is lost in one way or another."""


def apart(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, from a process of its own; raises AssertionError with what it raised."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.close(read)
            answer = json.dumps(work())
        except BaseException:
            answer, code = _brief(), 1
        with os.fdopen(write, "w") as file:
            file.write(answer)
        os._exit(code)
    os.close(write)
    with os.fdopen(read) as file:
        answer = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise AssertionError(answer or f"the process ended with {status}")
    return json.loads(answer)


def _brief() -> str:
    """The last error, without the way to it where it is a finding."""
    error = sys.exc_info()[1]
    return str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc(limit=-4)


class Walker:
    """One operation in one folder; the scene is copied afresh for each point."""

    def __init__(self, operation: Operation, folder: Path, kinds: tuple[Kind, ...] = ()) -> None:
        self.operation, self.folder, self.kills = operation, folder, 0
        self.pristine = folder / "pristine"
        apart(lambda: scenes.make(operation, self.pristine) and None)
        self.scene = Scene(folder / "scene")
        self._reset()
        self.before = apart(lambda: self._seen() if self._is_hub() else {})
        self._reset()
        walk = Walk(self.scene.disk, kinds=kinds)
        code = walk.run(lambda: operation.work(self.scene))
        assert code == 0, f"{operation.name} fails without any fault"
        self.points = len(walk.effects)
        self.effects = walk.effects
        self.after = apart(self._seen)

    def crash(self, point: int, cuts: tuple[str, ...] = CUTS) -> list[str]:
        """End the process before effect ``point``; returns what was wrong afterwards, one line for each fault."""
        self._reset()
        walk = Walk(self.scene.disk, at=point)
        code = walk.run(lambda: self.operation.work(self.scene))
        self.kills += code == -signal.SIGKILL
        crashed = self.folder / "crashed"
        shutil.rmtree(crashed, ignore_errors=True)
        shutil.copytree(self.scene.folder, crashed, symlinks=True)
        wrong = []
        for cut in cuts:
            self._replace(crashed)
            lost = walk.disk.cut_power(cut) if cut != "kill" else 1
            if cut != "kill" and not lost:
                continue
            try:
                apart(self._verify)
            except AssertionError as error:
                at = walk.last.seen_from(self.scene.disk) if walk.last else f"the end ({code})"
                wrong.append(f"{self.operation.name} {cut} before {point} of {self.points}, {at}: {error}")
        return wrong

    def fail(self, point: int, number: int, kinds: tuple[Kind, ...], *, forever: bool) -> list[str]:
        """Let effect ``point`` of these kinds fail with an errno, and perhaps all that follow."""
        self._reset()
        walk = Walk(self.scene.disk, at=point, errno=number, kinds=kinds, forever=forever)
        report = self.folder / "refusal"
        report.unlink(missing_ok=True)
        code = walk.run(lambda: self._refused(report))
        name = errno.errorcode[number]
        if walk.last is None:
            return [] if code == 0 else [f"{self.operation.name} ended with {code}"]
        at = f"{self.operation.name} {name} at {point}, {walk.last.seen_from(self.scene.disk)}"
        wrong = []
        if code != 0:
            wrong.append(f"{at}: the process ended with {code}")
        said = report.read_text() if report.exists() else ""
        if said and not _is_clear(said, number, forever=forever):
            wrong.append(f"{at}: it is said so: {said[:300]}")
        if Kind.READ in kinds:
            # What could not be read is marked as damaged until it is looked at again, and stays unread so long.
            wrong += [f"{at}: wrong bytes of {what}" for kind, what in self.scene.acknowledged() if kind == "wrong"]
            return wrong
        try:
            apart(self._verify)
        except AssertionError as error:
            wrong.append(f"{at}: {error}")
        return wrong

    def _refused(self, report: Path) -> None:
        try:
            self.operation.work(self.scene)
        except Exception as error:
            report.write_text(f"{type(error).__name__} {error}")

    def _reset(self) -> None:
        self._replace(self.pristine)
        shutil.rmtree(self.scene.folder / "disk.aside", ignore_errors=True)

    def _replace(self, source: Path) -> None:
        shutil.rmtree(self.scene.folder, ignore_errors=True)
        shutil.copytree(source, self.scene.folder, symlinks=True)

    def _is_hub(self) -> bool:
        return (self.scene.data / "format.json").exists()

    def _seen(self) -> dict[str, Any]:
        hub = self.scene.open()
        try:
            return state.look(hub)
        finally:
            hub.storage.close()

    def _verify(self) -> None:
        """Everything that must hold when the hub is opened again, and when the client comes back."""
        scene, acknowledged = self.scene, self.scene.acknowledged()
        hub = scene.open()
        try:
            state.every_blob_reads_back(hub)
            state.look(hub)
            state.reconcile(hub)
            seen = state.look(hub)
            if self.operation.is_one_step:
                assert seen in (self.before, self.after), f"half of it is seen: {_difference(seen, self.after)}"
            found = state.damage(hub)
            assert not found, f"the check finds: {found}"
            self._check_acknowledged(hub, acknowledged, seen)
        finally:
            hub.storage.close()
        self.operation.work(scene)
        self.operation.after(scene)
        hub = scene.open()
        try:
            state.reconcile(hub)
            seen = state.look(hub)
            assert seen == self.after, f"repeating it does not complete it: {_difference(seen, self.after)}"
            self._check_acknowledged(hub, scene.acknowledged(), seen)
            found = state.damage(hub)
            assert not found, f"after repeating it the check finds: {found}"
        finally:
            hub.storage.close()

    def _check_acknowledged(self, hub: Any, acknowledged: list[tuple[str, str]], seen: dict[str, Any]) -> None:
        plan = self.scene.plan
        if "ada/m" not in seen:
            assert not acknowledged
            return
        git = hub.storage.repositories.open(plan["repo"])
        for sha256 in plan["blobs"]:
            assert state.holds(hub, plan["repo"], sha256), f"blob {sha256} is lost"
        for kind, what in acknowledged:
            if kind == "blob":
                assert state.holds(hub, plan["repo"], what), f"acknowledged blob {what} is lost"
            elif kind == "commit":
                assert seen == self.after, f"acknowledged commit {what} is not seen"
                assert git.commit_of(what) == what
            elif kind == "ref":
                name, target = what.split(" ")
                assert git.targets().get(name) == target, f"acknowledged push of {name} is lost"


def _is_clear(said: str, number: int, *, forever: bool) -> bool:
    """Whether an error tells what to do.

    SQLite keeps to itself why a file of its own failed; where the disk stays full, the hub finds that out.
    """
    if "disk of this hub is full" in said and number in (errno.ENOSPC, errno.EDQUOT):
        return True
    if number in (errno.ENOSPC, errno.EDQUOT) and (forever or "catalogue cannot be used" not in said):
        return False
    return any(word in said for word in ("administrator", "doctor", "Input/output error"))


def _difference(seen: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Which repos differ, and in what."""
    found = []
    for name in sorted(seen.keys() | wanted.keys()):
        ours, theirs = seen.get(name), wanted.get(name)
        if ours is None or theirs is None:
            found.append(f"{name} is {'missing' if ours is None else 'there'}")
            continue
        found += [f"{name} {key}: {ours[key]} and not {theirs[key]}" for key in ours if ours[key] != theirs[key]]
    return "; ".join(found)[:1000]


def _chosen(walker: Walker, effects: Sequence[Effect], options: argparse.Namespace) -> list[int]:
    """The points to visit: all, those that match, or a few spread over the kinds of effects."""
    points = [
        number
        for number, effect in enumerate(effects, 1)
        if re.search(options.match, effect.seen_from(walker.scene.disk))
    ]
    if not options.match:
        points.append(len(effects) + 1)
    if not options.sample or len(points) <= options.sample:
        return points
    by_kind: dict[str, list[int]] = {}
    for point in points:
        kind = effects[point - 1].kind.value if point <= len(effects) else "end"
        by_kind.setdefault(kind, []).append(point)
    found: list[int] = []
    turn = options.turn
    while len(found) < options.sample:
        for kind in sorted(by_kind):
            among = [point for point in by_kind[kind] if point not in found]
            if among and len(found) < options.sample:
                found.append(among[(len(among) // 2 + turn * 7) % len(among)])
        turn += 1
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("operation", choices=sorted(OPERATIONS))
    parser.add_argument("--cuts", default=",".join(CUTS))
    parser.add_argument("--errno", default="", help="inject this error in place of a kill, such as ENOSPC")
    parser.add_argument("--kinds", default="write,sync", help="the kinds of effects that fail")
    parser.add_argument("--forever", action="store_true", help="every later call fails too")
    parser.add_argument("--match", default="", help="visit only effects that match this expression")
    parser.add_argument("--sample", type=int, default=0, help="visit so many points, spread over the kinds")
    parser.add_argument("--turn", type=int, default=0, help="another sample for another number")
    parser.add_argument("--plant", default="", choices=["", *PLANTED], help="with this fault in the hub")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if reason := unsupported():
        print(json.dumps({"skipped": reason}))
        sys.exit(77)
    kinds = tuple(Kind(kind) for kind in options.kinds.split(","))
    runs, wrong = 0, list[str]()
    with tempfile.TemporaryDirectory() as folder:
        walker = Walker(OPERATIONS[options.operation], Path(folder), kinds if Kind.READ in kinds else ())
        if options.plant:
            PLANTED[options.plant]()
        effects = [effect for effect in walker.effects if not options.errno or effect.kind in kinds]
        points = _chosen(walker, effects, options)
        for point in points:
            if options.list:
                print(point, effects[point - 1].seen_from(walker.scene.disk) if point <= len(effects) else "the end")
                continue
            runs += 1
            if options.errno:
                found = walker.fail(point, getattr(errno, options.errno), kinds, forever=options.forever)
            else:
                found = walker.crash(point, tuple(options.cuts.split(",")))
            wrong += found
            for line in found:
                print(json.dumps(line), flush=True)
    summary = {"operation": options.operation, "points": len(effects) + 1, "runs": runs, "faults": len(wrong)}
    print(json.dumps(summary | {"kills": walker.kills}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
