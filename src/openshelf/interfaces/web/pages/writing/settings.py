"""The settings of a repo: who reads it, what it is called, whose it is, what it takes, and its end."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.access import Access, access_to, may_administer_hub
from openshelf.domain.names import RepoId
from openshelf.domain.people import AccountKind
from openshelf.domain.repos import Repo, Visibility
from openshelf.errors import AccountNotFound, AlreadyExists, Forbidden, InvalidName
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.repo_frame import frame, pages
from openshelf.interfaces.web.pages.writing.new_repo import owners_of, visibility_of
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, quotas, repos

ACTS = ("visibility", "name", "owner", "delete")


def show(visit: Visit, repo: Repo) -> Response:
    return _page(visit, repo)


def to_settings(visit: Visit, repo: Repo) -> Response:
    """For those who reload the answer to a form."""
    return visit.redirect(_place(repo))


def set_visibility(visit: Visit, repo: Repo, form: Form) -> Response:
    repos.set_visibility(visit.hub, visit.actor, repo, visibility_of(form))
    return visit.redirect(f"{_place(repo)}?done=visibility")


def rename(visit: Visit, repo: Repo, form: Form) -> Response:
    return _move(visit, repo, form, "name", RepoId(repo.owner, form.text("name")))


def transfer(visit: Visit, repo: Repo, form: Form) -> Response:
    if form.text("owner").lower() == repo.owner.lower():
        form.fail("owner", visit.gettext("It belongs to %(name)s already.") % {"name": repo.owner})
    _check_typed(visit, repo, form, "confirm")
    return _move(visit, repo, form, "owner", RepoId(form.text("owner"), repo.name))


def delete(visit: Visit, repo: Repo, form: Form) -> Response:
    _check_typed(visit, repo, form, "typed")
    if form.errors:
        return _page(visit, repo, 422, delete=form)
    repos.delete(visit.hub, visit.actor, repo.kind, repo.repo_id)
    return visit.redirect(addresses.owner(repo.owner))


def _check_typed(visit: Visit, repo: Repo, form: Form, field: str) -> None:
    if form.text(field) != repo.full_name:
        form.fail(field, visit.gettext("Type the whole name, %(name)s.") % {"name": repo.full_name})


def _move(visit: Visit, repo: Repo, form: Form, act: str, target: RepoId) -> Response:
    moved = None
    if not form.errors:
        with form.blame("owner", Forbidden, AccountNotFound), form.blame(act, InvalidName, AlreadyExists):
            moved = repos.move(visit.hub, visit.actor, repo.kind, repo.repo_id, target)
    if moved is None:
        return _page(visit, repo, 422, **{act: form})
    # Whoever gives a repo to an organisation may not administer it any more.
    may_stay = act == "name" or access_to(visit.actor, moved) >= Access.ADMIN
    place = f"{_place(moved)}?done={act}" if may_stay else addresses.repo(moved)
    return visit.redirect(place)


def _place(repo: Repo) -> str:
    return f"{addresses.repo(repo)}/settings"


def _page(visit: Visit, repo: Repo, status: int = 200, **sent: Form) -> Response:
    owner = accounts.find(visit.hub, repo.owner)
    forms = {
        "visibility": Form(visibility=repo.visibility.value),
        "name": Form(name=repo.name),
        "owner": Form(),
        "delete": Form(),
    }
    return visit.page(
        "repo_settings.html",
        status=status,
        **frame(visit, repo, "settings"),
        acts={**forms, **sent},
        owners=[name for name in owners_of(visit) if name != repo.owner],
        may_give_to_all=may_administer_hub(visit.actor),
        is_organisation=owner.kind is AccountKind.ORGANISATION,
        is_public=repo.visibility is Visibility.PUBLIC,
        usage=quotas.usage(visit.hub, owner),
        storage=quotas.repo_storage(visit.hub, repo),
        done=visit.asked("done"),
    )


routes = [
    *pages("/settings", show, need=Access.ADMIN),
    *pages("/settings/visibility", to_settings, set_visibility, need=Access.ADMIN),
    *pages("/settings/name", to_settings, rename, need=Access.ADMIN),
    *pages("/settings/owner", to_settings, transfer, need=Access.ADMIN),
    *pages("/settings/delete", to_settings, delete, need=Access.ADMIN),
]
