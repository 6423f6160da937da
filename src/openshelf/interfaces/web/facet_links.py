"""What was asked of a list, and the links that ask for more or less: facets, chosen values, ways out of nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openshelf.domain.facets import Facet, facets_of, steps
from openshelf.domain.names import RepoKind
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.visit import Visit
from openshelf.interfaces.web.words import Words
from openshelf.services import repos

SHOWN = 8
_MOST_WAYS = 6


@dataclass(frozen=True, slots=True)
class Question:
    """A list as it was asked for. ``fixed_kind`` is that of the address, ``kind`` also one chosen on the page."""

    place: str
    fixed_kind: RepoKind | None
    kind: RepoKind | None
    owner: str | None
    query: str
    tags: tuple[str, ...]
    picked: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    sort: str = "updated"

    @property
    def is_filtered(self) -> bool:
        return bool(self.query or self.tags or self.picked or (self.kind and not self.fixed_kind))

    def facets(self) -> list[Facet]:
        """The facets that can narrow this list."""
        return [facet for facet in facets_of(self.kind) if not (self.owner and facet is Facet.OWNER)]

    def filters(self) -> dict[str, Any]:
        """The same question to ``repos.search_repos``."""
        return {
            "kind": self.kind,
            "query": self.query,
            "owner": self.owner,
            "tags": self.tags,
            "facets": self.picked,
        }

    def fields(self) -> list[tuple[str, str]]:
        """Name and value of what a form must carry on, besides the words and the order."""
        found = [("tag", tag) for tag in self.tags]
        found += [(facet.value, value) for facet, values in self.picked.items() for value in values]
        return found + ([("kind", self.kind.value)] if self.kind and not self.fixed_kind else [])

    def address(self, **more: object) -> str:
        said: dict[str, object] = {
            "q": self.query,
            "kind": self.kind.value if self.kind and not self.fixed_kind else "",
            "tag": list(self.tags),
            **{facet.value: list(values) for facet, values in self.picked.items()},
            "sort": "" if self.sort == "updated" else self.sort,
        }
        return addresses.with_query(self.place, **{**said, **more})

    def toggled(self, facet: Facet, value: str) -> Question:
        """The same question with one value of a facet more, or less where it is chosen."""
        values = self.picked.get(facet, ())
        left = tuple(other for other in values if other != value) if value in values else (*values, value)
        picked = {**self.picked, facet: left}
        return replace(self, picked={each: chosen for each, chosen in picked.items() if chosen})


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet: how it reads, how many repos it leaves, where it leads, and whether it is chosen."""

    text: str
    number: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class FacetView:
    """``more``: where all values are; empty where all are here."""

    facet: Facet
    label: str
    choices: tuple[Choice, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Link:
    """A word, its facet where it has one, and where it leads; ``number`` of repos there, None where not counted."""

    text: str
    address: str
    label: str = ""
    number: int | None = None


def facets(
    visit: Visit, asked: Question, counts: Mapping[Facet, Sequence[tuple[str, int]]], *, everything: bool
) -> list[FacetView]:
    """The facets beside a list, those that have something to choose."""
    words = Words(visit.language)
    found = []
    for facet, numbers in counts.items():
        picked = asked.picked.get(facet, ())
        shown = list(numbers) if everything else _first(numbers, picked)
        order = steps(facet)
        if order:
            shown.sort(key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
        choices = tuple(
            Choice(words.answer(facet, value), number, asked.toggled(facet, value).address(), value in picked)
            for value, number in shown
        )
        more = asked.address(all=facet.value) if len(numbers) > len(shown) else ""
        if choices and (len(choices) > 1 or choices[0].is_chosen or facet not in (Facet.SIZE, Facet.OWNER)):
            found.append(FacetView(facet, words.facet(facet), choices, more))
    return found


def _first(numbers: Sequence[tuple[str, int]], picked: Sequence[str]) -> list[tuple[str, int]]:
    first = list(numbers[:SHOWN])
    return first + [pair for pair in numbers[SHOWN:] if pair[0] in picked]


def chosen(visit: Visit, asked: Question) -> list[Link]:
    """What narrows the list, each with the address of the list without it."""
    return [Link(text, without.address(), label) for text, label, without in _parts(visit, asked)]


def ways_out(visit: Visit, asked: Question) -> list[Link]:
    """Lists that do have something, with one thing less asked for."""
    tried = list(_parts(visit, asked))
    words = asked.query.split()
    if len(words) > 1:
        for word in words:
            rest = " ".join(other for other in words if other != word)
            tried.append((word, visit.gettext("Word"), replace(asked, query=rest)))
    elif words and asked.is_filtered:
        tried.append((asked.query, visit.gettext("Word"), replace(asked, query="")))
    found = []
    for text, label, without in tried[:12]:
        total = repos.search_repos(visit.hub, visit.actor, **without.filters(), limit=0).total
        if total:
            found.append(Link(text, without.address(), label, total))
    return sorted(found, key=lambda link: -(link.number or 0))[:_MOST_WAYS]


def _parts(visit: Visit, asked: Question) -> Iterator[tuple[str, str, Question]]:
    words = Words(visit.language)
    for tag in asked.tags:
        rest = tuple(other for other in asked.tags if other != tag)
        yield tag, visit.gettext("Tag"), replace(asked, tags=rest)
    for facet, values in asked.picked.items():
        for value in values:
            yield words.answer(facet, value), words.facet(facet), asked.toggled(facet, value)
