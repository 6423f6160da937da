"""Sets of repos that have something in common, as compressed bitmaps of their ``seq``.

One row a set: the repos of one kind that give one answer to one facet, carry one tag, belong to one owner, are public
or private. Sets are changed in the transaction that changes a repo, so that counting and choosing among a hundred
thousand repos is a matter of intersecting a few bitmaps (Roaring).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap

from openshelf.domain.names import RepoKind
from openshelf.storage.catalogue.engine import Transaction
from openshelf.storage.catalogue.prepared import Prepared
from openshelf.storage.catalogue.schema import facet_sets, repos

TAG, OWNER, VISIBILITY = "tag", "owner", "visibility"
MAX_VALUE = 255
_BATCH = 200
# Up to so many values are looked up one by one.
_FEW = 4

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """The sets that a repo is in: (facet, value) pairs among those of its kind."""

    kind: str
    seq: int
    keys: frozenset[Key]


_COLUMNS = (repos.c.kind, repos.c.seq, repos.c.owner_id, repos.c.visibility, repos.c.facets, repos.c.tags)
_OF_REPO = sa.select(*_COLUMNS).where(repos.c.id == sa.bindparam("id"))


@contextmanager
def settling(tx: Transaction, repo_id: str) -> Iterator[None]:
    """Around whatever changes a repo's row: takes it out of the sets that it leaves, and into the new ones."""
    before = _place(tx, repo_id)
    yield
    after = _place(tx, repo_id)
    here = after or before
    if here is None:
        return
    old, new = (before.keys if before else frozenset()), (after.keys if after else frozenset())
    _change(tx, here.kind, here.seq, leave=old - new, join=new - old)


def tag_key(tag: str) -> str:
    """How a tag is compared: in lower case, and by its beginning where it is long."""
    return tag.lower()[:MAX_VALUE]


def load(tx: Transaction, kind: RepoKind | None, facet: str, values: Iterable[str]) -> BitMap:
    """The repos in any of these sets."""
    wanted = sorted(set(values))
    kinds = [kind] if kind else list(RepoKind)
    if len(wanted) <= _FEW:
        keys = [{"kind": each.value, "facet": facet, "value": value} for each in kinds for value in wanted]
        rows = [row for key in keys if (row := _ONE.one_or_none(tx, **key))]
    else:
        query = sa.select(facet_sets.c.repos).where(facet_sets.c.facet == facet, facet_sets.c.value.in_(wanted))
        rows = list(tx.execute(query.where(facet_sets.c.kind.in_([each.value for each in kinds]))))
    return BitMap.union(BitMap(), *(BitMap.deserialize(row.repos) for row in rows))


