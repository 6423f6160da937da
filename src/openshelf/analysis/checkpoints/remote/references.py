"""Names of checkpoints elsewhere: references to repos of a hub, and addresses of pages, folders and files.

A reference is ``owner/name``, then ``@`` and a branch, tag or commit, then ``:`` and a path in the repo. Repos that are
no models begin with their kind: ``datasets/owner/name``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

KINDS = ("models", "datasets", "spaces", "kernels")
DEFAULT_REVISION = "main"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REFERENCE = re.compile(
    rf"(?:hf://)?(?:(?P<kind>{'|'.join(KINDS)})/)?(?P<repo>{_NAME}/{_NAME})"
    r"(?:@(?P<revision>[^\s:@]{1,255}))?(?::(?P<path>[^\0\r\n]{1,4096}))?\Z"
)
_REPO = re.compile(rf"{_NAME}/{_NAME}\Z")
# What stands between a repo and a revision in the addresses of pages and files.
_PAGES = ("resolve", "tree", "blob", "raw")


@dataclass(frozen=True, slots=True)
class Reference:
    """A repo at a revision, and a file or folder in it (``""`` for the whole). ``endpoint`` where an address names it.

    ``address`` is the whole of an address that could also be that of a mere file.
    """

    kind: str
    repo: str
    revision: str = DEFAULT_REVISION
    path: str = ""
    endpoint: str | None = None
    address: str | None = None

    @property
    def api(self) -> str:
        """Where the hub answers about the repo, below the endpoint."""
        return f"/api/{self.kind}/{self.repo}"

    def resolve(self, revision: str, path: str) -> str:
        """Where the bytes of a file are, below the endpoint."""
        kind = "" if self.kind == "models" else f"/{self.kind}"
        return f"{kind}/{self.repo}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def __str__(self) -> str:
        kind = "" if self.kind == "models" else f"{self.kind}/"
        path = f":{self.path}" if self.path else ""
        return f"{kind}{self.repo}@{self.revision}{path}"


@dataclass(frozen=True, slots=True)
class Pin:
    """What a record says of a reference: the hub and the commit that it meant. Neither is known of a new one."""

    endpoint: str | None = None
    commit: str | None = None


def parse_reference(text: str) -> Reference | None:
    """None where ``text`` has not the form of a reference. Paths with ``..`` are not taken."""
    found = _REFERENCE.match(text)
    if found is None:
        return None
    path = (found["path"] or "").strip("/")
    if any(part in ("", ".", "..") for part in path.split("/")) and path:
        return None
    return Reference(found["kind"] or "models", found["repo"], found["revision"] or DEFAULT_REVISION, path)


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def parse_address(address: str, endpoint: str) -> Reference | None:
    """The repo that an address of a page, a folder or a file of a hub means; None where it has no such form.

    The hub begins at ``endpoint`` if the address does, else at the root of its host or where what is before the repo
    ends.
    """
    split = urlsplit(address)
    if split.username or split.password:
        return None
    origin = f"{split.scheme}://{split.netloc}"
    below, root = split.path, origin
    if address.startswith(endpoint + "/"):
        root = endpoint
        below = split.path[len(urlsplit(endpoint).path) :]
    parts = [part for part in below.split("/") if part]
    place = next((n for n, part in enumerate(parts) if part in _PAGES and n >= 2), None)
    if place is None:
        return _repo(root, parts, "", "", address)
    if len(parts) <= place + 1:
        return None
    revision, path = unquote(parts[place + 1]), "/".join(unquote(part) for part in parts[place + 2 :])
    if any(part in (".", "..") for part in path.split("/")):
        return None
    return _repo(root, parts[:place], revision, path, address)


def _repo(root: str, parts: list[str], revision: str, path: str, address: str) -> Reference | None:
    *before, owner, name = ["", *parts] if len(parts) >= 2 else ["", "", ""]
    before = [part for part in before if part]
    kind = before.pop() if before and before[-1] in KINDS else "models"
    repo = f"{owner}/{name}"
    if not _REPO.match(repo) or (before and not revision):
        return None
    endpoint = "/".join([root, *before])
    return Reference(kind, repo, revision or DEFAULT_REVISION, path, endpoint, address)


def shown_address(address: str) -> str:
    """An address without what lets others in: a password, or the signature that a query often is."""
    split = urlsplit(address)
    host = split.netloc.rpartition("@")[2]
    return f"{split.scheme}://{host}{split.path}{'?...' if split.query else ''}"


def origin_of(address: str) -> tuple[str, str, int]:
    """Scheme, host and port: what two addresses share that lead to the same server."""
    split = urlsplit(address)
    port = split.port or {"http": 80, "https": 443}.get(split.scheme, 0)
    return split.scheme, (split.hostname or "").lower(), port
