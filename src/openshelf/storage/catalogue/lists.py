"""Lists of repos: who may read what, narrowed by facets, tags, owner and words; in order, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from heapq import heappush, heappushpop
from itertools import islice

import sqlalchemy as sa
from pyroaring import BitMap

from openshelf.domain.access import ReadScope
from openshelf.domain.facets import Choice, Facet
from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.storage.catalogue import facets
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.repos import SELECT, from_row, readable
from openshelf.storage.catalogue.schema import accounts, repos

SORT_KEYS = {
    "createdAt": repos.c.created_at.desc(),
    "lastModified": repos.c.updated_at.desc(),
    "downloads": repos.c.downloads.desc(),
    "likes": repos.c.likes.desc(),
    "trendingScore": repos.c.downloads.desc(),
    "name": repos.c.name_key.asc(),
    "size": repos.c.size_bytes.desc(),
}
# Up to so many repos, facets are read from the repos themselves; above, from the largest sets of each facet.
FEW = 150
# How many times as many sets as are shown are looked at, at most.
_TRIED = 8
# Up to so many, a list is sorted; above, the order is walked until enough are found.
_SORTED = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is restricted to; empty values restrict nothing.

    ``tags``: all of these. ``facets``: any value of each facet. ``matching``: only these ``seq`` numbers.
    ``parameters``: from and up to, either of which may be open.
    """

    kind: RepoKind | None = None
    owner: str | None = None
    tags: Sequence[str] = ()
    facets: Choice = field(default_factory=dict)
    matching: Iterable[int] | None = None
    parameters: tuple[int | None, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Readable repos that fit what was wanted, by ``seq``: without the facets, the sets chosen by facet, and all."""

    wanted: Wanted
    scope: ReadScope
    base: BitMap
    chosen: Mapping[Facet, BitMap]
    repos: BitMap

    @property
    def total(self) -> int:
        return len(self.repos)

    def without(self, facet: Facet) -> BitMap:
        """The repos among which the values of ``facet`` are counted: all other choices hold."""
        if facet not in self.chosen:
            return self.repos
        others = (members for other, members in self.chosen.items() if other is not facet)
        return reduce(BitMap.__and__, others, self.base)


def select(tx: Transaction, scope: ReadScope, wanted: Wanted) -> Selection:
    """The repos that ``scope`` may read and ``wanted`` asks for."""
    base = _readable(tx, scope, wanted.kind)
    if wanted.owner is not None:
        owner = tx.scalar(sa.select(accounts.c.id).where(accounts.c.name_key == wanted.owner.lower()))
        base &= facets.load(tx, wanted.kind, facets.OWNER, [owner] if owner else [])
    for tag in wanted.tags:
        base &= facets.load(tx, wanted.kind, facets.TAG, [facets.tag_key(tag)])
    if wanted.matching is not None:
        base &= BitMap(wanted.matching)
    if wanted.parameters is not None:
        base &= _with_parameters(tx, *wanted.parameters)
    chosen = {facet: _chosen(tx, wanted.kind, facet, values) for facet, values in wanted.facets.items() if values}
    return Selection(wanted, scope, base, chosen, reduce(BitMap.__and__, chosen.values(), base))


def page(
    tx: Transaction, selection: Selection, *, sort: str = "lastModified", limit: int, offset: int = 0
) -> list[Repo]:
    """Some of the selected repos in order; repos that are alike by ``sort`` come newest first."""
    order = (SORT_KEYS[sort], repos.c.seq.desc())
    query = sa.select(repos.c.seq).order_by(*order)
    members = selection.repos
    if len(members) <= _SORTED:
        found = list(tx.scalars(query.where(repos.c.seq.in_(list(members))).limit(limit).offset(offset)))
    else:
        if selection.wanted.kind:
            query = query.where(repos.c.kind == selection.wanted.kind.value)
        with tx.execute(query) as every:
            found = list(islice((row[0] for row in every if row[0] in members), offset, offset + limit))
    # The rule is asked once more here: a set that were wrong could miscount, and would show nothing.
    rows = {row.seq: row for row in tx.execute(SELECT.where(repos.c.seq.in_(found), readable(selection.scope)))}
    return [from_row(rows[seq]) for seq in found if seq in rows]


def counts(
    tx: Transaction, selection: Selection, wanted: Sequence[Facet], shown: int
) -> dict[Facet, list[tuple[str, int]]]:
    """Facet to its ``shown`` most used values with how many repos each would leave; chosen values are always there.

    Exact for what is returned. Where much is selected, a value outside the largest sets of its facet may be missed.
    """
    found: dict[Facet, list[tuple[str, int]]] = {}
    few: dict[bytes, dict[str, dict[str, BitMap]]] = {}
    for facet in wanted:
        members = selection.without(facet)
        chosen = _values(tx, facet, selection.wanted.facets.get(facet, ()))
        if len(members) <= FEW:
            key = members.serialize()
            if key not in few:
                few[key] = facets.of_repos(tx, list(members), [each.value for each in wanted])
            numbers = {value: len(repos_of) for value, repos_of in few[key][facet.value].items()}
        else:
            numbers = _most_used(tx, selection, facet.value, members, shown)
        for value in chosen:
            if value not in numbers:
                alone = facets.load(tx, selection.wanted.kind, facet.value, [value])
                numbers[value] = members.intersection_cardinality(alone)
        ranked = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = {value for value, number in ranked[:shown] if number} | set(chosen)
        found[facet] = [(value, number) for value, number in ranked if value in kept]
    if Facet.OWNER in found:
        found[Facet.OWNER] = _named(tx, found[Facet.OWNER])
    return found


def _most_used(tx: Transaction, selection: Selection, facet: str, members: BitMap, shown: int) -> dict[str, int]:
    numbers: dict[str, int] = {}
    best: list[int] = []
    for value, total, repos_of in facets.most_used(tx, selection.wanted.kind, facet, shown * _TRIED):
        # The sets come by size: what follows cannot be among the first any more.
        if len(best) == shown and best[0] >= total:
            break
        number = members.intersection_cardinality(repos_of)
        if number:
            numbers[value] = number
            (heappush if len(best) < shown else heappushpop)(best, number)
    return numbers


def by_kind(tx: Transaction, scope: ReadScope, wanted: Wanted) -> dict[RepoKind, int]:
    """How many repos of each kind there are that fit what was wanted, whatever kind that was."""
    members = select(tx, scope, replace(wanted, kind=None)).repos
    everybody = [each.value for each in Visibility]
    return {
        kind: members.intersection_cardinality(facets.load(tx, kind, facets.VISIBILITY, everybody)) for kind in RepoKind
    }


def most_used_tags(tx: Transaction, scope: ReadScope, kind: RepoKind, limit: int) -> list[str]:
    """Tags of readable repos of ``kind``, in lower case, the most used first."""
    members = _readable(tx, scope, kind)
    sets = facets.most_used(tx, kind, facets.TAG, limit)
    numbers = {tag: members.intersection_cardinality(repos_of) for tag, _, repos_of in sets}
    return sorted((tag for tag, number in numbers.items() if number), key=lambda tag: (-numbers[tag], tag))


def _readable(tx: Transaction, scope: ReadScope, kind: RepoKind | None) -> BitMap:
    """``catalogue.repos.readable`` as a set; a test holds the two together."""
    if scope.everything:
        return facets.load(tx, kind, facets.VISIBILITY, [each.value for each in Visibility])
    found = facets.load(tx, kind, facets.VISIBILITY, [Visibility.PUBLIC.value])
    if scope.owners:
        found |= facets.load(tx, kind, facets.OWNER, scope.owners)
    if scope.repos:
        granted = sa.select(repos.c.seq).where(repos.c.id.in_(sorted(scope.repos)))
        if scope.repo_owners is not None:
            granted = granted.where(repos.c.owner_id.in_(sorted(scope.repo_owners)))
        if kind:
            granted = granted.where(repos.c.kind == kind.value)
        found |= BitMap(tx.scalars(granted))
    return found


def _with_parameters(tx: Transaction, least: int | None, most: int | None) -> BitMap:
    query = sa.select(repos.c.seq).where(repos.c.parameters.is_not(None))
    if least is not None:
        query = query.where(repos.c.parameters >= least)
    if most is not None:
        query = query.where(repos.c.parameters <= most)
    return BitMap(tx.scalars(query))


def _chosen(tx: Transaction, kind: RepoKind | None, facet: Facet, values: Sequence[str]) -> BitMap:
    return facets.load(tx, kind, facet.value, _values(tx, facet, values))


def _values(tx: Transaction, facet: Facet, values: Sequence[str]) -> list[str]:
    """The values as sets are named by: owners by their ids."""
    if facet is not Facet.OWNER or not values:
        return list(values)
    keys = [value.lower() for value in values]
    return list(tx.scalars(sa.select(accounts.c.id).where(accounts.c.name_key.in_(keys))))


def _named(tx: Transaction, owners: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    names = sa.select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_([owner for owner, _ in owners]))
    by_id = {row.id: row.name for row in tx.execute(names)}
    return [(by_id[owner], number) for owner, number in owners if owner in by_id]
