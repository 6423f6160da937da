"""Two revisions beside each other: the commits that one has and the other has not, and what differs."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from openshelf.domain.repos import DEFAULT_BRANCH, Repo, Revision
from openshelf.errors import RevisionNotFound
from openshelf.interfaces.web import addresses, diff_view
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.history import by_day, rows
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice
from openshelf.interfaces.web.visit import Visit
from openshelf.services import differences, fetch

SHOWN_COMMITS = 50


def choose(visit: Visit, repo: Repo) -> Response:
    """The form for two revisions, which leads to the address of their difference."""
    base, head = visit.asked("base"), visit.asked("head")
    form = Form(base=base or DEFAULT_BRANCH, head=head, exact="yes" if visit.asked("exact") else "")
    if not base and not head:
        return _page(visit, repo, form)
    for name, asked in (("base", base), ("head", head)):
        _resolve(visit, repo, form, name, asked)
    if form.errors:
        return _page(visit, repo, form, 422)
    return visit.redirect(addresses.compare(repo, base, head, since_parting=not visit.asked("exact")))


def show(visit: Visit, repo: Repo) -> Response:
    """``BASE...HEAD`` is what the head has changed since the two parted, ``BASE..HEAD`` all that differs."""
    spec = visit.part("spec")
    since_parting = "..." in spec
    base, _, head = spec.partition("..." if since_parting else "..")
    form = Form(base=base, head=head, exact="" if since_parting else "yes")
    one, other = _resolve(visit, repo, form, "base", base), _resolve(visit, repo, form, "head", head)
    if one is None or other is None:
        return _page(visit, repo, form, 404)
    git, _ = fetch.revision(visit.hub, repo, base)
    part = diff_view.part(visit)
    found = differences.between(git, one, other, part, since_parting=since_parting)
    place = addresses.compare(repo, base, head, since_parting=since_parting)
    view = diff_view.show(visit, repo, found.diff, part, found.start, other.commit, place)
    days = list(by_day(rows(visit, found.commits[:SHOWN_COMMITS])))
    return _page(visit, repo, form, found=found, view=view, days=days, shown=SHOWN_COMMITS)


def _resolve(visit: Visit, repo: Repo, form: Form, name: str, asked: str) -> Revision | None:
    try:
        return fetch.revision(visit.hub, repo, asked)[1]
    except RevisionNotFound:
        text = visit.gettext("There is no branch, tag or commit called %(name)s here; choose another.")
        form.fail(name, text % {"name": asked or "…"})
        return None


def _page(visit: Visit, repo: Repo, form: Form, status: int = 200, **values: Any) -> Response:
    about: dict[str, Any] = {"found": None, "view": None, "days": [], "shown": SHOWN_COMMITS, **values}
    return visit.page(
        "compare.html",
        status=status,
        **frame(visit, repo, "versions"),
        form=form,
        refs=ref_choice(visit, repo),
        **about,
    )


routes = [
    *pages("/compare", choose),
    *pages("/compare/{spec:segment}", show),
]
