"""Branches and tags as people look at them: where each stands, and what would be lost with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from openshelf.domain.repos import DEFAULT_BRANCH, Ref, Repo
from openshelf.domain.tree import CommitInfo
from openshelf.errors import RevisionNotFound
from openshelf.services import refs
from openshelf.services.hub import Hub
from openshelf.storage.repositories import GitRepository, history, standing
from openshelf.storage.repositories.standing import MAX_COUNTED, Distance

_MAIN = f"refs/heads/{DEFAULT_BRANCH}"
_BRANCH, _TAG = "refs/heads/", "refs/tags/"
# Counts are kept in memory; a page with many branches that nobody has looked at before does without the last ones.
_COUNT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """A branch or tag with the commit it is at; ``distance`` from the default branch where it was counted."""

    ref: Ref
    commit: CommitInfo
    distance: Distance | None = None

    @property
    def is_default(self) -> bool:
        return self.ref.name == _MAIN

    @property
    def is_tag(self) -> bool:
        return self.ref.name.startswith(_TAG)


@dataclass(frozen=True, slots=True)
class Overview:
    """Some branches, the default one first and then the newest; some tags, the newest first; how many there are."""

    branches: tuple[Standing, ...]
    tags: tuple[Standing, ...]
    all_branches: int
    all_tags: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What goes with a ref: commits that no other one reaches, the newest few and their number up to ``counted_to``."""

    standing: Standing
    commits: tuple[CommitInfo, ...]
    number: int
    counted_to: int = MAX_COUNTED


def overview(hub: Hub, repo: Repo, *, branches_from: int = 0, tags_from: int = 0, limit: int = 50) -> Overview:
    """Branches and tags, ``limit`` of each beginning at a number."""
    git = hub.storage.repositories.open(repo.id)
    every = refs.every(hub, repo)
    heads = _newest(git, [ref for ref in every if ref.name.startswith(_BRANCH)])
    tags = _newest(git, [ref for ref in every if ref.name.startswith(_TAG)])
    main = next((ref.commit for ref in every if ref.name == _MAIN), None)
    shown = _counted(git, heads[branches_from : branches_from + limit], main)
    return Overview(tuple(shown), tuple(tags[tags_from : tags_from + limit]), len(heads), len(tags))


def loss(hub: Hub, repo: Repo, name: str, shown: int = 10) -> Loss:
    """What would be lost with the branch or tag of this full name. Raises RevisionNotFound."""
    git = hub.storage.repositories.open(repo.id)
    every = refs.every(hub, repo)
    ref = next((ref for ref in every if ref.name == name and name.startswith((_BRANCH, _TAG))), None)
    if ref is None:
        raise RevisionNotFound(name)
    others = [other.commit for other in every if other.name != name]
    commits = standing.only_in(git, ref.commit, others, shown)
    number = len(commits) if len(commits) < shown else standing.count_only_in(git, ref.commit, others)
    return Loss(Standing(ref, history.commit_info(git, ref.commit)), tuple(commits), number)


def _newest(git: GitRepository, found: Sequence[Ref]) -> list[Standing]:
    made = [Standing(ref, history.commit_info(git, ref.commit)) for ref in found]
    return sorted(made, key=lambda one: (not one.is_default, -one.commit.date.timestamp(), one.ref.name))


def _counted(git: GitRepository, found: Sequence[Standing], main: str | None) -> list[Standing]:
    began, counted = time.monotonic(), []
    for one in found:
        away = None
        if main and not one.is_default and time.monotonic() - began < _COUNT_SECONDS:
            away = standing.distance(git, one.ref.commit, main)
        counted.append(Standing(one.ref, one.commit, away))
    return counted
