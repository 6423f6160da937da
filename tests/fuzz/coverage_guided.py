"""Runs one target under atheris: ``python -m tests.fuzz.coverage_guided NAME SECONDS FOLDER``.

``FOLDER`` keeps the corpus between runs, and what made a target fail.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.target import Target

MOST_BYTES = 32_768
MEMORY_MIB = 1024
SECONDS_FOR_ONE = 20


def main() -> None:
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["openshelf"]):
        target: Target = importlib.import_module("tests.fuzz.targets").target_of(name)
        seeds = target.seeds()
        # Readers are loaded when they are first wanted; what is loaded after this is not seen.
        for seed in seeds:
            target.run(seed)
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={SECONDS_FOR_ONE}",
        f"-artifact_prefix={folder / name}-failed-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    # atheris.Mutate of 3.0 does not find the core that Fuzz has begun; this one is it.
    plain = importlib.import_module("atheris.core_with_libfuzzer").Mutate
    more = {} if target.mutate is None else {"custom_mutator": mutator(target.mutate, plain)}
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run, **more)
    atheris.Fuzz()


def mutator(
    mutate: Callable[[Random, bytes], bytes], plain: Callable[[bytes, int], bytes]
) -> Callable[[bytes, int, int], bytes]:
    """Half of the inputs damaged as libFuzzer does it, half inside their containers."""

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        if seed % 2:
            return plain(data, most)
        found = mutate(Random(seed), data)
        return found if len(found) <= most else plain(data, most)

    return mutated


if __name__ == "__main__":
    main()
