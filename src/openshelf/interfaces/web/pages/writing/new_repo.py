"""A new repo: whose, what it is called, who may read it, under which licence, and with which first files."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from openshelf.analysis.cards import known_licences
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Role
from openshelf.domain.repos import Visibility
from openshelf.domain.tree import AddInline
from openshelf.errors import AccountNotFound, AlreadyExists, Forbidden, InvalidName
from openshelf.interfaces.web import addresses, card
from openshelf.interfaces.web.card_templates import first_card
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, quotas, repos
from openshelf.services.quotas import Usage

_MOST_USAGES = 20


def show(visit: Visit) -> Response:
    account = visit.account
    form = Form(
        kind=visit.asked("kind", RepoKind.MODEL.value),
        owner=visit.asked("owner", account.name),
        name=visit.asked("name"),
        visibility=account.default_visibility.value,
        card="1",
    )
    return _page(visit, form)


def create(visit: Visit, form: Form) -> Response:
    repo = None
    with form.blame("kind", InvalidName):
        kind = RepoKind.of(form.text("kind"))
    licence = _licence(visit, form)
    if form.errors:
        return _page(visit, form, 422)
    with form.blame("owner", Forbidden, AccountNotFound), form.blame("name", InvalidName, AlreadyExists):
        repo = repos.create(
            visit.hub,
            visit.actor,
            kind,
            form.text("name"),
            owner=form.text("owner") or None,
            visibility=visibility_of(form),
            files=_first_files(form, kind, licence),
        )
    return visit.redirect(addresses.repo(repo)) if repo else _page(visit, form, 422)


def check(visit: Visit) -> Response:
    """Whether a name can be had, for the script of the page: ``{"problem": ""}``, or what is wrong with it."""
    visit.check_signed_in()
    form, kind = Form(), visit.asked("kind", RepoKind.MODEL.value)
    with form.blame("name", Forbidden, AccountNotFound, InvalidName, AlreadyExists):
        repos.check_new_name(visit.hub, visit.actor, RepoKind.of(kind), visit.asked("owner"), visit.asked("name"))
    return JSONResponse({"problem": form.errors.get("name", "")}, headers={"Cache-Control": "no-store"})


def visibility_of(form: Form) -> Visibility:
    return Visibility.PUBLIC if form.text("visibility") == Visibility.PUBLIC else Visibility.PRIVATE


def owners_of(visit: Visit) -> list[str]:
    """In whose name the visitor may create repos."""
    roles = visit.actor.roles
    organisations = [
        name for key, name in visit.actor.organisations.items() if roles.get(key) in (Role.WRITE, Role.ADMIN)
    ]
    return [visit.account.name, *sorted(organisations, key=str.lower)]


def _licence(visit: Visit, form: Form) -> str:
    typed = form.text("licence")
    if typed and not known_licences.is_known(typed):
        words = visit.gettext("%(name)s is no licence that is known here; choose one of the list, or write other.")
        form.fail("licence", words % {"name": typed[:80]})
    return known_licences.canonical(typed) or typed


def _first_files(form: Form, kind: RepoKind, licence: str) -> list[AddInline]:
    if form.text("card"):
        return [AddInline(card.FILE, first_card(kind, form.text("name"), licence).encode())]
    if licence:
        return [AddInline(card.FILE, f"---\nlicense: {licence}\n---\n\n# {form.text('name')}\n".encode())]
    return []


def _usages(visit: Visit, owners: list[str]) -> list[Usage]:
    """Owners whose space is limited, and what they have used of it."""
    found = [quotas.usage(visit.hub, accounts.find(visit.hub, name)) for name in owners[:_MOST_USAGES]]
    return [usage for usage in found if usage.quota]


def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    owners = owners_of(visit)
    return visit.page(
        "repo_new.html",
        status=status,
        form=form,
        owners=owners,
        licences=known_licences.HUB_IDS,
        usages=_usages(visit, owners),
        file_limit=visit.hub.settings.max_file_bytes,
    )


routes = [page("/new", show, create), page("/new/name", check)]
