"""``openshelf worker``: background jobs in a process of their own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from openshelf import settings as settings_module
from openshelf.app import open_hub
from openshelf.interfaces import logs
from openshelf.interfaces import worker as interface
from openshelf.interfaces.cli.context import data_option


@click.command(
    epilog="The server runs jobs itself unless the setting embedded_worker is off; start workers besides it when jobs "
    "pile up (`openshelf jobs`). Each runs as many at a time as the setting job_threads says. What a worker has not "
    "finished when it ends, even by force, another takes up."
)
@data_option
def command(data: Path | None) -> None:
    """Run background jobs in a process of their own, until SIGTERM or Ctrl-C."""
    settings, _ = settings_module.load({"data": data})
    logs.configure(settings)
    hub = open_hub(settings, create=False)
    try:
        finished = interface.run(hub)
    finally:
        hub.storage.close()
    if not finished:
        os._exit(0)
