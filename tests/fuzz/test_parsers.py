"""Every parser of foreign bytes says what is wrong with them, in bounded memory, and comes to an end."""

from __future__ import annotations

import tracemalloc
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import names, target_of

NAMES = names()
_EXAMPLES = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def check(target: Target, data: bytes) -> None:
    """Run it, and hold its memory to what is stated."""
    tracemalloc.start()
    try:
        target.run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    allowed = target.memory + target.per_byte * len(data)
    assert peak <= allowed, f"{len(data)} bytes of input took {peak} bytes of memory; {allowed} are allowed"


@pytest.mark.parametrize("name", NAMES)
def test_right_bytes_are_taken(name: str) -> None:
    target = target_of(name)
    for seed in target.seeds():
        target.run(seed)
        check(target, seed)


@pytest.mark.parametrize("name", NAMES)
def test_mutated_bytes(name: str) -> None:
    target = target_of(name)
    seeds = target.seeds()

    @_EXAMPLES
    @given(st.randoms(use_true_random=False).map(partial(target.damaged, seeds)))
    def run(data: bytes) -> None:
        check(target, data)

    run()


@pytest.mark.parametrize("name", NAMES)
def test_arbitrary_bytes(name: str) -> None:
    target = target_of(name)

    @_EXAMPLES
    @given(st.binary(max_size=5000))
    def run(data: bytes) -> None:
        check(target, data)

    run()
