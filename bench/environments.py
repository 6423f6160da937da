"""Environments of the peers that come from Python's index: each built from its lock, kept between runs."""

from __future__ import annotations

from pathlib import Path

from tests.conformance import environments
from tests.conformance.environments import CannotInstall

__all__ = ["CannotInstall", "program_of"]

LOCKS = Path(__file__).parents[1] / "requirements" / "bench"


def program_of(name: str, program: str) -> Path:
    """A program of the environment locked in ``requirements/bench/{name}.lock``; raises CannotInstall."""
    return environments.python_of(name, LOCKS).parent / program
