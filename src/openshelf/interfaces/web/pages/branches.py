"""Branches and tags: where they stand, new ones, and taking them away."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.access import Access
from openshelf.domain.repos import DEFAULT_BRANCH, Repo
from openshelf.errors import AlreadyExists, Invalid, InvalidName, RevisionNotFound
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice
from openshelf.interfaces.web.visit import Visit
from openshelf.services import branches, refs

PAGE = 50
_MOST_PAGES = 2000


def show(visit: Visit, repo: Repo) -> Response:
    start = visit.asked("from", DEFAULT_BRANCH)
    return _page(visit, repo, Form(start=start), Form(start=start))


def to_branches(visit: Visit, repo: Repo) -> Response:
    """For those who reload the answer to a form."""
    return visit.redirect(addresses.branches(repo))


def create_branch(visit: Visit, repo: Repo, form: Form) -> Response:
    with form.blame("name", InvalidName, AlreadyExists), form.blame("start", RevisionNotFound):
        refs.create_branch(visit.hub, visit.actor, repo, form.text("name"), form.text("start") or None)
    if form.errors:
        _explain(visit, form)
        return _page(visit, repo, form, Form(start=DEFAULT_BRANCH), 422)
    return visit.redirect(addresses.with_query(addresses.branches(repo), done="branch"))


def create_tag(visit: Visit, repo: Repo, form: Form) -> Response:
    with (
        form.blame("name", InvalidName, AlreadyExists),
        form.blame("start", RevisionNotFound),
        form.blame("message", Invalid),
    ):
        start = form.text("start") or DEFAULT_BRANCH
        refs.create_tag(visit.hub, visit.actor, repo, form.text("name"), start, form.text("message"))
    if form.errors:
        _explain(visit, form)
        return _page(visit, repo, Form(start=DEFAULT_BRANCH), form, 422, asks_tag=True)
    return visit.redirect(addresses.with_query(addresses.branches(repo), done="tag"))


def ask_delete(visit: Visit, repo: Repo) -> Response:
    """What goes with a branch or tag. Raises RevisionNotFound."""
    return _delete_page(visit, repo, visit.asked("ref"), Form())


def delete(visit: Visit, repo: Repo, form: Form) -> Response:
    name = form.text("ref")
    lost = branches.loss(visit.hub, repo, name)
    if lost.number and form.text("typed") != lost.standing.ref.short:
        text = visit.gettext("Type the whole name, %(name)s, to delete it.")
        form.fail("typed", text % {"name": lost.standing.ref.short})
        return _delete_page(visit, repo, name, form, 422)
    remove = refs.delete_tag if lost.standing.is_tag else refs.delete_branch
    remove(visit.hub, visit.actor, repo, lost.standing.ref.short)
    return visit.redirect(addresses.with_query(addresses.branches(repo), done="deleted"))


def _explain(visit: Visit, form: Form) -> None:
    if "start" in form.errors:
        text = visit.gettext("There is no branch, tag or commit called %(name)s here; choose another.")
        form.errors["start"] = text % {"name": form.text("start")}


def _delete_page(visit: Visit, repo: Repo, name: str, form: Form, status: int = 200) -> Response:
    lost = branches.loss(visit.hub, repo, name)
    return visit.page("branch_delete.html", status=status, **frame(visit, repo, "versions"), lost=lost, form=form)


def _page(
    visit: Visit, repo: Repo, branch_form: Form, tag_form: Form, status: int = 200, *, asks_tag: bool = False
) -> Response:
    number, tag_number = visit.asked_number("p", most=_MOST_PAGES), visit.asked_number("t", most=_MOST_PAGES)
    found = branches.overview(visit.hub, repo, branches_from=number * PAGE, tags_from=tag_number * PAGE, limit=PAGE)
    place = addresses.branches(repo)
    return visit.page(
        "branches.html",
        status=status,
        **frame(visit, repo, "versions"),
        found=found,
        branch_form=branch_form,
        tag_form=tag_form,
        asks_branch=bool(branch_form.errors) or bool(visit.asked("from")),
        asks_tag=asks_tag,
        refs=ref_choice(visit, repo),
        done=visit.asked("done"),
        previous=addresses.with_query(place, p=number - 1, t=tag_number) if number else "",
        next=addresses.with_query(place, p=number + 1, t=tag_number) if _more(found.all_branches, number) else "",
        previous_tags=addresses.with_query(place, p=number, t=tag_number - 1) if tag_number else "",
        next_tags=addresses.with_query(place, p=number, t=tag_number + 1) if _more(found.all_tags, tag_number) else "",
    )


def _more(total: int, page: int) -> bool:
    return total > (page + 1) * PAGE


routes = [
    *pages("/branches", show),
    *pages("/branches/new", to_branches, create_branch, need=Access.WRITE),
    *pages("/branches/new-tag", to_branches, create_tag, need=Access.WRITE),
    *pages("/branches/delete", ask_delete, delete, need=Access.WRITE),
]