def most_used(tx: Transaction, kind: RepoKind | None, facet: str, limit: int) -> Iterator[tuple[str, int, BitMap]]:
    """Value, size and repos of the largest sets of a facet, the largest first; stop as soon as there are enough."""
    if kind:
        for row in _LARGEST.all(tx, kind=kind.value, facet=facet, limit=limit):
            yield row.value, row.total, BitMap.deserialize(row.repos)
        return
    # The largest of each kind, so that the larger kinds do not hide the others.
    sets: dict[str, BitMap] = {}
    for each in RepoKind:
        for row in _LARGEST.all(tx, kind=each.value, facet=facet, limit=limit // 3):
            repos_of = BitMap.deserialize(row.repos)
            sets[row.value] = sets[row.value] | repos_of if row.value in sets else repos_of
    for value, repos_of in sorted(sets.items(), key=lambda pair: -len(pair[1])):
        yield value, len(repos_of), repos_of


_ONE = Prepared(
    sa.select(facet_sets.c.repos).where(
        facet_sets.c.kind == sa.bindparam("kind"),
        facet_sets.c.facet == sa.bindparam("facet"),
        facet_sets.c.value == sa.bindparam("value"),
    )
)
_LARGEST = Prepared(
    sa.select(facet_sets.c.value, facet_sets.c.total, facet_sets.c.repos)
    .where(facet_sets.c.kind == sa.bindparam("kind"), facet_sets.c.facet == sa.bindparam("facet"))
    .order_by(facet_sets.c.total.desc(), facet_sets.c.value)
    .limit(sa.bindparam("limit"))
)


def of_repos(tx: Transaction, seqs: Sequence[int], facets: Iterable[str]) -> dict[str, dict[str, BitMap]]:
    """Facet to value to repos among ``seqs``, which should be few: every value, read from the repos themselves."""
    found: dict[str, dict[str, BitMap]] = {facet: defaultdict(BitMap) for facet in facets}
    for row in tx.execute(sa.select(*_COLUMNS).where(repos.c.seq.in_(list(seqs)))):
        for facet, value in _keys(row):
            if facet in found:
                found[facet][value].add(row.seq)
    return found


def rebuild(tx: Transaction) -> None:
    """Make every set anew from the rows of the repos: for migrations and repairs."""
    sets: dict[tuple[str, str, str], BitMap] = defaultdict(BitMap)
    for row in tx.execute(sa.select(*_COLUMNS).execution_options(yield_per=1000)):
        for facet, value in _keys(row):
            sets[(row.kind, facet, value)].add(row.seq)
    tx.execute(facet_sets.delete())
    rows = [_row(kind, facet, value, members) for (kind, facet, value), members in sorted(sets.items())]
    for start in range(0, len(rows), _BATCH):
        tx.execute(facet_sets.insert(), rows[start : start + _BATCH])


def differing(tx: Transaction) -> int:
    """How many sets differ from what the rows of the repos say."""
    expected: dict[tuple[str, str, str], BitMap] = defaultdict(BitMap)
    for row in tx.execute(sa.select(*_COLUMNS).execution_options(yield_per=1000)):
        for facet, value in _keys(row):
            expected[(row.kind, facet, value)].add(row.seq)
    wrong = 0
    for row in tx.execute(sa.select(facet_sets).execution_options(yield_per=1000)):
        members = expected.pop((row.kind, row.facet, row.value), BitMap())
        wrong += members != BitMap.deserialize(row.repos) or row.total != len(members)
    return wrong + len(expected)


def _place(tx: Transaction, repo_id: str) -> Place | None:
    row = tx.execute(_OF_REPO, {"id": repo_id}).one_or_none()
    return Place(row.kind, row.seq, frozenset(_keys(row))) if row else None


def _keys(row: Any) -> Iterator[Key]:
    yield OWNER, row.owner_id
    yield VISIBILITY, row.visibility
    for tag in row.tags:
        yield TAG, tag_key(tag)
    facets: Mapping[str, Sequence[str]] = row.facets
    for facet, values in facets.items():
        for value in values:
            yield facet, value[:MAX_VALUE]


def _change(tx: Transaction, kind: str, seq: int, *, leave: Iterable[Key], join: Iterable[Key]) -> None:
    leaving, joining = sorted(leave), sorted(join)
    known = _sets(tx, kind, [*leaving, *joining])
    changed: dict[Key, BitMap] = {}
    for key in leaving:
        if key in known:
            changed[key] = known[key]
            known[key].discard(seq)
    for key in joining:
        changed[key] = known.get(key, BitMap())
        changed[key].add(seq)
    empty = [key for key, members in changed.items() if not members and key in known]
    fresh = [_row(kind, *key, members) for key, members in changed.items() if members and key not in known]
    grown = [_row(kind, *key, members) for key, members in changed.items() if members and key in known]
    if fresh:
        tx.execute(facet_sets.insert(), fresh)
    if grown:
        tx.execute(_UPDATE, [{f"b_{name}": value for name, value in row.items()} for row in grown])
    if empty:
        tx.execute(_DELETE, [{"b_kind": kind, "b_facet": facet, "b_value": value} for facet, value in empty])


_HERE = sa.and_(
    facet_sets.c.kind == sa.bindparam("b_kind"),
    facet_sets.c.facet == sa.bindparam("b_facet"),
    facet_sets.c.value == sa.bindparam("b_value"),
)
_UPDATE = facet_sets.update().where(_HERE).values(total=sa.bindparam("b_total"), repos=sa.bindparam("b_repos"))
_DELETE = facet_sets.delete().where(_HERE)


def _sets(tx: Transaction, kind: str, keys: Sequence[Key]) -> dict[Key, BitMap]:
    found = {}
    for start in range(0, len(keys), _BATCH):
        wanted = sa.tuple_(facet_sets.c.facet, facet_sets.c.value).in_(keys[start : start + _BATCH])
        query = sa.select(facet_sets.c.facet, facet_sets.c.value, facet_sets.c.repos)
        for row in tx.execute(query.where(facet_sets.c.kind == kind, wanted)):
            found[(row.facet, row.value)] = BitMap.deserialize(row.repos)
    return found


def _row(kind: str, facet: str, value: str, members: BitMap) -> dict[str, Any]:
    return {"kind": kind, "facet": facet, "value": value, "total": len(members), "repos": members.serialize()}
