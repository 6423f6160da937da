"""The long run: ``python -m tests.fuzz --seconds 600``. Exit code 1 where anything was found.

Half of the time goes to the targets, coverage-guided (atheris), half to requests made from the API description.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.api import walk
from tests.fuzz.shelf import SETTINGS, furnish
from tests.fuzz.test_parsers import NAMES
from tests.served import serve


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=600, help="for everything together")
    arguments.add_argument("--jobs", type=int, default=2, help="targets at the same time")
    arguments.add_argument("--corpus", type=Path, default=Path(".fuzz"), help="what is kept between runs")
    arguments.add_argument("--only", choices=("targets", "api"), help="one half alone, in all the time")
    given = arguments.parse_args()
    share = given.seconds if given.only else given.seconds // 2
    found = 0
    if given.only != "api":
        found += _targets(share, given.jobs, given.corpus)
    if given.only != "targets":
        found += _api(share)
    print(f"{found} findings")
    return 1 if found else 0


def _targets(seconds: int, jobs: int, corpus: Path) -> int:
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here (it has wheels for some systems only): the targets are left out.")
        print("`make test` runs them with hypothesis.")
        return 0
    each = max(5, seconds * jobs // len(NAMES))
    corpus.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        return sum(pool.map(lambda name: _target(name, each, corpus), NAMES))


def _target(name: str, seconds: int, corpus: Path) -> int:
    log = corpus / f"{name}.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "tests.fuzz.coverage_guided", name, str(seconds), str(corpus)]
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    runs = [line.split()[-1] for line in log.read_text("utf-8", "replace").splitlines() if "number_of_executed" in line]
    print(f"{name}: {runs[0] if runs else '?'} inputs in {seconds} s, {'see ' + str(log) if code else 'nothing found'}")
    return 1 if code else 0


def _api(seconds: int) -> int:
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), **SETTINGS) as served:
        shelf = furnish(served)
        done = walk(served.url, shelf.token, shelf.known, examples=10, seconds=seconds, seed=False)
        faults = served.log.read_text().count("] fault ")
    for what, told in done.failures.items():
        print(f"\n{what}\n{told}")
    print(f"API: {done.asked} requests to {done.operations} operations, answered {dict(sorted(done.statuses.items()))}")
    return len(done.failures) + faults


if __name__ == "__main__":
    sys.exit(main())
