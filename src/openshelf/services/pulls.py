"""Pull requests, read: lists, and what one of them would change."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.pulls import Pull
from openshelf.domain.repos import Repo
from openshelf.domain.tree import CommitInfo
from openshelf.errors import PullNotFound, RevisionNotFound
from openshelf.services.hub import Hub
from openshelf.storage.catalogue import refs
from openshelf.storage.repositories import comparison

MAX_COMMITS = 500
MAX_DIFF = 2_000_000


@dataclass(frozen=True, slots=True)
class PullDetails:
    """``commits``: those that the base does not have, oldest first. ``conflicts``: paths in both that differ.

    ``diff``: a unified diff against where the pull left its base.
    """

    commits: list[CommitInfo]
    conflicts: list[str]
    diff: str


def find(hub: Hub, repo: Repo, number: int) -> Pull:
    """Raises PullNotFound."""
    with hub.storage.catalogue.read() as tx:
        pull = refs.pull(tx, repo.id, number)
    if pull is None:
        raise PullNotFound(number)
    return pull


def page(
    hub: Hub, repo: Repo, *, open_only: bool | None = None, author: str = "", limit: int, offset: int = 0
) -> tuple[list[Pull], int]:
    """Pulls of a repo, newest first, and how many there are in all."""
    with hub.storage.catalogue.read() as tx:
        found = refs.pulls_of(tx, repo.id, open_only=open_only, author=author, limit=limit, offset=offset)
        return found, refs.count_pulls(tx, repo.id, open_only=open_only, author=author)


def details(hub: Hub, repo: Repo, pull: Pull) -> PullDetails:
    """What merging ``pull`` would bring. A base that is gone leaves everything to be added."""
    git = hub.storage.repositories.open(repo.id)
    head = git.resolve(pull.ref).commit
    try:
        base = git.resolve(pull.base).commit
    except RevisionNotFound:
        return PullDetails([], [], comparison.diff_text(git, None, head, MAX_DIFF))
    parted = comparison.merge_base(git, base, head)
    return PullDetails(
        comparison.added_commits(git, base, head, MAX_COMMITS),
        comparison.conflicts(git, base, head),
        comparison.diff_text(git, parted, head, MAX_DIFF),
    )
