"""Coming in and going out: the first administrator, sign in, sign up by invitation, sign out; and the colours."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.people import Account
from openshelf.errors import AlreadyExists, BadCredentials, Conflict, Forbidden, Invalid, InvalidName, RateLimited
from openshelf.interfaces.http.requests import SESSION_COOKIE, client_address
from openshelf.interfaces.web import addresses, csrf
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import THEME_COOKIE, THEMES, Visit
from openshelf.services import accounts
from openshelf.services.passwords import MIN_PASSWORD


def start_session(visit: Visit, secret: str, to: str) -> Response:
    """Redirect with the cookie of a new session. The old session ends: its secret may be known to somebody else."""
    if old := visit.session_secret():
        accounts.sign_out(visit.hub, old)
    response = visit.redirect(to)
    visit.set_cookie(response, SESSION_COOKIE, secret, visit.hub.settings.session_days * 24 * 3600)
    visit.forget_cookie(response, csrf.COOKIE)
    return response


def show_sign_in(visit: Visit) -> Response:
    after = addresses.local(visit.asked("next"))
    if accounts.is_new(visit.hub):
        return visit.redirect("/setup")
    if visit.actor.account:
        return visit.redirect(after)
    return _sign_in_page(visit, Form(next=after))


def sign_in(visit: Visit, form: Form) -> Response:
    secret = ""
    with form.blame("name", BadCredentials, RateLimited):
        _actor, secret = accounts.sign_in(
            visit.hub,
            form.text("name"),
            form.exact("password"),
            address=client_address(visit.request),
            user_agent=visit.request.headers.get("user-agent", ""),
        )
    if form.errors:
        return _sign_in_page(visit, form, 422)
    return start_session(visit, secret, addresses.local(form.text("next")))


def show_sign_out(visit: Visit) -> Response:
    return visit.page("sign_out.html") if visit.actor.account else visit.redirect("/")


def sign_out(visit: Visit, _form: Form) -> Response:
    accounts.sign_out(visit.hub, visit.session_secret())
    response = visit.redirect("/")
    visit.forget_cookie(response, SESSION_COOKIE)
    return response


def show_setup(visit: Visit) -> Response:
    return _setup_page(visit, Form()) if accounts.is_new(visit.hub) else visit.redirect("/login")


def set_up(visit: Visit, form: Form) -> Response:
    account = _make_account(visit, form, only_first=True)
    if account is None:
        return _setup_page(visit, form, 422) if accounts.is_new(visit.hub) else visit.redirect("/login")
    return start_session(visit, _session_of(visit, account), "/")


def show_join(visit: Visit) -> Response:
    """Raises Forbidden where the hub takes no registration, or not with this invitation."""
    if visit.actor.account:
        return visit.redirect("/")
    code = visit.asked("code")
    accounts.check_registration(visit.hub, code)
    return _join_page(visit, Form(code=code))


def join(visit: Visit, form: Form) -> Response:
    account = _make_account(visit, form)
    if account is None:
        return _join_page(visit, form, 422)
    return start_session(visit, _session_of(visit, account), "/")


def choose_theme(visit: Visit, form: Form) -> Response:
    response = visit.redirect(addresses.local(form.text("next")))
    if form.text("theme") in THEMES:
        visit.set_cookie(response, THEME_COOKIE, form.text("theme"))
    else:
        visit.forget_cookie(response, THEME_COOKIE)
    return response


def _make_account(visit: Visit, form: Form, *, only_first: bool = False) -> Account | None:
    name, password, full_name = form.text("name"), form.exact("password"), form.text("full_name")
    account = None
    with form.blame("password", Invalid), form.blame("name", InvalidName, AlreadyExists):
        with form.blame("full_name", Invalid):
            accounts.check_full_name(full_name)
        if form.errors:
            return None
        with form.blame("", Conflict, Forbidden, RateLimited):
            if only_first:
                account = accounts.create_user(visit.hub, name, password, full_name=full_name, only_first=True)
            else:
                account = accounts.register(
                    visit.hub,
                    name,
                    password,
                    full_name=full_name,
                    invitation=form.text("code"),
                    address=client_address(visit.request),
                )
    return account


def _session_of(visit: Visit, account: Account) -> str:
    return accounts.start_session(visit.hub, account, visit.request.headers.get("user-agent", ""))


def _sign_in_page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("sign_in.html", status=status, form=form)


def _setup_page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("setup.html", status=status, form=form, least=MIN_PASSWORD)


def _join_page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("join.html", status=status, form=form, least=MIN_PASSWORD)


routes = [
    page("/login", show_sign_in, sign_in),
    page("/logout", show_sign_out, sign_out),
    page("/setup", show_setup, set_up),
    page("/join", show_join, join),
    page("/settings/appearance", submit=choose_theme, harmless=True),
]
