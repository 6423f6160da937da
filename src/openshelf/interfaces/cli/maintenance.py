"""``openshelf maintenance``: the page that a proxy shows while the hub is down."""

from __future__ import annotations

from pathlib import Path

import click

from openshelf.interfaces.cli.context import data_option, load_settings
from openshelf.interfaces.web.plain_page import maintenance_page


@click.command(
    epilog="The page names the hub by the setting hub_name, and needs nothing else: one file, in light and dark."
)
@data_option
def command(data: Path | None) -> None:
    """Print the page that a proxy shows while the hub is down."""
    settings, _ = load_settings(data)
    click.echo(maintenance_page(settings.hub_name), nl=False)
