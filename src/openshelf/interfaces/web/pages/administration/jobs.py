"""Work in the background: what waits, runs and failed; trying again and taking back."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.errors import Invalid, NotFound
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import administration, jobs
from openshelf.storage.jobs import JobState

PAGE = 50
_MOST = 1000
_PLACE = "/administration/jobs"


def show(visit: Visit) -> Response:
    visit.check_signed_in()
    administration.check(visit.actor)
    state = _state(visit.asked("state"))
    number = visit.asked_number("p", most=_MOST // PAGE)
    found = visit.hub.storage.jobs.list([state] if state else (), limit=(number + 1) * PAGE + 1)[number * PAGE :]
    asked = state.value if state else ""
    visit.check_page(number, found)
    return visit.page(
        "admin_jobs.html",
        jobs=found[:PAGE],
        state=asked,
        counts=visit.hub.storage.jobs.count(),
        outbox=jobs.count_outbox(visit.hub),
        done=visit.asked("done"),
        runs_here=visit.hub.settings.embedded_worker,
        previous=addresses.with_query(_PLACE, state=asked, p=number - 1) if number else "",
        next=addresses.with_query(_PLACE, state=asked, p=number + 1) if len(found) > PAGE else "",
    )


def change(visit: Visit, form: Form) -> Response:
    administration.check(visit.actor)
    visit.hub.check_writable()
    match form.text("action"):
        case "retry":
            jobs.retry(visit.hub, form.text("job"))
        case "cancel":
            jobs.cancel(visit.hub, form.text("job"))
        case "retry-all":
            for job in visit.hub.storage.jobs.list([JobState.FAILED], limit=_MOST):
                jobs.retry(visit.hub, job.id)
        case _:
            raise Invalid("The form does not say what to do; reload the page and send it again.")
    return visit.redirect(addresses.with_query(_PLACE, state=form.text("state"), done="asked"))


def _state(text: str) -> JobState | None:
    if not text:
        return None
    try:
        return JobState(text)
    except ValueError:
        raise NotFound("Jobs wait, run, are done, failed or were cancelled; there is no other state.") from None


routes = [page(_PLACE, show, change)]
