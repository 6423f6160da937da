"""The addresses of pages. Every part is encoded, so that any name can stand in any place."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import DEFAULT_BRANCH, Repo


def owner(name: str) -> str:
    return f"/{quote(name, safe='')}"


def kind(which: RepoKind) -> str:
    """The list of all repos of one kind."""
    return f"/{which.plural}"


def repo(of: Repo) -> str:
    return f"/{of.kind.url_prefix}{quote(of.owner, safe='')}/{quote(of.name, safe='')}"


def tree(of: Repo, revision: str = DEFAULT_BRANCH, path: str = "") -> str:
    return _at(of, "tree", revision, path)


def blob(of: Repo, revision: str, path: str) -> str:
    return _at(of, "blob", revision, path)


def resolve(of: Repo, revision: str, path: str, *, download: bool = False) -> str:
    """Where the bytes of a file are."""
    return _at(of, "resolve", revision, path) + ("?download=true" if download else "")


def upload(of: Repo, revision: str = DEFAULT_BRANCH, folder: str = "") -> str:
    """Where files are sent from the browser."""
    return _at(of, "upload", revision, folder)


def new_file(of: Repo, revision: str = DEFAULT_BRANCH, folder: str = "") -> str:
    return _at(of, "new", revision, folder)


def edit(of: Repo, revision: str, path: str) -> str:
    return _at(of, "edit", revision, path)


def delete(of: Repo, revision: str, path: str) -> str:
    """The page that asks before a file or folder goes."""
    return _at(of, "delete", revision, path)


def commits(of: Repo, revision: str = DEFAULT_BRANCH, path: str = "") -> str:
    """The history of a revision, or of one file or folder in it."""
    return _at(of, "commits", revision, path)


def commit(of: Repo, commit_id: str) -> str:
    return _at(of, "commit", commit_id, "")


def compare(of: Repo, base: str, head: str, *, since_parting: bool = True) -> str:
    """The difference of two revisions; ``since_parting`` leaves out what the base alone has changed since."""
    return _at(of, "compare", f"{base}{'...' if since_parting else '..'}{head}", "")


def branches(of: Repo) -> str:
    """Branches and tags."""
    return f"{repo(of)}/branches"


def administration_quota(name: str) -> str:
    return f"/administration/quotas/{quote(name, safe='')}"


def with_query(path: str, **values: object) -> str:
    """``path`` with those of ``values`` that say something."""
    said = {name: value for name, value in values.items() if value not in (None, "", 0, [], ())}
    return f"{path}?{urlencode(said, doseq=True)}" if said else path


def local(text: str, default: str = "/") -> str:
    """``text`` where it is a path on this hub, else ``default``; what ``next`` in an address may say."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    is_plain = len(text) <= 2000 and text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    return text if is_path and is_plain else default


def _at(of: Repo, what: str, revision: str, path: str) -> str:
    place = f"{repo(of)}/{what}/{quote(revision, safe='')}"
    return f"{place}/{quote(path, safe='/')}" if path else place
