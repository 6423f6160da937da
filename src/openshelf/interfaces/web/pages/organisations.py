"""Organisations: made, and run by their admins."""

from __future__ import annotations

from starlette.responses import Response

from openshelf.domain.people import Account, Role
from openshelf.domain.repos import Visibility
from openshelf.errors import AccountNotFound, AlreadyExists, Conflict, Forbidden, Invalid, InvalidName
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.visit import Visit
from openshelf.services import accounts, organisations


def show_new(visit: Visit) -> Response:
    return _new_page(visit, Form(visibility=visit.account.default_visibility.value))


def create(visit: Visit, form: Form) -> Response:
    organisation = None
    visibility = Visibility.PRIVATE if form.text("visibility") == Visibility.PRIVATE else Visibility.PUBLIC
    with form.blame("full_name", Invalid), form.blame("name", InvalidName, AlreadyExists):
        organisation = organisations.create(
            visit.hub,
            visit.actor,
            form.text("name"),
            full_name=form.text("full_name"),
            default_visibility=visibility,
        )
    if organisation is None:
        return _new_page(visit, form, 422)
    return visit.redirect(members_address(organisation))


def show_members(visit: Visit) -> Response:
    return _members_page(visit, _organisation(visit), Form(role=Role.WRITE.value))


def add_member(visit: Visit, form: Form) -> Response:
    organisation = _organisation(visit)
    with form.blame("name", AccountNotFound, Invalid, Conflict):
        user = accounts.find(visit.hub, form.text("name"))
        organisations.set_role(visit.hub, visit.actor, organisation, user, _role(form))
    if form.errors:
        return _members_page(visit, organisation, form, 422)
    return visit.redirect(f"{members_address(organisation)}?done=added")


def change_member(visit: Visit, form: Form) -> Response:
    organisation = organisations.find(visit.hub, visit.part("organisation"))
    user = accounts.find(visit.hub, visit.part("user"))
    role = None if form.text("action") == "remove" else _role(form)
    organisations.set_role(visit.hub, visit.actor, organisation, user, role)
    if user.id == visit.account.id and role is not Role.ADMIN:
        return visit.redirect(addresses.owner(organisation.name))
    return visit.redirect(f"{members_address(organisation)}?done=changed")


def change_profile(visit: Visit, form: Form) -> Response:
    organisation = _organisation(visit)
    with form.blame("full_name", Invalid):
        accounts.check_full_name(form.text("full_name"))
    with form.blame("bio", Invalid):
        accounts.check_bio(form.text("bio"))
    with form.blame("website", Invalid):
        accounts.check_website(form.text("website"))
    if form.errors:
        return _members_page(visit, organisation, Form(role=Role.WRITE.value), 422, profile=form)
    said = {name: form.text(name) for name in ("full_name", "bio", "website")}
    organisations.describe(visit.hub, visit.actor, organisation, **said)
    return visit.redirect(f"{members_address(organisation)}?done=profile")


def to_members(visit: Visit) -> Response:
    """For those who reload the answer to the form of the profile."""
    return visit.redirect(members_address(_organisation(visit)))


def members_address(organisation: Account) -> str:
    return f"/organizations/{organisation.name}/members"


def _organisation(visit: Visit) -> Account:
    """Raises Forbidden for those who do not run it."""
    visit.check_signed_in()
    organisation = organisations.find(visit.hub, visit.part("organisation"))
    if not organisations.may_administer(visit.actor, organisation):
        raise Forbidden(f"Only admins of {organisation.name} can change who belongs to it.")
    return organisation


def _role(form: Form) -> Role:
    text = form.text("role")
    return Role(text) if text in set(Role) else Role.READ


def _new_page(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("organisation_new.html", status=status, form=form)


def _members_page(
    visit: Visit, organisation: Account, form: Form, status: int = 200, profile: Form | None = None
) -> Response:
    said = Form(full_name=organisation.full_name, bio=organisation.bio, website=organisation.website)
    return visit.page(
        "members.html",
        status=status,
        form=form,
        profile=profile or said,
        organisation=organisation,
        members=accounts.members(visit.hub, organisation),
        done=visit.asked("done"),
    )


routes = [
    page("/organizations/new", show_new, create),
    page("/organizations/{organisation:segment}/members", show_members, add_member),
    page("/organizations/{organisation:segment}/profile", to_members, change_profile),
    page("/organizations/{organisation:segment}/members/{user:segment}", submit=change_member),
]
