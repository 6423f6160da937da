"""What a commit changed, and what lies between two revisions."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.diff import Diff
from openshelf.domain.repos import Revision
from openshelf.domain.tree import CommitInfo
from openshelf.storage.repositories import GitRepository, comparison, differences, standing
from openshelf.storage.repositories.differences import Bounds
from openshelf.storage.repositories.standing import Distance

FILES_A_PAGE = 50
MAX_COMMITS = 250
_PAGE = Bounds(lines=3000, lines_a_file=1200, file_bytes=1_000_000)
_ONE_FILE = Bounds(lines=20_000, lines_a_file=20_000, file_bytes=4_000_000)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a difference is wanted: files from number ``first`` on, or the one at ``path`` in more detail."""

    first: int = 0
    path: str = ""
    ignore_whitespace: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """From ``base`` to ``head``. ``start`` is the commit that the difference is taken from.

    ``commits`` are those that only the head has, newest first, up to MAX_COMMITS; ``distance`` counts them. ``start``
    is None where the two have no commit in common and what they have changed since is asked for.
    """

    base: Revision
    head: Revision
    start: str | None
    commits: tuple[CommitInfo, ...]
    distance: Distance
    diff: Diff


def of_commit(git: GitRepository, commit: CommitInfo, part: Part) -> Diff:
    """What a commit changed: beside its first parent, or all of its files where it has none."""
    return _diff(git, commit.parents[0] if commit.parents else None, commit.id, part)


def between(git: GitRepository, base: Revision, head: Revision, part: Part, *, since_parting: bool) -> Comparison:
    """The difference of two revisions; ``since_parting`` leaves out what the base alone has changed since."""
    start: str | None = base.commit
    if since_parting:
        start = comparison.merge_base(git, base.commit, head.commit)
    commits = standing.only_in(git, head.commit, [base.commit], MAX_COMMITS)
    away = standing.distance(git, head.commit, base.commit)
    return Comparison(base, head, start, tuple(commits), away, _diff(git, start, head.commit, part))


def _diff(git: GitRepository, old: str | None, new: str, part: Part) -> Diff:
    plan = _ONE_FILE if part.path else _PAGE
    return differences.compare(
        git,
        old,
        new,
        Bounds(plan.lines, plan.lines_a_file, plan.file_bytes, plan.seconds),
        first=part.first,
        limit=FILES_A_PAGE,
        path=part.path or None,
        ignore_whitespace=part.ignore_whitespace,
    )
