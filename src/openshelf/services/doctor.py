"""What is wrong with an installation, and how to mend it. Changes nothing."""

from __future__ import annotations

import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from openshelf.errors import ConfigurationError, OpenshelfError
from openshelf.services.handing_over import try_download
from openshelf.services.sizes import readable_size
from openshelf.settings import Settings
from openshelf.storage import inspection
from openshelf.storage.repositories.processes import git_path

LEAST_GIT = (2, 36)
LEAST_SQLITE = (3, 34, 0)
LEAST_FILES = 4096
LEAST_FREE_BYTES = 2_000_000_000
_RELEASED = datetime(2025, 1, 1, tzinfo=UTC)
_WAITS_TOO_LONG = timedelta(minutes=10)
_SECONDS = 3.0


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` says how to mend it, where it needs mending."""

    name: str
    state: State
    message: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Everything that can be seen from this machine."""
    root = settings.data.absolute()
    return [
        *_programs(),
        *_limits(),
        *_clock(),
        *_folder(root),
        *_server(settings, root),
        *_address(settings),
        *_proxy(settings, root),
    ]


def _ok(name: str, message: str) -> Finding:
    return Finding(name, State.OK, message)


def _warning(name: str, message: str, advice: str) -> Finding:
    return Finding(name, State.WARNING, message, advice)


def _problem(name: str, message: str, advice: str) -> Finding:
    return Finding(name, State.PROBLEM, message, advice)


def _programs() -> Iterator[Finding]:
    yield _ok("python", f"Python {platform.python_version()} at {sys.executable}")
    try:
        said = subprocess.run([git_path(), "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (ConfigurationError, OSError, subprocess.SubprocessError) as error:
        yield _problem("git", f"git cannot be run: {error}", "Install it: apt-get install git.")
    else:
        found = re.search(r"(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= LEAST_GIT:
            yield _ok("git", said.strip())
        else:
            least = ".".join(map(str, LEAST_GIT))
            yield _problem("git", f"{said.strip()} is too old", f"Install git {least} or newer.")
    if shutil.which("git-lfs"):
        yield _ok("git-lfs", "present")
    else:
        yield _ok("git-lfs", "not installed; the hub does not need it, only people who use git with large files do")
    version = inspection.database_version()
    text = ".".join(map(str, version))
    if version >= LEAST_SQLITE and inspection.can_search():
        yield _ok("sqlite", f"SQLite {text} with full-text search")
    else:
        advice = "Use a Python that is built with SQLite 3.34 or newer and FTS5."
        yield _problem("sqlite", f"SQLite {text} lacks the full-text index that search needs", advice)


def _limits() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        yield _ok("open files", f"up to {soft}")
    else:
        advice = f"Raise it before the start: ulimit -n {min(65536, hard)}, or LimitNOFILE in the systemd unit."
        yield _warning("open files", f"only {soft} at a time: many clients at once will be refused", advice)


def _clock() -> Iterator[Finding]:
    moment = datetime.now(UTC)
    if moment < _RELEASED:
        advice = "Set it, for example with systemd-timesyncd: tokens and signed addresses depend on it."
        yield _problem("clock", f"it says {moment:%Y-%m-%d %H:%M} UTC, before this release was made", advice)
    else:
        yield _ok("clock", f"{moment:%Y-%m-%d %H:%M} UTC")


def _folder(root: Path) -> Iterator[Finding]:
    if not inspection.is_data_folder(root):
        yield _warning("data folder", f"{root} is none yet", "The first `openshelf serve` makes it; or name another.")
        return
    try:
        folder = inspection.look_at_folder(root)
    except (OpenshelfError, OSError) as error:
        yield _problem("data folder", str(error), "Run this as the user that owns the folder, or restore a backup.")
        return
    yield from _rights(root, folder)
    yield from _room(folder)
    yield from _database(root)


def _rights(root: Path, folder: inspection.Folder) -> Iterator[Finding]:
    if not folder.is_writable:
        yield _problem("data folder", f"{root} cannot be written to", "Run the hub as the folder's owner.")
    elif not folder.is_mine:
        advice = "Run commands as that user (sudo -u); else files arise that the hub cannot read."
        yield _warning("data folder", f"{root} belongs to another user", advice)
    elif folder.mode & 0o007:
        advice = f"Close it: chmod o-rwx {root}"
        yield _warning("data folder", f"every user of this machine may look into {root}", advice)
    else:
        yield _ok("data folder", str(root))
    if folder.network_file_system:
        advice = "Put the data on a local disk: SQLite and the hub's locks do not hold over a network."
        yield _problem("file system", f"{root} is on {folder.network_file_system}", advice)
    if folder.secret_mode is None:
        yield _problem(
            "secret key", "secret.key is missing", "Restore it from a backup, or let the next start make one."
        )
    elif folder.secret_mode & 0o077:
        advice = f"Close it: chmod 600 {root / 'secret.key'}"
        yield _problem("secret key", f"others may read it (mode {folder.secret_mode:o})", advice)
    else:
        yield _ok("secret key", "readable by its owner alone")


def _room(folder: inspection.Folder) -> Iterator[Finding]:
    free = f"{readable_size(folder.free_bytes)} of {readable_size(folder.total_bytes)} are free"
    if folder.free_bytes < LEAST_FREE_BYTES // 10:
        yield _problem("disk", free, "Make room, for example with `openshelf gc`; uploads will soon fail.")
    elif folder.free_bytes < max(LEAST_FREE_BYTES, folder.total_bytes // 20):
        yield _warning("disk", free, "Make room, for example with `openshelf gc`, or use a larger disk.")
    else:
        yield _ok("disk", free)
    if folder.temporary_files and not folder.server_runs:
        left = f"{folder.temporary_files} interrupted uploads hold {readable_size(folder.temporary_bytes)}"
        yield _warning("leftovers", left, "The server removes them after two days; `openshelf gc --run` does too.")


def _database(root: Path) -> Iterator[Finding]:
    try:
        database = inspection.look_at_database(root)
    except OpenshelfError as error:
        yield _problem("catalogue", str(error), "Restore a backup: the folder backups holds those made by upgrades.")
        return
    if database.schema == database.wanted:
        yield _ok("catalogue", f"schema {database.schema}")
    elif database.schema is None or (database.wanted or "") > database.schema:
        advice = "The next start brings it up to date, after a backup."
        yield _warning("catalogue", f"schema {database.schema}, and this release uses {database.wanted}", advice)
    else:
        advice = "Install the newer release again, or restore a backup of before."
        yield _problem("catalogue", f"schema {database.schema} is of a newer release", advice)
    moment = datetime.now(UTC)
    if database.newest_event and database.newest_event > moment + timedelta(minutes=5):
        advice = "Set the clock: it went back, or was wrong before."
        yield _problem(
            "clock", f"the newest event in the catalogue is of {database.newest_event:%Y-%m-%d %H:%M}", advice
        )
    if database.oldest_waiting and moment - database.oldest_waiting > _WAITS_TOO_LONG:
        since = f"{database.waiting_jobs} jobs wait, the oldest since {database.oldest_waiting:%Y-%m-%d %H:%M} UTC"
        yield _warning("jobs", since, "Start the server, or `openshelf worker` where embedded_worker is off.")


def _server(settings: Settings, root: Path) -> Iterator[Finding]:
    host = settings.reachable_host
    where = f"port {settings.port} of {settings.host}"
    runs = inspection.is_data_folder(root) and inspection.look_at_folder(root).server_runs
    answer = _ask(f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz")
    if answer == "ok":
        yield _ok("server", f"answers at {where}")
    elif runs:
        advice = (
            "If it was started with another --host or --port, all is well; else look at its log, or start it again."
        )
        yield _warning("server", f"runs on this data folder, but does not answer at {where} ({answer})", advice)
    elif _is_taken(host, settings.port):
        advice = "Stop that program, or choose another port with --port."
        yield _problem("server", f"does not run, and another program has {where}", advice)
    else:
        yield _ok("server", f"does not run; {where} is free")


def _address(settings: Settings) -> Iterator[Finding]:
    if not settings.public_url:
        if not _is_local(settings.host):
            advice = "Put a proxy with TLS in front, and set public_url to its https address."
            yield _warning("address", f"{settings.host} is reached without encryption: tokens can be read", advice)
        return
    url = urlsplit(settings.public_url)
    if url.scheme == "http" and not _is_local(url.hostname or ""):
        advice = "Put a proxy with TLS in front, and write https in public_url."
        yield _warning("address", f"{settings.public_url} is not encrypted: tokens can be read on the way", advice)
    if url.scheme == "https" and not settings.trust_forwarded:
        advice = "Set trust_forwarded to true if the proxy sets X-Forwarded-For, so that limits count each client."
        yield _warning("address", "all clients seem to come from the proxy", advice)
    answer = _ask(settings.public_url.rstrip("/") + "/healthz")
    if answer == "ok":
        yield _ok("address", f"{settings.public_url} answers")
    else:
        advice = "Start the server, or correct public_url, the proxy or the name server."
        yield _warning("address", f"{settings.public_url} does not answer as this hub does: {answer}", advice)


def _proxy(settings: Settings, root: Path) -> Iterator[Finding]:
    if not settings.accel_location:
        return
    if not settings.public_url:
        advice = "Set public_url to the address that nginx has."
        yield _warning("nginx", "accel_location is set and public_url is not, so the way cannot be tried", advice)
        return
    try:
        trial = try_download(root, settings.public_url, settings.accel_location)
    except (OpenshelfError, OSError) as error:
        yield _warning("nginx", f"the way cannot be tried: {error}", "See the lines above.")
        return
    if trial.problem is None:
        yield _ok("nginx", "nothing is stored yet that could be tried")
    elif trial.problem:
        yield _problem("nginx", trial.problem, trial.advice)
    else:
        yield _ok("nginx", "sends stored files for the hub")


def _ask(url: str) -> str:
    """``ok`` where a hub answers at ``url``, else what happens instead."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS) as response:
            body = response.read(100)
            return "ok" if body.strip() == b"ok" else "it is something else"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _is_taken(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
