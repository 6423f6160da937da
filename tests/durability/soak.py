"""The long run: every point of every operation, then a thousand kills at random; writes the counts into the docs.

``python -m tests.durability.soak --kills 1000``. Ends with 1 where anything was found.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from tests.durability import random_kills
from tests.durability.random_kills import Found
from tests.durability.scenes import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "durability.md"
_BETWEEN = re.compile(r"(<!-- counts -->\n).*?(<!-- end of counts -->)", re.DOTALL)
_DISK_FULL = ("--errno", "ENOSPC", "--kinds", "write,sync,create,make,link,rename")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000, help="how often the server is killed at random")
    parser.add_argument("--seconds", type=float, default=0, help="end the kills at random after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-walks", action="store_true", help="kill at random alone")
    parser.add_argument("--folder", type=Path, help="keep what is counted here, and go on from what is there")
    parser.add_argument("--publish", action="store_true", help="write the counts into docs/explanation/durability.md")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    walks = [] if options.no_walks else _walks()
    found = _random_kills(options)
    for line in found.faults:
        _tell(line)
    table = _table(walks, found)
    _tell(table)
    if options.publish:
        PAGE.write_text(_BETWEEN.sub(lambda match: match[1] + table + match[2], PAGE.read_text()))
    sys.exit(1 if found.faults or any(walk["faults"] for walk in walks) else 0)


def _random_kills(options: argparse.Namespace) -> Found:
    """Kills at random; SIGTERM and Ctrl-C end them, and what was counted until then is what is told."""
    over: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: over.append(got))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return random_kills.run(
            folder,
            options.kills,
            seed=options.seed,
            seconds=options.seconds,
            tell=_tell,
            is_over=lambda: bool(over),
        )


def _walks() -> list[dict[str, Any]]:
    """The summary of each walk; as many at once as there are processors."""
    arguments: list[tuple[str, ...]] = [(name, "--cuts", "kill,all,bytes") for name in OPERATIONS if name != "download"]
    arguments += [(name, *_DISK_FULL) for name in ("lfs", "lfs-parts", "xet", "commit", "push")]
    arguments += [(name, *_DISK_FULL, "--forever") for name in ("lfs", "xet", "commit", "push")]
    arguments += [(name, "--errno", "EIO", "--kinds", "write,sync") for name in ("lfs", "xet", "commit", "push")]
    arguments.append(("download", "--errno", "EIO", "--kinds", "read"))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(_walk, arguments))


def _walk(arguments: tuple[str, ...]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.durability.walk", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    _tell(f"{' '.join(arguments)}\n{done.stdout.strip()}")
    lines = done.stdout.splitlines()
    if not lines:
        raise SystemExit(done.stderr)
    summary: dict[str, Any] = json.loads(lines[-1])
    if "skipped" in summary:
        raise SystemExit(summary["skipped"])
    return summary | {"fault": _fault(arguments)}


def _fault(arguments: tuple[str, ...]) -> str:
    if "--errno" not in arguments:
        return "killed; power cut"
    number = arguments[arguments.index("--errno") + 1]
    what = {"ENOSPC": "disk full", "EIO": "disk error"}[number]
    return f"{what}, for good" if "--forever" in arguments else what


def _table(walks: list[dict[str, Any]], found: Found) -> str:
    """What the page tells of this run."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    command = f"python -m tests.durability.soak {' '.join(sys.argv[1:])}"
    lines = [
        f"Run on {datetime.now(UTC):%Y-%m-%d} at revision {revision.stdout.strip()} by `{command}`, "
        f"on {os.cpu_count()} processors ({platform.machine()}).",
        "",
    ]
    if walks:
        lines += ["| Operation | Fault | Points | Kills | Found |", "|---|---|--:|--:|--:|"]
        for walk in walks:
            numbers = f"{walk['points']} | {walk['kills']} | {walk['faults']}"
            lines.append(f"| {walk['operation']} | {walk['fault']} | {numbers} |")
        lines.append("")
    kinds = ", ".join(f"{number} of {kind}" for kind, number in sorted(found.kills.items()))
    uploads = ", ".join(f"{number} by {kind}" for kind, number in sorted(found.uploads.items()))
    lines += [
        f"At random: **{found.kills.total()} kills** ({kinds}) in {found.seconds:.0f} seconds, while four clients "
        f"uploaded {found.files} files ({uploads}), {found.repeated} of them in more than one try. "
        f"The data folder was checked {found.checks} times. Lost, damaged or half written: {len(found.faults)}.",
        "",
    ]
    return "\n".join(lines)


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
