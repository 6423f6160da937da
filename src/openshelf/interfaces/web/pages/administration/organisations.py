"""All organisations of the hub, with what they store and may store."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.people import AccountKind
from openshelf.errors import Invalid
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import usage

PAGE = 50
_PLACE = "/administration/organizations"


def show(visit: Visit) -> Response:
    return _page(visit, Form())


def set_quota(visit: Visit, form: Form) -> Response:
    """For users too: both pages send their forms here."""
    name = visit.part("owner")
    with form.blame("size", Invalid):
        usage.set_quota(visit.hub, visit.actor, name, form.text("size"))
    if form.errors:
        return quota_page(visit, form, 422)
    return visit.redirect(f"{addresses.administration_quota(name)}?done=changed")


def show_quota(visit: Visit) -> Response:
    return quota_page(visit, Form())


def quota_page(visit: Visit, form: Form, status: int = 200) -> Response:
    visit.check_signed_in()
    name = visit.part("owner")
    used = usage.of_account(visit.hub, visit.actor, name)
    return visit.page("admin_quota.html", status=status, form=form, used=used, done=visit.asked("done"))


def _page(visit: Visit, form: Form) -> Response:
    visit.check_signed_in()
    search, number = visit.asked("q")[:100], visit.asked_number("p")
    found = usage.of_owners(
        visit.hub,
        visit.actor,
        kind=AccountKind.ORGANISATION,
        search=search,
        limit=PAGE + 1,
        offset=number * PAGE,
    )
    visit.check_page(number, found)
    return visit.page(
        "admin_organisations.html",
        form=form,
        owners=found[:PAGE],
        search=search,
        previous=addresses.with_query(_PLACE, q=search, p=number - 1) if number else "",
        next=addresses.with_query(_PLACE, q=search, p=number + 1) if len(found) > PAGE else "",
    )


routes = [
    page(_PLACE, show),
    page("/administration/quotas/{owner:segment}", show_quota, set_quota),
]
