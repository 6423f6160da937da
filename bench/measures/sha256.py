"""How fast the machine hashes: the yardstick of every upload."""

from __future__ import annotations

import json
import sys

from bench.client import run
from bench.figures import Figure, Rounds
from bench.servers.openshelf import NO_SHA_INSTRUCTIONS

_PROGRAM = """
import hashlib, json, os, sys, time
size, block = int(sys.argv[1]), os.urandom(1 << 20)
began, wall, digest = time.process_time(), time.perf_counter(), hashlib.sha256()
for _ in range(size >> 20):
    digest.update(block)
print(json.dumps([time.process_time() - began, time.perf_counter() - wall]))
"""


def hashed(size: int, *, plain: bool = False) -> Figure:
    """Hash ``size`` bytes that are in memory, on one core; ``plain`` without the processor's SHA instructions."""
    size = max(size, 64 << 20)
    environment = NO_SHA_INSTRUCTIONS if plain else {}
    cpu, seconds = json.loads(run(sys.executable, "-c", _PROGRAM, str(size), env=environment))
    return Figure((size >> 20 << 20) / 1e9, seconds, cpu)


def has_instructions(fast: Rounds, plain: Rounds) -> bool:
    """Whether switching the SHA instructions off makes a difference here."""
    return fast.of(lambda f: f.each) < 0.8 * plain.of(lambda f: f.each)
