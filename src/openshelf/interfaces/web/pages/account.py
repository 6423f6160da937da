"""Settings of one's own account: name, password, and the browsers that are signed in."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.errors import BadCredentials, Invalid, RateLimited
from openshelf.interfaces.http.requests import client_address
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.sessions import start_session
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts
from openshelf.services.passwords import MIN_PASSWORD


def show(visit: Visit) -> Response:
    return _page(visit, _profile(visit))


def rename(visit: Visit, form: Form) -> Response:
    account = visit.account
    visit.hub.check_writable()
    with form.blame("full_name", Invalid):
        accounts.check_full_name(form.text("full_name"))
    with form.blame("bio", Invalid):
        accounts.check_bio(form.text("bio"))
    with form.blame("website", Invalid):
        accounts.check_website(form.text("website"))
    if not form.errors:
        name, bio, website = form.text("full_name") or account.name, form.text("bio"), form.text("website")
        accounts.update(visit.hub, account, full_name=name, bio=bio, website=website)
    return _page(visit, form, 422) if form.errors else visit.redirect("/settings/account?done=name")


def _profile(visit: Visit) -> Form:
    account = visit.account
    return Form(full_name=account.full_name, bio=account.bio, website=account.website)


def change_password(visit: Visit, form: Form) -> Response:
    account, hub = visit.account, visit.hub
    hub.check_writable()
    with form.blame("current", RateLimited):
        try:
            accounts.verify_password(hub, account.name, form.exact("current"), address=client_address(visit.request))
        except BadCredentials:
            form.fail("current", visit.gettext("This is not your present password."))
    with form.blame("password", Invalid):
        if not form.errors:
            accounts.change_password(hub, account, form.exact("password"))
    if form.errors:
        return _page(visit, _profile(visit), 422, password_form=form)
    secret = accounts.start_session(hub, account, visit.request.headers.get("user-agent", ""))
    return start_session(visit, secret, "/settings/account?done=password")


def end_session(visit: Visit, _form: Form) -> Response:
    accounts.end_session(visit.hub, visit.account, visit.part("session"))
    return visit.redirect("/settings/account?done=session")


def end_other_sessions(visit: Visit, _form: Form) -> Response:
    accounts.end_other_sessions(visit.hub, visit.account, visit.session_secret())
    return visit.redirect("/settings/account?done=sessions")


def to_account(visit: Visit) -> Response:
    return visit.redirect("/settings/account")


def _page(visit: Visit, form: Form, status: int = 200, password_form: Form | None = None) -> Response:
    known = accounts.actor_by_session(visit.hub, visit.session_secret())
    return visit.page(
        "account.html",
        status=status,
        form=form,
        password_form=password_form or Form(),
        least=MIN_PASSWORD,
        sessions=accounts.sessions(visit.hub, visit.account),
        current=known[1].id if known else "",
        memberships=accounts.memberships(visit.hub, visit.account),
        done=visit.asked("done"),
    )


routes = [
    page("/settings", to_account),
    page("/settings/account", show, rename),
    page("/settings/password", to_account, change_password),
    page("/settings/sessions/end", submit=end_other_sessions),
    page("/settings/sessions/{session:segment}/end", submit=end_session),
]
