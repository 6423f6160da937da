"""What is stored, what deduplication saves, who stores most, and garbage collection."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.errors import Invalid
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import garbage_runs, usage

PAGE = 25
_PLACE = "/administration/storage"


def show(visit: Visit) -> Response:
    visit.check_signed_in()
    number = visit.asked_number("p")
    owners = usage.of_owners(visit.hub, visit.actor, limit=PAGE + 1, offset=number * PAGE)
    visit.check_page(number, owners)
    return visit.page(
        "admin_storage.html",
        use=usage.of_hub(visit.hub, visit.actor),
        owners=owners[:PAGE],
        run=garbage_runs.last(visit.hub),
        grace_days=visit.hub.settings.gc_grace_days,
        default_quota=visit.hub.settings.quota_bytes,
        done=visit.asked("done"),
        previous=addresses.with_query(_PLACE, p=number - 1) if number else "",
        next=addresses.with_query(_PLACE, p=number + 1) if len(owners) > PAGE else "",
    )


def collect(visit: Visit, form: Form) -> Response:
    action = form.text("action")
    if action not in ("look", "run"):
        raise Invalid("The form does not say what to do; reload the page and send it again.")
    garbage_runs.ask(visit.hub, visit.actor, dry_run=action == "look")
    return visit.redirect(f"{_PLACE}?done=asked#garbage")


routes = [page(_PLACE, show, collect)]
