"""``openshelf admin quota``."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, json_option, opened_hub, print_json
from openshelf.services import accounts, quotas
from openshelf.services.sizes import parse_size, readable_size


@click.group()
def quota() -> None:
    """How much a user or organisation may store."""


@quota.command("set", epilog="Example:  openshelf admin quota set lab 2TB")
@click.argument("name")
@click.argument("size")
@data_option
def set_quota(name: str, size: str, data: Path | None) -> None:
    """Let NAME store SIZE, such as 500MB or 2TB; `none` is without limit, `default` is the setting quota_bytes."""
    amount = {"none": 0, "default": None}.get(size, -1)
    if amount == -1:
        amount = parse_size(size)
        if amount == 0:
            raise click.UsageError("A quota of 0 bytes cannot be set; to take away all limits, write `none`.")
    with opened_hub(data) as hub:
        account = accounts.update(hub, accounts.find(hub, name), quota_bytes=amount)
        click.echo(_sentence(quotas.usage(hub, account)), err=True)


@quota.command()
@click.argument("name")
@json_option
@data_option
def show(name: str, as_json: bool, data: Path | None) -> None:
    """Show what NAME stores, and what it may store."""
    with opened_hub(data) as hub:
        usage = quotas.usage(hub, accounts.find(hub, name))
    if as_json:
        print_json({"name": usage.name, "used_bytes": usage.used, "quota_bytes": usage.quota})
    else:
        click.echo(_sentence(usage))


def _sentence(usage: quotas.Usage) -> str:
    allowed = readable_size(usage.quota) if usage.quota else "as much as there is room"
    source = "" if usage.is_own else " (the hub's default)"
    return f"{usage.name} stores {readable_size(usage.used)} and may store {allowed}{source}."
