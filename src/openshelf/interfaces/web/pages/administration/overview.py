"""How the hub does, what needs attention, and the switch to read-only mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.responses import Response

from openshelf import __version__
from openshelf.errors import Invalid
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import administration, jobs, scrub, usage
from openshelf.services.usage import HubUsage
from openshelf.storage.jobs import JobState

_LITTLE_ROOM = 0.1
_VERY_LITTLE_ROOM = 0.02


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs an administrator; ``meaning`` is the colour and shape of the notice."""

    meaning: str
    words: str
    address: str


def show(visit: Visit) -> Response:
    return _page(visit, Form())


def switch(visit: Visit, form: Form) -> Response:
    match form.text("action"):
        case "begin":
            with form.blame("reason", Invalid):
                administration.set_read_only(visit.hub, visit.actor, form.text("reason"))
        case "end":
            administration.end_read_only(visit.hub, visit.actor)
        case _:
            raise Invalid("The form does not say what to do; reload the page and send it again.")
    return _page(visit, form, 422) if form.errors else visit.redirect("/administration")


def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    visit.check_signed_in()
    found = usage.of_hub(visit.hub, visit.actor)
    counts = visit.hub.storage.jobs.count()
    state = visit.hub.read_only_switch.state(visit.hub.storage)
    return visit.page(
        "admin_overview.html",
        status=status,
        form=form,
        use=found,
        concerns=_concerns(visit, found, counts[JobState.FAILED]),
        waiting=counts[JobState.WAITING] + counts[JobState.RUNNING] + jobs.count_outbox(visit.hub),
        version=__version__,
        switched=state,
        since=datetime.fromtimestamp(state.since, UTC) if state else None,
        by_setting=visit.hub.settings.read_only,
    )


def _concerns(visit: Visit, found: HubUsage, failed: int) -> list[Concern]:
    concerns = []
    free = found.free_bytes / found.disk_bytes if found.disk_bytes else 1
    if free < _LITTLE_ROOM:
        meaning = "bad" if free < _VERY_LITTLE_ROOM else "caution"
        words = visit.gettext("The disk is nearly full: make room, or uploads will soon be refused.")
        concerns.append(Concern(meaning, words, "/administration/storage"))
    if damaged := sum(scrub.count_damage(visit.hub).values()):
        words = visit.language.ngettext(
            "%(num)s thing that is stored is damaged.", "%(num)s things that are stored are damaged.", damaged
        )
        concerns.append(Concern("bad", words % {"num": damaged}, "/administration/health"))
    if failed:
        words = visit.language.ngettext(
            "%(num)s job in the background failed.", "%(num)s jobs in the background failed.", failed
        )
        concerns.append(Concern("caution", words % {"num": failed}, "/administration/jobs?state=failed"))
    return concerns


routes = [page("/administration", show, switch)]
