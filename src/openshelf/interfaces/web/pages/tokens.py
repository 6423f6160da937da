"""Access tokens: made here, shown once, listed with their last use, revoked."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import Grant, Role, TokenRole
from openshelf.errors import AlreadyExists, Invalid, RepoNotFound
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import repos, tokens
from openshelf.services.hub import now

REPO_ROWS = (1, 2, 3)
_DAYS = {"30": 30, "90": 90, "365": 365}


def show(visit: Visit) -> Response:
    return _page(visit, Form(role=visit.asked("role", TokenRole.WRITE.value), days="90"))


def create(visit: Visit, form: Form) -> Response:
    visit.hub.check_writable()
    account, grants = visit.account, list[Grant]()
    try:
        role = TokenRole(form.text("role"))
    except ValueError:
        role = TokenRole.READ
        form.fail("role", visit.gettext("Choose what the token may do."))
    if role is TokenRole.FINE_GRAINED:
        grants = _grants(visit, form)
        if not grants and not form.errors:
            form.fail("role", visit.gettext("Choose at least one owner or repository that the token may reach."))
    if form.errors:
        return _page(visit, form, 422)
    days = _DAYS.get(form.text("days"))
    expires_at = now() + timedelta(days=days) if days else None
    secret = ""
    with form.blame("name", AlreadyExists, Invalid):
        _token, secret = tokens.create(
            visit.hub, account, form.text("name"), role, grants=grants, expires_at=expires_at
        )
    if form.errors:
        return _page(visit, form, 422)
    return _page(visit, Form(role=TokenRole.WRITE.value, days="90"), secret=secret)


def revoke(visit: Visit, _form: Form) -> Response:
    visit.hub.check_writable()
    tokens.revoke(visit.hub, visit.actor, visit.part("token"))
    return visit.redirect("/settings/tokens?done=revoked")


def _grants(visit: Visit, form: Form) -> list[Grant]:
    found = []
    for owner_id, _name in _owners(visit):
        if role := _role(form.text(f"owner-{owner_id}")):
            found.append(Grant(owner_id, role))
    for row in REPO_ROWS:
        written = form.text(f"repo-{row}").strip("/")
        if not written:
            continue
        with form.blame(f"repo-{row}", RepoNotFound, Invalid):
            first, _, rest = written.partition("/")
            has_kind = first in {kind.plural for kind in RepoKind} and "/" in rest
            kind, text = (RepoKind.of(first), rest) if has_kind else (RepoKind.MODEL, written)
            repo = repos.find(visit.hub, visit.actor, kind, RepoId.parse(text))
            found.append(Grant(repo.id, _role(form.text(f"repo-role-{row}")) or Role.READ))
    return found


def _role(text: str) -> Role | None:
    return Role(text) if text in set(Role) else None


def _owners(visit: Visit) -> list[tuple[str, str]]:
    """Account ids and names that a fine-grained token can be for."""
    mine = (visit.account.id, visit.account.name)
    return [mine, *sorted(visit.actor.organisations.items(), key=lambda item: item[1].lower())]


def _page(visit: Visit, form: Form, status: int = 200, secret: str = "") -> Response:
    listed = tokens.of(visit.hub, visit.account)
    return visit.page(
        "tokens.html",
        status=status,
        secret=bool(secret),
        form=form,
        tokens=sorted(listed, key=lambda token: token.created_at, reverse=True),
        new_secret=secret,
        owners=_owners(visit),
        repo_rows=REPO_ROWS,
        base_url=visit.base_url,
        now=now(),
        done=visit.asked("done"),
    )


routes = [
    page("/settings/tokens", show, create),
    page("/settings/tokens/{token:segment}/revoke", submit=revoke),
]
