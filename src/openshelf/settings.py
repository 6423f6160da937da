"""Every setting once: name, type, default and help. The only module that reads the environment.

A value comes from, in rising order: the default, the TOML file ``openshelf.toml`` in the data folder, the
environment (``OPENSHELF_`` and the name in capitals), the command line.
"""

from __future__ import annotations

import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from openshelf.errors import ConfigurationError

FILE_NAME = "openshelf.toml"
PREFIX = "OPENSHELF_"

MB = 1_000_000
GB = 1_000 * MB

_TRUE = frozenset(("1", "true", "yes", "on"))
_FALSE = frozenset(("0", "false", "no", "off"))


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of one process. Sizes are in bytes, times in seconds where not named otherwise."""

    data: Path = _setting(Path("var"), "The folder that holds everything the hub keeps.")
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8000, "The port to listen on.")
    workers: int = _setting(1, "How many server processes to run.")
    public_url: str = _setting(
        "", "The address that clients use, such as https://hub.example.org; empty takes it from each request."
    )
    trust_forwarded: bool = _setting(
        False,
        "Whether to believe X-Forwarded-Proto, -Host and -For; switch it on only behind a proxy that sets them.",
    )
    allowed_hosts: str = _setting(
        "",
        "Names besides that in public_url under which the hub may be asked, with commas between them. IP addresses and "
        "localhost always may; empty without public_url: every name, unless the hub listens on this machine alone.",
    )
    accel_location: str = _setting(
        "",
        "The internal location of an nginx in front that sends stored files for the hub, such as /stored/; "
        "empty: the hub sends them itself.",
    )
    hub_name: str = _setting("Openshelf", "The name that the pages show.")
    registration: Literal["open", "invite", "closed"] = _setting(
        "closed", "Who may make an account by themselves: everybody, those with an invitation, or nobody."
    )
    default_visibility: Literal["public", "private"] = _setting(
        "public", "The visibility of a new repository where its owner has not chosen one."
    )
    read_only: bool = _setting(False, "Refuse every change, for maintenance; reading goes on.")
    quota_bytes: int = _setting(0, "Storage that each user or organisation may use; 0 is without limit.")
    max_file_bytes: int = _setting(0, "The largest single file that is taken; 0 is without limit.")
    max_inline_bytes: int = _setting(10 * 1024 * 1024, "Files above this size must be stored outside git (LFS or Xet).")
    max_commit_bytes: int = _setting(1 * GB, "The largest body of one commit request.")
    max_push_bytes: int = _setting(10 * GB, "The largest pack that one git push may send.")
    lfs_part_bytes: int = _setting(1 * GB, "Files above this size are uploaded by LFS in parts of this size.")
    rate_limit_requests: int = _setting(
        20_000, "Requests that one signed-in account may send in five minutes; 0 is without limit."
    )
    rate_limit_anonymous: int = _setting(
        3_000, "Requests that one address may send in five minutes without signing in; 0 is without limit."
    )
    rate_limit_sign_in: int = _setting(
        20,
        "Failed sign-ins by one address in five minutes; for one account, ten times as many by all addresses together.",
    )
    session_days: int = _setting(30, "Days until a browser must sign in again.")
    session_idle_days: int = _setting(
        14, "Days without a visit until a browser must sign in again; 0 leaves it to session_days."
    )
    invite_days: int = _setting(7, "Days that an invitation can be used.")
    xet_token_seconds: int = _setting(900, "How long a Xet token is valid.")
    signed_url_seconds: int = _setting(3600, "How long a signed upload or download address is valid.")
    dedup_scope: Literal["readable", "repo"] = _setting(
        "readable",
        "What an upload may be deduplicated against: everything its sender may read, or its own repository alone.",
    )
    gc_grace_days: int = _setting(
        30,
        "Days that unreferenced bytes are kept; never less than the 21 days that clients remember uploads.",
    )
    scrub_days: int = _setting(
        7,
        "Days from the end of one reading of everything that is stored to the beginning of the next; 0 leaves it to "
        "`openshelf scrub`.",
    )
    scrub_bytes_per_second: int = _setting(
        50 * MB, "How much of what is stored is read again each second in the background; 0 is without limit."
    )
    embedded_worker: bool = _setting(True, "Run background jobs inside the server; else start `openshelf worker`.")
    job_threads: int = _setting(2, "Background jobs that one worker runs at the same time.")
    reconcile_seconds: int = _setting(3600, "Seconds between two comparisons of git with the catalogue.")
    git_processes: int = _setting(8, "git processes that serve clones and fetches at the same time.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "How much is logged.")
    log_format: Literal["text", "json"] = _setting("text", "Logs for people or for programs.")

    @property
    def reachable_host(self) -> str:
        """The address under which this machine itself reaches the server."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting as ``openshelf settings`` shows it; ``source`` says where the value came from."""

    name: str
    type_name: str
    default: Any
    value: Any
    source: str
    help: str


