"""The administrators' pages: one module a page, one frame around all of them."""

from __future__ import annotations

from openshelf.interfaces.web.pages.administration import health, jobs, organisations, overview, storage, users

routes = [
    *overview.routes,
    *users.routes,
    *organisations.routes,
    *storage.routes,
    *jobs.routes,
    *health.routes,
]
