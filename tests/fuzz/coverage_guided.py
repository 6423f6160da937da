"""Runs one target under atheris: ``python -m tests.fuzz.coverage_guided NAME SECONDS FOLDER``.

``FOLDER`` keeps the corpus between runs, and what made a target fail.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

MOST_BYTES = 32_768
MEMORY_MIB = 1024
SECONDS_FOR_ONE = 20


def main() -> None:
    name, seconds, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["openshelf"]):
        target = importlib.import_module(f"tests.fuzz.targets.{name}").TARGET
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
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
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
