"""A repo's own pages: its card, a new one, and its settings."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.access import Access
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Role
from openshelf.domain.repos import Repo, Visibility
from openshelf.errors import AccountNotFound, AlreadyExists, Forbidden, InvalidName, RepoNotFound
from openshelf.interfaces.web import addresses, snippets
from openshelf.interfaces.web.card import read_card
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.repo_frame import frame, pages, ref_choice
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import repos

_MOST_RELATED = 12


def show(visit: Visit, repo: Repo) -> Response:
    card = read_card(visit.hub, repo)
    return visit.page(
        "repo.html",
        **frame(visit, repo, "card"),
        card=card,
        snippets=snippets.of(repo, visit.base_url),
        upload=snippets.upload(repo, visit.base_url),
        related=_related(visit, repo),
    )


def _related(visit: Visit, repo: Repo) -> set[str]:
    """The addresses of those base models and datasets of a card that are on this hub, for this visitor."""
    found = set()
    for kind, key in ((RepoKind.MODEL, "base_models"), (RepoKind.DATASET, "datasets")):
        for name in repo.facts.get(key, ())[:_MOST_RELATED]:
            try:
                repos.find(visit.hub, visit.actor, kind, RepoId.parse(str(name)))
            except (InvalidName, RepoNotFound):
                continue
            found.add(f"/{kind.url_prefix}{name}")
    return found


def show_new(visit: Visit) -> Response:
    account = visit.account
    form = Form(
        kind=visit.asked("kind", RepoKind.MODEL.value),
        owner=visit.asked("owner", account.name),
        name=visit.asked("name"),
        visibility=account.default_visibility.value,
    )
    return _new_page(visit, form)


def create(visit: Visit, form: Form) -> Response:
    repo = None
    with form.blame("owner", Forbidden, AccountNotFound), form.blame("name", InvalidName, AlreadyExists):
        repo = repos.create(
            visit.hub,
            visit.actor,
            RepoKind.of(form.text("kind")),
            form.text("name"),
            owner=form.text("owner") or None,
            visibility=_visibility(form),
        )
    return visit.redirect(addresses.repo(repo)) if repo else _new_page(visit, form, 422)


def show_settings(visit: Visit, repo: Repo) -> Response:
    return _settings_page(visit, repo)


def to_settings(visit: Visit, repo: Repo) -> Response:
    """For those who reload the answer to a form."""
    return visit.redirect(f"{addresses.repo(repo)}/settings")


def set_visibility(visit: Visit, repo: Repo, form: Form) -> Response:
    repos.set_visibility(visit.hub, visit.actor, repo, _visibility(form))
    return visit.redirect(f"{addresses.repo(repo)}/settings?done=visibility")


def move(visit: Visit, repo: Repo, form: Form) -> Response:
    moved = None
    with form.blame("owner", Forbidden, AccountNotFound), form.blame("name", InvalidName, AlreadyExists):
        target = RepoId(form.text("owner"), form.text("name"))
        moved = repos.move(visit.hub, visit.actor, repo.kind, repo.repo_id, target)
    if moved is None:
        return _settings_page(visit, repo, 422, move_form=form)
    return visit.redirect(f"{addresses.repo(moved)}/settings?done=moved")


def delete(visit: Visit, repo: Repo, form: Form) -> Response:
    if form.text("typed") != repo.full_name:
        form.fail("typed", visit.gettext("Type the whole name, %(name)s, to delete it.") % {"name": repo.full_name})
        return _settings_page(visit, repo, 422, delete_form=form)
    repos.delete(visit.hub, visit.actor, repo.kind, repo.repo_id)
    return visit.redirect(addresses.owner(repo.owner))


def _visibility(form: Form) -> Visibility:
    return Visibility.PUBLIC if form.text("visibility") == Visibility.PUBLIC else Visibility.PRIVATE


def _owners(visit: Visit) -> list[str]:
    """In whose name the visitor may create repos."""
    roles = visit.actor.roles
    organisations = [
        name for key, name in visit.actor.organisations.items() if roles.get(key) in (Role.WRITE, Role.ADMIN)
    ]
    return [visit.account.name, *sorted(organisations, key=str.lower)]


def _new_page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("repo_new.html", status=status, form=form, owners=_owners(visit))


def _settings_page(
    visit: Visit, repo: Repo, status: int = 200, move_form: Form | None = None, delete_form: Form | None = None
) -> Response:
    owners = _owners(visit)
    return visit.page(
        "repo_settings.html",
        status=status,
        **frame(visit, repo, "settings"),
        form=Form(visibility=repo.visibility.value),
        move_form=move_form or Form(owner=repo.owner, name=repo.name),
        delete_form=delete_form or Form(),
        owners=owners if repo.owner in owners else [repo.owner, *owners],
        refs=ref_choice(visit, repo),
        done=visit.asked("done"),
    )


routes = [
    page("/new", show_new, create),
    *pages("", show),
    *pages("/settings", show_settings, need=Access.ADMIN),
    *pages("/settings/visibility", to_settings, set_visibility, need=Access.ADMIN),
    *pages("/settings/name", to_settings, move, need=Access.ADMIN),
    *pages("/settings/delete", to_settings, delete, need=Access.ADMIN),
]
