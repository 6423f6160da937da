"""A repo's own pages: its card, a new one, and its settings."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.repos import Repo
from openshelf.errors import InvalidName, RepoNotFound
from openshelf.interfaces.web import snippets
from openshelf.interfaces.web.card import read_card
from openshelf.interfaces.web.pages.repo_frame import frame, pages
from openshelf.interfaces.web.visit import Visit
from openshelf.services import repos

_MOST_RELATED = 12


def show(visit: Visit, repo: Repo) -> Response:
    card = read_card(visit.hub, repo)
    return visit.page(
        "repo.html",
        **frame(visit, repo, "card"),
        card=card,
        snippets=snippets.of(repo, visit.base_url),
        upload=snippets.upload(repo, visit.base_url),
        base_url=visit.base_url,
        related=_related(visit, repo),
    )


def _related(visit: Visit, repo: Repo) -> set[str]:
    """The addresses of those base models and datasets of a card that are on this hub, for this visitor."""
    found = set()
    for kind, key in ((RepoKind.MODEL, "base_models"), (RepoKind.DATASET, "datasets")):
        for name in repo.facts.get(key, ())[:_MOST_RELATED]:
            try:
                repos.find(visit.hub, visit.actor, kind, RepoId.parse(str(name)))
            except (InvalidName, RepoNotFound):
                continue
            found.add(f"/{kind.url_prefix}{name}")
    return found


routes = pages("", show)
