"""``openshelf admin user``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from openshelf.domain.people import Account, AccountKind, operator
from openshelf.errors import AccountNotFound
from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, print_table
from openshelf.services import accounts, administration
from openshelf.services.hub import Hub

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)


@click.group()
def user() -> None:
    """People who can sign in."""


@user.command(epilog="Example:  openshelf admin user create ada --password-stdin --admin < password-file")
@click.argument("name")
@password_option
@click.option("--full-name", default="", metavar="TEXT", help="The name that pages show.")
@click.option("--admin", "is_admin", is_flag=True, help="Make them administrator of the hub.")
@data_option
def create(name: str, password_stdin: bool, full_name: str, is_admin: bool, data: Path | None) -> None:
    """Make a user. The first one of a hub is its administrator. Makes the data folder where there is none."""
    with opened_hub(data, create=True) as hub:
        password = _password(password_stdin)
        made = administration.create_user(hub, operator(), name, password, full_name=full_name, is_admin=is_admin)
        click.echo(f"Made the user {made.name}{', an administrator' if made.is_admin else ''}.", err=True)


@user.command("list")
@json_option
@data_option
def list_users(as_json: bool, data: Path | None) -> None:
    """List the users."""
    with opened_hub(data) as hub:
        found = administration.users(hub, operator(), limit=1_000_000)
    if as_json:
        print_json(
            [
                {
                    "name": account.name,
                    "full_name": account.full_name,
                    "email": account.email,
                    "is_admin": account.is_admin,
                    "is_disabled": account.is_disabled,
                    "created_at": account.created_at.isoformat(),
                }
                for account in found
            ]
        )
        return
    rows = [
        (
            account.name,
            account.full_name,
            f"{account.created_at:%Y-%m-%d}",
            " ".join(word for word, holds in (("admin", account.is_admin), ("disabled", account.is_disabled)) if holds),
        )
        for account in found
    ]
    print_table(("NAME", "FULL NAME", "SINCE", ""), rows)


@user.command()
@click.argument("name")
@data_option
def disable(name: str, data: Path | None) -> None:
    """Shut a user out: their sessions end and their tokens are refused. What they own stays."""
    _set_disabled(name, True, data)


@user.command()
@click.argument("name")
@data_option
def enable(name: str, data: Path | None) -> None:
    """Let a user in again."""
    _set_disabled(name, False, data)


@user.command()
@click.argument("name")
@password_option
@data_option
def password(name: str, password_stdin: bool, data: Path | None) -> None:
    """Set a user's password; their sessions end."""
    with opened_hub(data) as hub:
        account = find_user(hub, name)
        accounts.change_password(hub, account, _password(password_stdin))
        click.echo(f"Set the password of {account.name}.", err=True)


@user.command()
@click.argument("name")
@click.option("--yes/--no", "is_admin", default=True, help="Make them administrator, or no longer. [default: yes]")
@data_option
def admin(name: str, is_admin: bool, data: Path | None) -> None:
    """Make a user administrator of the hub, or no longer."""
    with opened_hub(data) as hub:
        account = find_user(hub, name)
        administration.set_administrator(hub, operator(), account, is_admin)
        click.echo(f"{account.name} is {'an administrator now' if is_admin else 'no administrator'}.", err=True)


def find_user(hub: Hub, name: str) -> Account:
    """Raises AccountNotFound, for the name of an organisation too."""
    account = accounts.find(hub, name)
    if account.kind is not AccountKind.USER:
        raise AccountNotFound(name)
    return account


def _set_disabled(name: str, is_disabled: bool, data: Path | None) -> None:
    with opened_hub(data) as hub:
        account = find_user(hub, name)
        administration.set_disabled(hub, operator(), account, is_disabled)
        click.echo(f"{account.name} is {'disabled' if is_disabled else 'enabled'}.", err=True)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.readline(8192)
        return line.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password on; use --password-stdin.")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked
