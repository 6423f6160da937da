"""The long run: ``python -m tests.fuzz --seconds 600``. Exit code 1 where anything was found.

Half of the time goes to the targets, coverage-guided (atheris), half to requests made from the API description.
``--only weights --seconds-each 600 --jobs 1`` gives every reader of weights ten minutes of its own, ``--only mutations
--examples 100000`` that many mutations by hypothesis.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from tests.fuzz.long_runs import Outcome, by_coverage, by_mutations
from tests.fuzz.targets import names

_PATTERNS = {"targets": "*", "weights": "checkpoint-*", "mutations": "checkpoint-*"}


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=600, help="for everything together")
    arguments.add_argument("--seconds-each", type=int, help="for each target, instead of what --seconds leaves it")
    arguments.add_argument("--jobs", type=int, default=2, help="targets at the same time")
    arguments.add_argument("--corpus", type=Path, default=Path(".fuzz"), help="what is kept between runs")
    arguments.add_argument("--examples", type=int, default=100_000, help="mutations of each target")
    parts = ("targets", "weights", "mutations", "api")
    arguments.add_argument("--only", choices=parts, help="one part alone, in all the time")
    arguments.add_argument("--target", help="targets whose names match, such as checkpoint-gguf or 'checkpoint-py*'")
    given = arguments.parse_args()
    share = given.seconds if given.only or given.target else given.seconds // 2
    found = 0
    if given.only != "api":
        chosen = [name for name in names() if fnmatch(name, given.target or _PATTERNS.get(given.only, "*"))]
        each = given.seconds_each or max(5, share * given.jobs // max(1, len(chosen)))
        if given.only == "mutations":
            found += _found(by_mutations(chosen, given.examples, given.jobs, given.corpus))
        elif _has_atheris():
            found += _found(by_coverage(chosen, each, given.jobs, given.corpus))
    if given.only in (None, "api") and not given.target:
        found += _api(share)
    print(f"{found} findings")
    return 1 if found else 0


def _has_atheris() -> bool:
    if importlib.util.find_spec("atheris") is not None:
        return True
    print("atheris is not installed here (it has wheels for some systems only): the targets are left out.")
    print("`make test` runs them with hypothesis.")
    return False


def _found(outcomes: list[Outcome]) -> int:
    return sum(outcome.log is not None for outcome in outcomes)


def _api(seconds: int) -> int:
    # Loaded here alone: the kernel counts what this process holds as held by those that it starts.
    from tests.fuzz.api import walk
    from tests.fuzz.shelf import SETTINGS, furnish
    from tests.served import serve

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
