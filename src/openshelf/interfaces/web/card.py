"""The card of a repo as HTML: README.md of the default branch, with links that lead to this hub's pages."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote

from markupsafe import Markup

from openshelf.analysis.cards import front_matter, markdown
from openshelf.analysis.cards.outline import Heading, outline
from openshelf.domain.repos import DEFAULT_BRANCH, Repo
from openshelf.errors import EntryNotFound, RevisionNotFound
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.shown_cache import ShownCache
from openshelf.services import fetch
from openshelf.services.describe import MAX_CARD_BYTES
from openshelf.services.hub import Hub

FILE = "README.md"


@dataclass(frozen=True, slots=True)
class CardPage:
    """``html`` is safe and may be empty; ``problem`` says why the facts on top could not be read.

    ``headings``: the table of contents.
    """

    html: Markup = Markup()
    problem: str = ""
    is_too_large: bool = False
    headings: tuple[Heading, ...] = ()


def read_card(hub: Hub, repo: Repo) -> CardPage:
    """The card at the head of the default branch. Raises nothing for a card that is missing or broken."""
    try:
        git, revision = fetch.revision(hub, repo, DEFAULT_BRANCH)
        entry = git.entry(revision.commit, FILE)
    except (RevisionNotFound, EntryNotFound):
        return CardPage()
    key = (repo.id, repo.url_path, entry.oid)
    if known := _cache.get(key):
        return known
    content = git.read_path(revision.commit, FILE, MAX_CARD_BYTES)
    if content is None:
        return CardPage(is_too_large=not entry.is_folder)
    card = front_matter.split(content)
    fatal = next((f"{FILE}, line {found.line}: {found.text}." for found in card.problems if found.fatal), "")
    headings, html = outline(render(repo, card.body))
    page = CardPage(Markup(html), fatal, headings=headings)  # noqa: S704 - made safe by render
    _cache.keep(key, page)
    return page


# By repo, name and the git id of the card's text.
_cache = ShownCache[CardPage](4_000_000)


def render(repo: Repo, body: str, revision: str = DEFAULT_BRANCH, folder: str = "") -> Markup:
    """``body`` as HTML; its relative links lead to pages at ``revision``, its relative images to bytes there.

    ``folder``: where in the repo the text lies.
    """

    def link(written: str) -> str:
        path, mark, fragment = _in_repo(written, folder)
        return path if path.startswith("/") else addresses.blob(repo, revision, path) + mark + fragment

    def image(written: str) -> str:
        path, _, _ = _in_repo(written, folder)
        return path if path.startswith("/") else addresses.resolve(repo, revision, path)

    return Markup(markdown.render(body, link=link, image=image))  # noqa: S704 - made safe there


def _in_repo(written: str, folder: str) -> tuple[str, str, str]:
    """The path in the repo that a relative address means, and its fragment; a path with a slash in front is kept."""
    place, mark, fragment = written.partition("#")
    path = place.partition("?")[0]
    if path.startswith("/"):
        return written, "", ""
    path = posixpath.normpath(f"/{folder}/{unquote(path)}").lstrip("/")
    return path, mark, fragment
