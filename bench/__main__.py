"""Measures Openshelf beside its peers, prints tables, and writes docs/explanation/performance.md with --publish."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench import page
from bench.bench import Bench, Options
from bench.figures import Result, first_line
from bench.machine import Clock
from bench.servers import NAMES, MLflow

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
MEASURES = ("start", "upload", "download", "requests", "tree", "snapshot", "clone", "lists", "pages")
# MLflow takes gigabytes and some CPU time even when nobody asks it; it is stopped after the last that wants it.
_LAST_WITH_MLFLOW = "tree"
QUICK = Options(
    size=4_000_000,
    rounds=1,
    seconds=1,
    files=200,
    small_files=20,
    repos=300,
    commits=20,
    questions=10,
    page_views=2,
    settle=0,
    peers=("openshelf", "nginx"),
)
_SIZE = re.compile(r"(\d+)(B|kB|MB|GB|KiB|MiB|GiB)\Z")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    # Debian keeps nginx and fcgiwrap where only root looks.
    os.environ["PATH"] += ":/usr/sbin"
    if missing := [tool for tool in ("curl", "ab", "git") if shutil.which(tool) is None]:
        print(f"missing: {', '.join(missing)}; apt-get install curl apache2-utils git", file=sys.stderr)
        return 2
    options = _options(asked)
    # As Ctrl-C: servers are stopped, data is removed, and what was measured is shown.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="openshelf-bench-", dir=asked.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        if not _has_room(folder, options):
            return 2
        text, failed = measure(Bench(options, folder), asked.only, _command(arguments))
    if asked.publish:
        PAGE.write_text(text, encoding="utf-8")
        print(f"Wrote {PAGE}")
    return 1 if failed else 0


def measure(bench: Bench, names: tuple[str, ...], command: str) -> tuple[str, dict[str, str]]:
    """Run the measurements of these names; returns the page and what failed."""
    clock, results, failed = Clock(), dict[str, Result](), dict[str, str]()
    _say("looking which peers can be had (environments are built once)")
    bench.check()
    for name, reason in bench.left_out.items():
        print(f"  without {name}: {reason}")
    try:
        for name in names:
            began = time.perf_counter()
            _say(f"measuring {name}")
            try:
                results[name] = importlib.import_module(f"bench.measures.{name}").measure(bench)
            except KeyboardInterrupt:
                failed |= {left: "interrupted" for left in names if left not in results}
                break
            except Exception as error:
                failed[name] = first_line(error)
                traceback.print_exc()
                continue
            for table in results[name].tables:
                print(table.markdown())
            for verdict in results[name].verdicts:
                print("  " + " | ".join(verdict.row()))
            print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
            if name == _LAST_WITH_MLFLOW:
                bench.stop(MLflow)
    finally:
        bench.close()
    run = page.Run(bench.options, clock.minutes(), clock.cores_of_others(), bench.left_out, failed, command)
    return page.render(run, results), failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=_measures, default=MEASURES, help=f"some of {','.join(MEASURES)}")
    parser.add_argument("--peers", type=_peers, help=f"some of {','.join(NAMES)}; openshelf is always there")
    parser.add_argument("--size", type=_size, help="how much is moved, such as 256MB [default: 1GiB]")
    for field in fields(Options):
        if field.name not in ("size", "peers"):
            option = "--" + field.name.replace("_", "-")
            parser.add_argument(option, type=int, help=f"[default: {field.default}]")
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the figures mean nothing")
    parser.add_argument("--publish", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--folder", help="where to put data while measuring [default: the temporary folder]")
    return parser


def _options(asked: argparse.Namespace) -> Options:
    given: dict[str, Any] = {field.name: getattr(asked, field.name) for field in fields(Options)}
    return replace(QUICK if asked.quick else Options(), **{k: v for k, v in given.items() if v is not None})


def _measures(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := set(names) - set(MEASURES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in names)


def _peers(text: str) -> tuple[str, ...]:
    names = {"openshelf", *text.split(",")}
    if unknown := names - set(NAMES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in names)


def _size(text: str) -> int:
    match = _SIZE.match(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 256MB or 1GiB")
    return int(match[1]) * _UNITS[match[2]]


def _has_room(folder: Path, options: Options) -> bool:
    # What is uploaded stays until the end: three hubs' worth by LFS, two by Xet, and the files themselves.
    needed = options.size * (7 * options.rounds + 12) + (1 << 30)
    free = shutil.disk_usage(folder).free
    if free < needed:
        print(
            f"{folder.parent} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB are needed; ask for less with --size "
            "or name another place with --folder",
            file=sys.stderr,
        )
    return free >= needed


def _command(arguments: list[str] | None) -> str:
    given = " ".join(sys.argv[1:] if arguments is None else arguments)
    return f"python -m bench {given}".strip()


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}, load {os.getloadavg()[0]:.1f}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
