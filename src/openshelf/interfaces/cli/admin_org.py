"""``openshelf admin org``."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.domain.people import Role, operator
from openshelf.domain.repos import Visibility
from openshelf.interfaces.cli.admin_user import find_user
from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, print_table
from openshelf.services import accounts, organisations


@click.group()
def org() -> None:
    """Organisations, which own repos together."""


@org.command(epilog="Example:  openshelf admin org create lab --owner ada --default-visibility private")
@click.argument("name")
@click.option("--owner", required=True, metavar="USER", help="The first member, in the role admin.")
@click.option("--full-name", default="", metavar="TEXT", help="The name that pages show.")
@click.option(
    "--default-visibility",
    type=click.Choice([visibility.value for visibility in Visibility]),
    help="The visibility of its new repos. [default: the setting default_visibility]",
)
@data_option
def create(name: str, owner: str, full_name: str, default_visibility: str | None, data: Path | None) -> None:
    """Make an organisation."""
    with opened_hub(data) as hub:
        visibility = Visibility(default_visibility) if default_visibility else None
        first = find_user(hub, owner)
        made = accounts.create_organisation(hub, name, first, full_name=full_name, default_visibility=visibility)
        click.echo(f"Made the organisation {made.name}; {first.name} is its admin.", err=True)


@org.command()
@click.argument("name", metavar="ORG")
@click.argument("member", metavar="USER")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What they may do.")
@data_option
def add(name: str, member: str, role: str, data: Path | None) -> None:
    """Give a user a role in an organisation, or another role."""
    with opened_hub(data) as hub:
        account, organisation = find_user(hub, member), organisations.find(hub, name)
        organisations.set_role(hub, operator(), organisation, account, Role(role))
        click.echo(f"{account.name} has the role {role} in {organisation.name}.", err=True)


@org.command()
@click.argument("name", metavar="ORG")
@click.argument("member", metavar="USER")
@data_option
def remove(name: str, member: str, data: Path | None) -> None:
    """Take a user out of an organisation; the last admin stays."""
    with opened_hub(data) as hub:
        account, organisation = find_user(hub, member), organisations.find(hub, name)
        organisations.set_role(hub, operator(), organisation, account, None)
        click.echo(f"{account.name} is no longer in {organisation.name}.", err=True)


@org.command()
@click.argument("name", metavar="ORG")
@json_option
@data_option
def members(name: str, as_json: bool, data: Path | None) -> None:
    """List the members of an organisation."""
    with opened_hub(data) as hub:
        found = accounts.members(hub, organisations.find(hub, name))
    if as_json:
        print_json([{"user": member.user, "role": member.role.value} for member in found])
    else:
        print_table(("USER", "ROLE"), [(member.user, member.role.value) for member in found])
