"""Every error that Openshelf raises on purpose.

    OpenshelfError
    ├── NotFound                   what was asked for is not there, or the actor may not know that it is
    │   ├── RepoNotFound
    │   ├── RevisionNotFound
    │   ├── EntryNotFound
    │   ├── BlobNotFound
    │   ├── PullNotFound
    │   ├── PageNotFound           a list that is shorter than the page of it that was asked for
    │   └── AccountNotFound
    ├── AccessDenied
    │   ├── NotSignedIn            nobody is signed in and somebody must be
    │   ├── BadCredentials         a password, token or signature that is wrong or has expired
    │   └── Forbidden              signed in, may know of it, may not do it
    ├── Conflict
    │   ├── AlreadyExists
    │   └── StaleParent            the branch moved since the caller looked
    ├── Invalid                    the request itself is wrong; trying again does not help
    │   ├── InvalidName
    │   ├── InvalidPath
    │   ├── InvalidChange
    │   ├── InvalidUpload          bytes that are not what they were said to be
    │   └── InvalidRange
    ├── LimitExceeded
    │   ├── TooLarge
    │   ├── QuotaExceeded
    │   └── RateLimited            carries retry_after, in seconds
    ├── Unavailable                try again later: busy, read-only, starting
    │   ├── DiskFull               the hub has no room for what was sent
    │   └── ReadOnlyHub            nothing can be changed at the moment
    ├── Unsupported                part of a protocol that this hub does not offer
    ├── StorageFault               stored bytes are missing or are not what they should be
    │   └── DamagedBytes           they are there, and were changed on disk
    └── ConfigurationError         a setting or the installation is wrong

A message says what happened, to what, and what to do next. Nothing here knows of HTTP: each interface
translates the tree into its own protocol.
"""

from __future__ import annotations


class OpenshelfError(Exception):
    """The root of the tree; ``str(error)`` is a message for the person who asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(OpenshelfError):
    """What was asked for is not there, or the actor may not know that it is."""


class RepoNotFound(NotFound):
    """No such repo for this actor: a private repo and a missing one give the same message."""

    def __init__(self, repo_id: str = "") -> None:
        super().__init__("Repository not found" + (f": {repo_id}" if repo_id else ""))


class RevisionNotFound(NotFound):
    def __init__(self, revision: str) -> None:
        super().__init__(f"Invalid rev id: {revision}")
        self.revision = revision


class EntryNotFound(NotFound):
    """No such path. ``commit`` is the commit that was looked at; clients cache the absence by it."""

    def __init__(self, message: str, commit: str | None = None) -> None:
        super().__init__(message)
        self.commit = commit


class BlobNotFound(NotFound):
    def __init__(self, sha256: str) -> None:
        super().__init__(f"No blob {sha256} is stored for this repository; upload it and try again.")


class PullNotFound(NotFound):
    def __init__(self, number: int) -> None:
        super().__init__(f"There is no pull request or discussion number {number} in this repository.")


class PageNotFound(NotFound):
    """``number`` counts from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(f"This list ends before page {number}; ask for an earlier page.")
        self.number = number


class AccountNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no user or organisation called {name}.")


class AccessDenied(OpenshelfError):
    """The actor may not do this."""


class NotSignedIn(AccessDenied):
    def __init__(self, message: str = "Sign in, or send a token, to do this.") -> None:
        super().__init__(message)


class BadCredentials(AccessDenied):
    """A password, token or signature that is wrong, revoked or expired."""


class Forbidden(AccessDenied):
    """Signed in and allowed to know of the thing, but not to do this to it."""


class Conflict(OpenshelfError):
    """The request cannot be done in the state that things are in."""


class AlreadyExists(Conflict):
    """``name`` is the canonical name of what is in the way."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class StaleParent(Conflict):
    """The branch is no longer at the parent that the commit was made for."""

    def __init__(self) -> None:
        super().__init__("The branch was updated since you opened this page. Please refresh and try again.")


class Invalid(OpenshelfError):
    """The request is wrong in itself."""


class InvalidName(Invalid):
    """A repo, account, branch or tag name that breaks the rules."""


class InvalidPath(Invalid):
    """A path that may not be in a repo."""


class InvalidChange(Invalid):
    """A commit that cannot be made as it is."""


class InvalidUpload(Invalid):
    """Bytes that are not what their name, size or format says."""


class InvalidRange(Invalid):
    """A byte range outside the file. ``size`` is the size of the file in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The requested range is outside the file, which has {size} bytes.")
        self.size = size


class LimitExceeded(OpenshelfError):
    """A limit of this hub is in the way."""


class TooLarge(LimitExceeded):
    """One thing is larger than the hub takes."""


class QuotaExceeded(LimitExceeded):
    """The owner's storage quota is used up."""


class RateLimited(LimitExceeded):
    """Too many requests. ``retry_after`` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(OpenshelfError):
    """Not now: busy, read-only or starting."""


class ReadOnlyHub(Unavailable):
    """Nothing can be changed until the maintenance is over; ``reason`` is what the administrators tell people."""

    def __init__(self, reason: str = "") -> None:
        why = f" {reason.rstrip('.')}." if reason else ""
        super().__init__(f"This hub is read-only at the moment, for maintenance.{why} Try again later.")
        self.reason = reason


class DiskFull(Unavailable):
    """There is no room to keep what was sent; nothing of it was kept."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "The disk of this hub is full, so this was not stored. What is stored can be read; try again when the "
            "administrator has made room."
        )


class Unsupported(OpenshelfError):
    """A part of a protocol that this hub does not offer."""


class StorageFault(OpenshelfError):
    """Stored bytes are missing or damaged."""


class DamagedBytes(StorageFault):
    """Stored bytes are not what was stored: sending the same file again replaces them. ``what`` they are, and how."""

    def __init__(self, what: str, how: str) -> None:
        super().__init__(f"The {what} is damaged: {how}. `openshelf scrub` tells what is concerned.")


class ConfigurationError(OpenshelfError):
    """A setting or the installation is wrong."""
