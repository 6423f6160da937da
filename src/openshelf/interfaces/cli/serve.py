"""``openshelf serve``: the server processes, and what they need to begin and to end well."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from openshelf import __version__
from openshelf import settings as settings_module
from openshelf.app import create_app, open_hub
from openshelf.errors import ConfigurationError, Unavailable
from openshelf.interfaces import logs
from openshelf.interfaces.cli.context import data_option
from openshelf.interfaces.stalled import leave_stalled_clients
from openshelf.services import accounts
from openshelf.services.first_start import FirstUser, create_first_user
from openshelf.settings import Settings
from openshelf.storage.store import SERVER_LOCK

SHUTDOWN_SECONDS = 20
_LOCK_SECONDS = 5.0
_BACKLOG = 2048
# Each connection takes about 14 KiB while nothing happens on it. Once so many are open, others wait for one to end.
_MOST_CONNECTIONS = 16_384
# Files that a server process opens besides: the catalogue, packs, blobs that are read.
_OTHER_FILES = 1024
# A client that takes nothing of an answer, or is gone without a word, is left after so long.
_STALL_SECONDS = 120
# What is received comes in pieces of up to so many bytes, and each costs a change of threads. Grows with need.
_RECEIVE_BYTES = 2 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


@click.command(
    epilog="Every setting can also come from openshelf.toml in the data folder or from the environment, such as "
    "OPENSHELF_PORT=9000; see `openshelf settings`. SIGTERM and Ctrl-C end the server: it takes no new requests and "
    f"gives those that run {SHUTDOWN_SECONDS} seconds."
)
@data_option
@click.option("--host", help="The address to listen on. [default: 127.0.0.1, this machine alone]")
@click.option("--port", type=click.IntRange(1, 65535), help="The port to listen on. [default: 8000]")
@click.option("--workers", type=click.IntRange(1, 256), help="How many server processes to run. [default: 1]")
@click.option(
    "--first-user/--no-first-user",
    default=True,
    help="Whether the first start makes the administrator's account and prints it; else the first visitor does, so "
    "switch this off only where nobody else can reach the hub yet. [default: first-user]",
)
def command(data: Path | None, host: str | None, port: int | None, workers: int | None, first_user: bool) -> None:
    """Start the hub. The first start makes the data folder and the administrator."""
    settings, _ = settings_module.load({"data": data, "host": host, "port": port, "workers": workers})
    logs.configure(settings)
    _check_port_is_free(settings)
    with ExitStack() as held:
        first, is_new = _prepare(settings, held, first_user)
        _pass_on({"data": settings.data.absolute(), "host": host, "port": port, "workers": workers})
        server = _server(settings)
        server.on_startup(lambda: _greet(settings, first, is_new))
        # What is loaded now is shared with the server processes, as long as nobody writes to it.
        gc.freeze()
        server.serve(target_loader=partial(load_app, os.getpid()), wrap_loader=False)


def load_app(parent: int) -> FastAPI:
    """The application, in its own process, which ``parent`` has started."""
    _die_with_parent(parent)
    app = create_app()
    threading.Thread(target=leave_stalled_clients, args=(_STALL_SECONDS,), name="stalled-clients", daemon=True).start()
    return app


def _prepare(settings: Settings, held: ExitStack, first_user: bool) -> tuple[FirstUser | None, bool]:
    """Open the data folder once, to bring it up to date, and claim it until ``held`` is closed.

    Returns the first user, if one was made, and whether there is still none.
    """
    hub = open_hub(settings)
    try:
        held.enter_context(hub.storage.locks.hold(SERVER_LOCK, timeout=_LOCK_SECONDS))
    except Unavailable:
        hub.storage.close()
        raise Unavailable(
            f"Another server runs on {hub.storage.root}. Stop it, or name another folder with --data; to use more "
            "processors, start one server with --workers."
        ) from None
    try:
        first = create_first_user(hub) if first_user and not settings.read_only else None
        return first, accounts.is_new(hub)
    finally:
        # The server processes open it for themselves: SQLite must not be carried over a fork.
        hub.storage.close()


def _server(settings: Settings) -> MPServer:
    return MPServer(
        "openshelf",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=_RECEIVE_BYTES),
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_allow_connections(),
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {"propagate": True}}},
        respawn_failed_workers=True,
        workers_kill_timeout=SHUTDOWN_SECONDS,
    )


def _allow_connections() -> int:
    """Take as many open files as the system lets this process have; returns how many may be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft // 2, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))


def _check_port_is_free(settings: Settings) -> None:
    """The server itself would share the port with whoever has it, and half of the requests would go astray."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = f"port {settings.port} of {settings.host}"
        if isinstance(error, PermissionError):
            advice = "ports below 1024 need special rights; choose a higher one with --port"
        else:
            advice = "stop what uses it, or choose another with --port"
        raise ConfigurationError(f"Openshelf cannot listen on {where}: {error.strerror}. Perhaps {advice}.") from error


def _pass_on(options: dict[str, Any]) -> None:
    """The server processes read their settings themselves; what the command line says reaches them so."""
    for name, value in options.items():
        if value is not None:
            os.environ[settings_module.PREFIX + name.upper()] = str(value)


def _die_with_parent(parent: int) -> None:
    """End this process when the one that started it is killed, so that the data folder and the port become free."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was killed before it could be asked for


def _address(settings: Settings) -> str:
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = settings.reachable_host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def _greet(settings: Settings, first: FirstUser | None, is_new: bool) -> None:
    url = _address(settings)
    click.echo(f"Openshelf {__version__} serves {settings.data.absolute()} at {url}\n")
    if is_new:
        click.echo(f"  Make the administrator's account at {url}/setup before anybody else does.\n")
        return
    if first is None:
        click.echo(f"  Sign in         {url}/login")
        click.echo(f"  Make a token    {url}/settings/tokens")
        click.echo(f"  Upload          HF_ENDPOINT={url} HF_TOKEN=YOUR_TOKEN hf upload OWNER/NAME ./folder\n")
        return
    click.echo("  The first administrator (shown this once; keep it):")
    click.echo(f"    Name        {first.name}\n    Password    {first.password}\n    Token       {first.token}\n")
    click.echo(f"  1. Sign in at {url}/login")
    click.echo("  2. Upload a folder with the client you already use (pip install huggingface_hub):\n")
    click.echo(f"     HF_ENDPOINT={url} HF_TOKEN={first.token} hf upload {first.name}/my-model ./folder\n")
    click.echo(f"  3. See it at {url}/{first.name}/my-model\n")
