"""``openshelf admin``: accounts, from the machine itself."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.domain.people import operator
from openshelf.interfaces.cli.admin_org import org
from openshelf.interfaces.cli.admin_quota import quota
from openshelf.interfaces.cli.admin_token import token
from openshelf.interfaces.cli.admin_user import user
from openshelf.interfaces.cli.context import data_option, opened_hub
from openshelf.services import accounts, administration


@click.group()
def command() -> None:
    """Users, organisations, tokens, quotas and invitations.

    Whoever may write to the data folder may use these; they work beside a running server.
    """


@command.command(short_help="Print the secret of an invitation.")
@click.option("--by", metavar="ADMIN", help="The administrator who invites. [default: the first one]")
@data_option
def invite(by: str | None, data: Path | None) -> None:
    """Print the secret of an invitation, with which somebody can make an account once.

    It is used at the address /join?code=SECRET of the hub, where the setting registration is invite.
    """
    with opened_hub(data) as hub:
        if by is None:
            admins = [account for account in administration.users(hub, operator(), limit=10_000) if account.is_admin]
            if not admins:
                raise click.ClickException("This hub has no administrator yet; make one with `admin user create`.")
            host = admins[0]
        else:
            host = accounts.find(hub, by)
        _, secret = administration.invite(hub, accounts.actor_of(hub, host))
        click.echo(secret)


for group in (user, org, token, quota):
    command.add_command(group)
