"""Facts of a repo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FileFact:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class RepoFacts:
    tags: tuple[str, ...]
    facts: Mapping[str, Any]


def describe(
    kind: str, card: Mapping[str, Any] | None, files: Sequence[FileFact], config: Mapping[str, Any] | None, body: str
) -> RepoFacts:
    return RepoFacts((), {})


def excerpt(body: str) -> str:
    return body[:300]
