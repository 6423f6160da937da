"""Measures the work on weights beside the programs that do the same.

    OPENSHELF_CLIENTS=.venv-clients .venv/bin/python -m bench.weights [--only listing,difference] [--size 1.1GB]
        [--rounds 3] [--folder /dev/shm] [--quick] [--publish]

Tables are printed; ``--publish`` writes docs/explanation/weights-performance.md. A measure is a module of this package
with ``measure(options, folder) -> Result``; name a new one in MEASURES.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Result, Table, first_line
from bench.machine import Clock
from bench.weights.machine import describe
from bench.weights.running import Options

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "weights-performance.md"
MEASURES = ("listing", "difference", "merging", "memory", "deltas")
QUICK = Options(size=20_000_000, sparse_size=2_000_000_000, rounds=1)
_SHARED_MEMORY = Path("/dev/shm")
_UNITS = {"MB": 10**6, "GB": 10**9}
_METHOD = """## How it is measured

`python -m bench.weights --publish` repeats all of it and writes this page; `--only` and `--size` choose.

- **CPU time first**, user and system, of the work alone: each program notes it itself after it has started and done
  the same work on a model of a few hundred kilobytes, so what is imported counts for nobody, nor the long start of
  torch. Wall times depend on the neighbours.
- **Turns.** Programs take turns in each round; a table shows the median and, in brackets, the least and the most.
  Ratios are of the same round.
- **Files** are synthetic, written new, and in shared memory: no disk is measured. Values are normal with a standard
  deviation of 0.02; changed ones are moved by 0.0002.
- **Private memory** is the peak of anonymous resident memory (`RssAnon`, every 10 ms). Pages of mapped files are shared
  with the page cache, and Openshelf lets go of them as it reads on.
- **torch loop** is straightforward code, a tensor at a time in float32, not tuned; see `bench/weights/difference.py`.
"""


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    options = QUICK if asked.quick else Options(size=asked.size, rounds=asked.rounds)
    clock, results, failed = Clock(), dict[str, Result](), dict[str, str]()
    for name in asked.only:
        print(f"[{time.strftime('%H:%M:%S')}] measuring {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="openshelf-weights-", dir=asked.folder) as folder:
            try:
                results[name] = importlib.import_module(f"bench.weights.{name}").measure(options, Path(folder))
            except Exception as error:
                failed[name] = first_line(error)
                traceback.print_exc()
                continue
        for table in results[name].tables:
            print(table.markdown())
        for verdict in results[name].verdicts:
            print("  " + " | ".join(verdict.row()), flush=True)
    if asked.publish:
        command = "python -m bench.weights " + " ".join(sys.argv[1:] if arguments is None else arguments)
        PAGE.write_text(page(results, failed, clock, command.strip()), encoding="utf-8")
        print(f"Wrote {PAGE}")
    return 1 if failed else 0


def page(results: dict[str, Result], failed: dict[str, str], clock: Clock, command: str) -> str:
    """The whole page."""
    verdicts = [verdict.row() for result in results.values() for verdict in result.verdicts]
    parts = [
        "<!-- Written by `python -m bench.weights --publish`; change bench/weights and run it again. -->\n",
        "# Performance of the work on weights\n",
        "Reading, comparing and merging models, beside programs that do the same, in one run with its misses.\n",
        f"`{command}`, {datetime.now(UTC):%d %B %Y %H:%M} UTC, {clock.minutes():.0f} minutes. {describe()} Other "
        f"programs kept {clock.cores_of_others():.1f} cores busy meanwhile.\n",
        "## Targets\n",
        Table("", ("what", "target", "measured", "verdict"), verdicts).markdown().partition("\n\n")[2].lstrip("\n"),
        _METHOD,
        "## Figures\n",
        *(table.markdown() for result in results.values() for table in result.tables),
    ]
    if failed:
        parts += ["## Not measured\n", "\n".join(f"- {name}: {why}" for name, why in failed.items()) + "\n"]
    return "\n".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.weights", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", type=_measures, default=MEASURES, help=f"some of {','.join(MEASURES)}")
    parser.add_argument("--size", type=_size, default=Options().size, help="of one model, such as 500MB [1.1GB]")
    parser.add_argument("--rounds", type=int, default=Options().rounds)
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the figures mean nothing")
    parser.add_argument("--publish", action="store_true", help=f"write {PAGE.name}")
    shared = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    parser.add_argument("--folder", type=Path, default=shared, help="where to put models [/dev/shm]")
    return parser


def _measures(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := set(names) - set(MEASURES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in names)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(MB|GB)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB or 1.1GB")
    return int(float(match[1]) * _UNITS[match[2]])


if __name__ == "__main__":
    sys.exit(main())