def load(
    overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Settings, tuple[SettingValue, ...]]:
    """The effective settings and, for each, where it came from.

    ``overrides`` are values from the command line; None values are ignored.
    Raises ConfigurationError for an unknown name or a value of the wrong type.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    types_ = typing.get_type_hints(Settings)
    sources: dict[str, str] = {}
    values: dict[str, Any] = {}

    def take(name: str, value: Any, source: str) -> None:
        values[name] = _convert(name, types_[name], value, source)
        sources[name] = source

    known = {f.name for f in fields(Settings)}
    env = {k.removeprefix(PREFIX).lower(): v for k, v in environment.items() if k.startswith(PREFIX)}
    data = Path(given.get("data") or env.get("data") or Settings().data)
    path = data / FILE_NAME
    for name, value in _read_file(path).items():
        if name not in known or name == "data":
            raise ConfigurationError(f"{path}: there is no setting called {name!r}; see `openshelf settings`.")
        take(name, value, str(path))
    for name, value in env.items():
        if name in known:
            take(name, value, f"{PREFIX}{name.upper()}")
    for name, value in given.items():
        take(name, value, "command line")
    settings = replace(Settings(), **values)
    _check(settings)
    return settings, tuple(
        SettingValue(
            name=f.name,
            type_name=_type_name(types_[f.name]),
            default=f.default,
            value=getattr(settings, f.name),
            source=sources.get(f.name, "default"),
            help=f.metadata["help"],
        )
        for f in fields(Settings)
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _convert(name: str, wanted: Any, value: Any, source: str) -> Any:
    def wrong(expected: str) -> ConfigurationError:
        return ConfigurationError(f"{source}: {name} is {value!r}, but must be {expected}.")

    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise wrong("one of " + ", ".join(get_args(wanted)))
        return value
    if wanted is bool:
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }
        if isinstance(value, bool):
            return value
        if str(value).lower() not in words:
            raise wrong("true or false")
        return words[str(value).lower()]
    if wanted is int:
        try:
            number = int(str(value).replace("_", ""))
        except ValueError:
            raise wrong("a whole number") from None
        if number < 0:
            raise wrong("zero or more")
        return number
    return Path(value) if wanted is Path else str(value)


def _type_name(wanted: Any) -> str:
    if get_origin(wanted) is Literal:
        return " or ".join(get_args(wanted))
    if isinstance(wanted, types.UnionType):
        return str(wanted)
    return {Path: "path", int: "number", str: "text", bool: "true or false"}[wanted]


def _check(settings: Settings) -> None:
    if settings.gc_grace_days < 22:
        raise ConfigurationError(
            "gc_grace_days must be at least 22: clients remember what they uploaded for 21 days and would "
            "refer to bytes that are gone."
        )
    if settings.signed_url_seconds < 60:
        raise ConfigurationError(
            "signed_url_seconds must be at least 60: clients wait some seconds before they use a new address."
        )
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise ConfigurationError("public_url must begin with http:// or https://.")
    if settings.accel_location and not settings.accel_location.startswith("/"):
        raise ConfigurationError("accel_location must be a path that nginx knows as internal, such as /stored/.")
    if settings.workers < 1 or not 0 < settings.port < 65536:
        raise ConfigurationError("workers must be at least 1 and port between 1 and 65535.")
