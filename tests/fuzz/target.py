"""What a fuzzer needs to know of a parser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutations import damage


@dataclass(frozen=True)
class Target:
    """``run`` raises only where something is wrong: whatever error the parser states of bad bytes, it swallows.

    ``seeds`` are right inputs, made by code. A run may take ``memory`` bytes and ``per_byte`` for each of its input.
    ``mutate`` damages an input where damage at random would not get past its container.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    memory: int = 4 * 1024 * 1024
    per_byte: int = 64
    mutate: Callable[[Random, bytes], bytes] | None = None

    def damaged(self, seeds: Sequence[bytes], random: Random) -> bytes:
        """One of its seeds, damaged in the way that suits it."""
        right = random.choice(seeds)
        return damage(random, right, seeds) if self.mutate is None else self.mutate(random, right)
