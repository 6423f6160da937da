"""What stands beside a card: where a repo comes from, what was made from it, its licence file, its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openshelf.domain.facets import Facet
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import EntryNotFound, InvalidName, RepoNotFound, RevisionNotFound
from openshelf.services import fetch, repos
from openshelf.services.hub import Hub

LICENCE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENCE.md", "LICENCE.txt", "COPYING")
MOST_RELATED = 12
MOST_MADE = 5
MAX_RESULTS = 200


@dataclass(frozen=True, slots=True)
class Made:
    """Repos that say they were made from this one: how many an actor may read, and those changed last."""

    kind: RepoKind
    total: int
    latest: tuple[Repo, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One figure of an evaluation, as the card gives it."""

    task: str
    dataset: str
    metric: str
    value: str
    source: str = ""


def here(hub: Hub, actor: Actor, repo: Repo) -> set[tuple[RepoKind, str]]:
    """Those base models and datasets of a card that are on this hub, for this actor."""
    found = set()
    for kind, key in ((RepoKind.MODEL, "base_models"), (RepoKind.DATASET, "datasets")):
        for name in repo.facts.get(key, ())[:MOST_RELATED]:
            try:
                repos.find(hub, actor, kind, RepoId.parse(str(name)))
            except (InvalidName, RepoNotFound):
                continue
            found.add((kind, str(name)))
    return found


def made_from(hub: Hub, actor: Actor, repo: Repo) -> Made | None:
    """The models made from a model, or trained on a dataset; None where there are none."""
    facet = {RepoKind.MODEL: Facet.BASE_MODEL, RepoKind.DATASET: Facet.DATASET}.get(repo.kind)
    if facet is None:
        return None
    chosen = {facet: [repo.full_name]}
    page = repos.search_repos(hub, actor, kind=RepoKind.MODEL, facets=chosen, limit=MOST_MADE)
    return Made(RepoKind.MODEL, page.total, tuple(page.repos)) if page.total else None


def licence_file(hub: Hub, repo: Repo) -> str:
    """The path of the licence text at the head of the default branch; empty where there is none."""
    if repo.head is None:
        return ""
    try:
        git, revision = fetch.revision(hub, repo, repo.head)
        found = git.some_entries(revision.commit, LICENCE_FILES)
    except (RevisionNotFound, EntryNotFound):
        return ""
    return next((path for path in LICENCE_FILES if path in found and not found[path].is_folder), "")


def results(repo: Repo) -> list[Result]:
    """The figures in the ``model-index`` of a card, as far as they have the usual shape."""
    card = repo.facts.get("cardData")
    index = card.get("model-index") if isinstance(card, Mapping) else None
    found: list[Result] = []
    for model in index if isinstance(index, list) else ():
        for entry in _list(model, "results"):
            for metric in _list(entry, "metrics"):
                if isinstance(metric, Mapping) and "value" in metric and len(found) < MAX_RESULTS:
                    found.append(
                        Result(
                            _name(entry.get("task")),
                            _name(entry.get("dataset")),
                            _name(metric),
                            _figure(metric["value"]),
                            _name(entry.get("source")),
                        )
                    )
    return found


def _list(value: Any, key: str) -> list[Any]:
    items = value.get(key) if isinstance(value, Mapping) else None
    return items if isinstance(items, list) else []


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    return str(value.get("name") or value.get("type") or "")[:200]


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)[:60]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
