"""All pages, in the order in which their addresses are tried. They come after every other route of the hub."""

from __future__ import annotations

from starlette.routing import BaseRoute

from openshelf.interfaces.web import assets
from openshelf.interfaces.web.pages import (
    account,
    administration,
    branches,
    compare,
    design,
    file,
    files,
    history,
    home,
    lists,
    organisations,
    reference,
    repos,
    sessions,
    tokens,
)
from openshelf.interfaces.web.pages.writing import edit, new_repo, remove, settings, upload

routes: list[BaseRoute] = [
    *assets.routes,
    *home.routes,
    *new_repo.routes,
    *sessions.routes,
    *account.routes,
    *tokens.routes,
    *organisations.routes,
    *administration.routes,
    *reference.routes,
    *design.routes,
    *lists.routes,
    # From here on the first part of an address is an owner's name, or a kind and then an owner's name.
    *edit.routes,
    *remove.routes,
    *upload.routes,
    *settings.routes,
    *file.routes,
    *files.routes,
    *history.routes,
    *compare.routes,
    *branches.routes,
    *repos.routes,
    *lists.owner_routes,
]
