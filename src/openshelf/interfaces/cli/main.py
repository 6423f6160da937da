"""``openshelf``: the group of all commands."""

from __future__ import annotations

import os
from typing import Any

import click

from openshelf import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="openshelf")
def main() -> None:
    """Openshelf: a home for models, datasets and code that you run yourself."""


@main.command()
@click.option("--data", type=click.Path(file_okay=False), help="The data folder.")
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=int, help="The port to listen on.")
def serve(**options: Any) -> None:
    """Start the hub."""
    from granian import Granian
    from granian.constants import Interfaces

    from openshelf import settings as settings_module

    for name, value in options.items():
        if value is not None:
            os.environ[settings_module.PREFIX + name.upper()] = str(value)
    settings, _ = settings_module.load()
    Granian(
        "openshelf.app:create_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
    ).serve()
