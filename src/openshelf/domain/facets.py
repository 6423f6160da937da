"""Facets: the questions that a list of repos can be narrowed by, and the steps of sizes among their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from openshelf.domain.names import RepoKind


class Facet(StrEnum):
    """A question whose answers are counted beside a list. The value is the word in addresses."""

    TASK = "task"
    LIBRARY = "library"
    FRAMEWORK = "framework"
    FORMAT = "format"
    LICENCE = "license"
    LANGUAGE = "language"
    PARAMETERS = "parameters"
    SIZE = "size"
    BASE_MODEL = "base_model"
    DATASET = "dataset"
    OWNER = "owner"


Choice = Mapping[Facet, Sequence[str]]
"""What was chosen: any of the values of one facet, in every facet."""

_MODEL_ONLY = frozenset((Facet.FRAMEWORK, Facet.PARAMETERS, Facet.BASE_MODEL, Facet.DATASET))
_DATASET = (Facet.TASK, Facet.FORMAT, Facet.LICENCE, Facet.LANGUAGE, Facet.SIZE, Facet.OWNER)
_OF_KIND: Mapping[RepoKind, tuple[Facet, ...]] = {
    RepoKind.MODEL: tuple(Facet),
    RepoKind.DATASET: _DATASET,
    RepoKind.SPACE: (Facet.LIBRARY, Facet.LICENCE, Facet.BASE_MODEL, Facet.DATASET, Facet.SIZE, Facet.OWNER),
    RepoKind.KERNEL: tuple(facet for facet in Facet if facet not in _MODEL_ONLY),
}

SIZE_STEPS: tuple[tuple[int, str], ...] = (
    (10**7, "under-10MB"),
    (10**8, "10MB-100MB"),
    (10**9, "100MB-1GB"),
    (10**10, "1GB-10GB"),
    (10**11, "10GB-100GB"),
)
SIZE_ABOVE = "over-100GB"
PARAMETER_STEPS: tuple[tuple[int, str], ...] = (
    (10**8, "under-100M"),
    (10**9, "100M-1B"),
    (3 * 10**9, "1B-3B"),
    (10**10, "3B-10B"),
    (3 * 10**10, "10B-30B"),
    (10**11, "30B-100B"),
)
PARAMETERS_ABOVE = "over-100B"


def facets_of(kind: RepoKind | None) -> tuple[Facet, ...]:
    """The facets of a list of one kind, or of all kinds, in the order in which they are shown."""
    return _OF_KIND[kind] if kind else tuple(Facet)


def size_step(size_bytes: int) -> str:
    """The step that a size in bytes falls into."""
    return next((name for limit, name in SIZE_STEPS if size_bytes < limit), SIZE_ABOVE)


def parameter_step(parameters: int) -> str:
    """The step that a number of parameters falls into."""
    return next((name for limit, name in PARAMETER_STEPS if parameters < limit), PARAMETERS_ABOVE)


def steps(facet: Facet) -> tuple[str, ...]:
    """The values of a facet that have an order of their own, smallest first; empty for those that have none."""
    if facet is Facet.SIZE:
        return (*(name for _, name in SIZE_STEPS), SIZE_ABOVE)
    if facet is Facet.PARAMETERS:
        return (*(name for _, name in PARAMETER_STEPS), PARAMETERS_ABOVE)
    return ()
