"""One file: what is known of it, and what is in it, by a viewer made for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from openshelf.analysis.cards import front_matter, highlighting, markdown
from openshelf.analysis.files import sniffing
from openshelf.analysis.files.notebooks import Notebook, Output
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import Entry
from openshelf.interfaces.web import addresses, card, histogram, json_html, source
from openshelf.interfaces.web.pages.files import crumbs_of
from openshelf.interfaces.web.pages.repo_frame import frame, pages, revision
from openshelf.interfaces.web.visit import Visit
from openshelf.services import arrivals, fetch, file_view, trees
from openshelf.services.arrivals import Arrival
from openshelf.services.file_view import FileView

TENSORS = 500
SOURCE = "source"
_MOST_PAGES = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """The file of a page: where it lies, and what shows it."""

    visit: Visit
    repo: Repo
    revision: Revision
    entry: Entry
    view: FileView
    number: int

    @property
    def address(self) -> str:
        return addresses.blob(self.repo, self.revision.asked, self.entry.path)

    @property
    def folder(self) -> str:
        return self.entry.path.rpartition("/")[0]

    def turned(self, by: int) -> str:
        return addresses.with_query(self.address, p=self.number + by)


def show(visit: Visit, repo: Repo) -> Response:
    path = visit.part("path")
    git, found = revision(visit, repo)
    entry = git.entry(found.commit, path)
    if entry.is_folder:
        return visit.redirect(addresses.tree(repo, found.asked, path))
    number = visit.asked_number("p", most=_MOST_PAGES)
    wants_source = visit.asked("view") == SOURCE
    content = fetch.content(visit.hub, repo, git, entry)
    view = file_view.view(visit.hub, entry, content, as_source=wants_source, first=number * file_view.ROWS)
    place = Place(visit, repo, found, entry, view, number)
    return visit.page(
        "blob.html",
        **frame(visit, repo, "files", found.asked),
        revision=found,
        entry=entry,
        arrival=_arrival(visit, repo, entry),
        commit=trees.last_commits(git, found.commit, [entry]).get(entry.path),
        crumbs=list(crumbs_of(repo, found.asked, path)),
        view=view,
        claimed=view.sniffed.claimed,
        has_two_views=file_view.is_text(view.kind) and view.kind is not sniffing.TEXT,
        wants_source=wants_source or (view.view == "text" and view.kind is not sniffing.TEXT),
        here_address=place.address,
        permalink=addresses.blob(repo, found.commit, path),
        on_branch=found.asked != found.commit,
        base_url=visit.base_url,
        **{"source": None} | _PREPARED.get(view.view, _nothing)(place),
    )


def _arrival(visit: Visit, repo: Repo, entry: Entry) -> Arrival | None:
    """How a file outside git is kept, and what of it was stored already when it came."""
    return arrivals.find(visit.hub, repo, [entry.blob.sha256]).get(entry.blob.sha256) if entry.blob else None


def _nothing(place: Place) -> dict[str, Any]:
    return {}


def _text(place: Place) -> dict[str, Any]:
    text = place.view.text
    assert text is not None
    more = place.visit.gettext("the rest of this line is not shown")
    return {"source": source.laid_out(text.text, place.entry.etag, place.entry.name, more)}


def _markdown(place: Place) -> dict[str, Any]:
    body = front_matter.split(place.view.value.encode("utf-8", "replace")).body
    return {"html": card.render(place.repo, body, place.revision.asked, place.folder)}


def _json(place: Place) -> dict[str, Any]:
    return {"html": json_html.render(place.view.value, place.visit.language)}


def _table(place: Place) -> dict[str, Any]:
    table = place.view.value
    return {
        "bars": [histogram.bars(column.bins) for column in table.columns],
        "previous": place.turned(-1) if place.number else "",
        "next": place.turned(1) if table.has_more else "",
    }


def _tensors(place: Place) -> dict[str, Any]:
    tensors: Sequence[object] = place.view.value.tensors
    number = min(place.number, max(0, len(tensors) - 1) // TENSORS)
    return {
        "tensors": tensors[number * TENSORS : (number + 1) * TENSORS],
        "first": number * TENSORS,
        "previous": addresses.with_query(place.address, p=number - 1) if number else "",
        "next": addresses.with_query(place.address, p=number + 1) if len(tensors) > (number + 1) * TENSORS else "",
    }


def _shards(place: Place) -> dict[str, Any]:
    folder = f"{place.folder}/" if place.folder else ""
    shards = [
        (name, addresses.blob(place.repo, place.revision.asked, folder + name), count)
        for name, count in place.view.value.shards[:TENSORS]
    ]
    return {"shards": shards}


def _notebook(place: Place) -> dict[str, Any]:
    book: Notebook = place.view.value
    return {
        "cells": [
            (
                cell,
                _rich(place, cell.source) if cell.kind == "markdown" else _code(cell.source, book.language),
                [(output, _html(place, output) if output.kind == "html" else Markup()) for output in cell.outputs],
            )
            for cell in book.cells
        ]
    }


def _rich(place: Place, text: str) -> Markup:
    return card.render(place.repo, text, place.revision.asked, place.folder)


def _code(text: str, language: str) -> Markup | str:
    done = highlighting.highlight_code(text, language)
    return Markup(done) if done is not None else text  # noqa: S704 - made safe there


def _html(place: Place, output: Output) -> Markup:
    def nowhere(_written: str) -> str:
        return ""

    return Markup(markdown.clean_html(output.text, link=nowhere, image=nowhere))  # noqa: S704 - made safe there


_PREPARED: dict[str, Callable[[Place], dict[str, Any]]] = {
    "text": _text,
    "markdown": _markdown,
    "json": _json,
    "table": _table,
    "safetensors": _tensors,
    "gguf": _tensors,
    "shards": _shards,
    "notebook": _notebook,
}

routes = [*pages("/blob/{rev:segment}/{path:rest}", show)]
