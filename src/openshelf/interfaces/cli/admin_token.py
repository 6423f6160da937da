"""``openshelf admin token``."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click

from openshelf.domain.people import TokenRole, operator
from openshelf.errors import NotFound
from openshelf.interfaces.cli.admin_user import find_user
from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json, print_table
from openshelf.services import tokens
from openshelf.services.hub import now


@click.group()
def token() -> None:
    """Access tokens of users."""


@token.command(epilog="Example:  HF_TOKEN=$(openshelf admin token create ada --name laptop --role write)")
@click.argument("user")
@click.option("--name", required=True, help="What it is for; unique among the user's tokens.")
@click.option("--role", type=click.Choice(["read", "write"]), required=True, help="What it may do.")
@click.option("--expires-days", type=click.IntRange(1, 3650), help="Days until it ends. [default: it does not]")
@click.option("--value", metavar="TOKEN", help="Take over this existing token, as a move from another hub needs it.")
@click.option("--value-stdin", is_flag=True, help="The same, read from standard input, where no other user sees it.")
@data_option
def create(
    user: str, name: str, role: str, expires_days: int | None, value: str | None, value_stdin: bool, data: Path | None
) -> None:
    """Make a token and print it, and nothing else, on standard output. It cannot be shown again."""
    if value and value_stdin:
        raise click.UsageError("--value and --value-stdin exclude each other.")
    if value_stdin:
        value = sys.stdin.readline(1024).strip()
    with opened_hub(data) as hub:
        ends = now() + timedelta(days=expires_days) if expires_days else None
        _, secret = tokens.create(hub, find_user(hub, user), name, TokenRole(role), expires_at=ends, value=value)
        click.echo(secret)


@token.command("list")
@click.argument("user")
@json_option
@data_option
def list_tokens(user: str, as_json: bool, data: Path | None) -> None:
    """List a user's tokens, without their secrets."""
    with opened_hub(data) as hub:
        found = tokens.of(hub, find_user(hub, user))
    if as_json:
        print_json(
            [
                {
                    "name": made.name,
                    "role": made.role.value,
                    "hint": made.hint,
                    "created_at": made.created_at.isoformat(),
                    "last_used_at": made.last_used_at.isoformat() if made.last_used_at else None,
                    "expires_at": made.expires_at.isoformat() if made.expires_at else None,
                }
                for made in found
            ]
        )
        return
    rows = [
        (
            made.name,
            made.role.value,
            made.hint,
            f"{made.last_used_at:%Y-%m-%d}" if made.last_used_at else "never",
            f"{made.expires_at:%Y-%m-%d}" if made.expires_at else "never",
        )
        for made in found
    ]
    print_table(("NAME", "ROLE", "TOKEN", "LAST USED", "ENDS"), rows)


@token.command()
@click.argument("user")
@click.argument("name")
@data_option
def revoke(user: str, name: str, data: Path | None) -> None:
    """Make the user's token called NAME worthless at once."""
    with opened_hub(data) as hub:
        account = find_user(hub, user)
        found = next((made for made in tokens.of(hub, account) if made.name == name), None)
        if found is None:
            raise NotFound(f"{account.name} has no token called {name!r}; `openshelf admin token list` shows them.")
        tokens.revoke(hub, operator(), found.id)
        click.echo(f"Revoked {name!r} of {account.name}.", err=True)
