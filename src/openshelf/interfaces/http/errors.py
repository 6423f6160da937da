"""The error tree in HTTP: a status, and the code by which Hub clients choose their exception."""

from __future__ import annotations

from openshelf import errors
from openshelf.errors import OpenshelfError

# The first class that an error is an instance of decides.
_STATUS: tuple[tuple[type[OpenshelfError], int], ...] = (
    (errors.NotFound, 404),
    (errors.NotSignedIn, 401),
    (errors.BadCredentials, 401),
    (errors.AccessDenied, 403),
    (errors.StaleParent, 412),
    (errors.Conflict, 409),
    (errors.InvalidPath, 422),
    (errors.InvalidChange, 422),
    (errors.InvalidRange, 416),
    (errors.Invalid, 400),
    (errors.RateLimited, 429),
    (errors.LimitExceeded, 413),
    (errors.DiskFull, 507),
    (errors.Unavailable, 503),
    (errors.Unsupported, 501),
    (errors.OpenshelfError, 500),
)

_CODE: tuple[tuple[type[OpenshelfError], str], ...] = (
    (errors.RepoNotFound, "RepoNotFound"),
    (errors.RevisionNotFound, "RevisionNotFound"),
    (errors.EntryNotFound, "EntryNotFound"),
)


def status_of(error: OpenshelfError) -> int:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def code_of(error: OpenshelfError) -> str | None:
    """The value of ``X-Error-Code``, where Hub clients know one for this error."""
    return next((code for kind, code in _CODE if isinstance(error, kind)), None)


def public_message(error: OpenshelfError) -> str:
    """What may be told to anybody: faults of the hub itself are for its log."""
    if isinstance(error, errors.DamagedBytes):
        return (
            "What this hub has stored of this file was damaged on disk, so it is not sent. The administrator can see "
            "it; whoever has the file can mend it by uploading it again."
        )
    if isinstance(error, errors.StorageFault | errors.ConfigurationError):
        return "The hub cannot read what it has stored. The fault is logged; tell the administrator the request id."
    return error.message


def headers_of(error: OpenshelfError) -> dict[str, str]:
    """Headers that belong to an error in every protocol."""
    headers = {}
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(error.retry_after)
        headers["RateLimit"] = f'"api";r=0;t={error.retry_after}'
    if isinstance(error, errors.InvalidRange):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = "30"
    return headers


def header_text(text: str) -> str:
    """``text`` as a header may carry it: one line of Latin-1, at most 1000 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:1000]
    return line.encode("latin-1", "replace").decode("latin-1")
