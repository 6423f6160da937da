"""What ``openshelf doctor`` says of the installation, and what the scrub has found."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import Response

from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import administration, doctor, scrub


def show(visit: Visit) -> Response:
    visit.check_signed_in()
    administration.check(visit.actor)
    last = scrub.last_pass(visit.hub)
    return visit.page(
        "admin_health.html",
        findings=sorted(doctor.examine(visit.hub.settings), key=lambda finding: _ORDER[finding.state]),
        damages=scrub.known_damage(visit.hub),
        last=last,
        finished=datetime.fromtimestamp(last.finished_at, UTC) if last and last.finished_at else None,
    )


_ORDER = {doctor.State.PROBLEM: 0, doctor.State.WARNING: 1, doctor.State.OK: 2}

routes = [page("/administration/health", show)]
