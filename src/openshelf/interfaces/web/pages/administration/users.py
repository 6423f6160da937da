"""Who has an account, new ones, and invitations."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.errors import AlreadyExists, Invalid, InvalidName
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, administration

PAGE = 100


def show(visit: Visit) -> Response:
    return _page(visit, Form())


def create_user(visit: Visit, form: Form) -> Response:
    with form.blame("password", Invalid), form.blame("name", InvalidName, AlreadyExists):
        administration.create_user(
            visit.hub,
            visit.actor,
            form.text("name"),
            form.exact("password"),
            full_name=form.text("full_name"),
            is_admin=form.text("is_admin") == "yes",
        )
    return _page(visit, form, 422) if form.errors else visit.redirect("/administration/users?done=created")


def invite(visit: Visit, _form: Form) -> Response:
    _invitation, secret = administration.invite(visit.hub, visit.actor)
    return _page(visit, Form(), link=f"{visit.base_url}/join?code={secret}")


def change_user(visit: Visit, form: Form) -> Response:
    administration.check(visit.actor)
    user = accounts.find(visit.hub, visit.part("user"))
    match form.text("action"):
        case "disable":
            administration.set_disabled(visit.hub, visit.actor, user, True)
        case "enable":
            administration.set_disabled(visit.hub, visit.actor, user, False)
        case "promote":
            administration.set_administrator(visit.hub, visit.actor, user, True)
        case "demote":
            administration.set_administrator(visit.hub, visit.actor, user, False)
        case _:
            raise Invalid("The form does not say what to do; reload the page and send it again.")
    return visit.redirect("/administration/users?done=changed")


def _page(visit: Visit, form: Form, status: int = 200, link: str = "") -> Response:
    visit.check_signed_in()
    search, start = visit.asked("q"), visit.asked_number("p") * PAGE
    found = administration.users(visit.hub, visit.actor, search=search, limit=PAGE + 1, offset=start)
    number = visit.asked_number("p")
    visit.check_page(number, found)
    return visit.page(
        "admin_users.html",
        status=status,
        secret=bool(link),
        form=form,
        users=found[:PAGE],
        search=search,
        previous=addresses.with_query("/administration/users", q=search, p=number - 1) if number else "",
        next=addresses.with_query("/administration/users", q=search, p=number + 1) if len(found) > PAGE else "",
        link=link,
        invite_days=visit.hub.settings.invite_days,
        done=visit.asked("done"),
    )


routes = [
    page("/administration/users", show, create_user),
    page("/administration/invitations", submit=invite),
    page("/administration/users/{user:segment}", submit=change_user),
]
