"""The first page of a repo: its card, the facts beside it, and how to use it."""

from __future__ import annotations

from itertools import islice

from starlette.responses import Response

from openshelf.domain.repos import Repo
from openshelf.interfaces.web import addresses, snippets
from openshelf.interfaces.web.card import read_card
from openshelf.interfaces.web.pages.repo_frame import frame, pages
from openshelf.interfaces.web.sparkline import sparkline
from openshelf.interfaces.web.visit import Visit
from openshelf.services import card_facts, downloads, fetch

_MOST_FILES = 300


def show(visit: Visit, repo: Repo) -> Response:
    hub = visit.hub
    licence = card_facts.licence_file(hub, repo)
    weekly = downloads.by_week(hub, repo)
    return visit.page(
        "repo.html",
        **frame(visit, repo, "card"),
        card=read_card(hub, repo),
        snippets=snippets.of(repo, visit.base_url, _files(visit, repo)),
        upload=snippets.upload(repo, visit.base_url),
        base_url=visit.base_url,
        related={f"/{kind.url_prefix}{name}" for kind, name in card_facts.here(hub, visit.actor, repo)},
        made=card_facts.made_from(hub, visit.actor, repo),
        results=card_facts.results(repo),
        licence_file=addresses.blob(repo, "main", licence) if licence else "",
        dtypes=_dtypes(repo),
        weekly=sparkline(weekly, visit.gettext("Downloads of the last 12 weeks: %s") % ", ".join(map(str, weekly))),
    )


def _files(visit: Visit, repo: Repo) -> list[str]:
    """Paths of files in the top folder, as examples."""
    if repo.head is None:
        return []
    git, revision = fetch.revision(visit.hub, repo, repo.head)
    return [entry.path for entry in islice(git.entries(revision.commit), _MOST_FILES) if not entry.is_folder]


def _dtypes(repo: Repo) -> list[tuple[str, int]]:
    """Dtype to number of parameters, the most first."""
    known = repo.facts.get("safetensors") or repo.facts.get("weights")
    numbers = known.get("parameters", {}) if isinstance(known, dict) else {}
    return sorted(numbers.items(), key=lambda pair: -pair[1])[:6]


routes = pages("", show)
