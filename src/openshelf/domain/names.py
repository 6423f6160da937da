"""Names: repo kinds, repo ids, account names, refs and paths, and the rules for each."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from openshelf.errors import Invalid, InvalidName, InvalidPath

MAX_REPO_ID = 96
MAX_PATH_BYTES = 4096
MAX_PATH_PART_BYTES = 255
MAX_PATH_DEPTH = 64

RESERVED_OWNERS = frozenset(
    "administration api assets buckets collections datasets docs favicon.ico healthz info join kernels login logout "
    "metrics models new notifications oauth openapi.json organizations readyz robots.txt search settings "
    "setup signin signout signup spaces static tokens uploads users v1 v2 well-known xet".split()
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_ACCOUNT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_PULL_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})\Z")
_DRIVE = re.compile(r"[A-Za-z]:")
# Characters that HFS+ leaves out when it compares names.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


class RepoKind(StrEnum):
    """What a repo holds. The value is the word in texts, ``plural`` the word in addresses."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"
    KERNEL = "kernel"

    @property
    def plural(self) -> str:
        return self.value + "s"

    @property
    def url_prefix(self) -> str:
        """What stands before ``owner/name`` in page and git addresses: empty for models."""
        return "" if self is RepoKind.MODEL else self.plural + "/"

    @classmethod
    def of(cls, word: str | None) -> RepoKind:
        """The kind called ``word``, singular or plural; a model where nothing is said."""
        if word is None:
            return cls.MODEL
        try:
            return cls(word.lower().removesuffix("s"))
        except ValueError:
            kinds = ", ".join(kind.value for kind in cls)
            raise InvalidName(f"{word!r} is not a kind of repository; use one of {kinds}.") from None


@dataclass(frozen=True, slots=True)
class RepoId:
    """``owner/name`` as written by somebody; matched without regard to case."""

    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def key(self) -> str:
        return str(self).lower()

    @classmethod
    def parse(cls, text: str) -> RepoId:
        owner, slash, name = text.partition("/")
        if not slash or "/" in name:
            raise InvalidName(f"{text!r} is not a repository id; write it as owner/name.")
        return cls(owner, name)


def check_repo_name(owner: str, name: str) -> None:
    """Raises InvalidName unless ``owner/name`` may name a new repo."""
    text = f"{owner}/{name}"
    rule = None
    if len(text) > MAX_REPO_ID:
        rule = f"it is {len(text)} characters long and {MAX_REPO_ID} are allowed"
    elif not _NAME.match(name):
        rule = "use letters, digits, '-', '_' and '.', beginning with a letter or digit"
    elif name.endswith((".", "-")):
        rule = "it may not end with '.' or '-'"
    elif "--" in name or ".." in name:
        rule = "'--' and '..' are not allowed in it"
    elif name.lower().endswith((".git", ".ipynb")):
        rule = "it may not end with .git or .ipynb"
    if rule:
        raise InvalidName(f"{text!r} cannot name a repository: {rule}.")


def check_account_name(name: str) -> None:
    """Raises InvalidName unless ``name`` may name a new user or organisation."""
    rule = None
    if not 2 <= len(name) <= 42:
        rule = "it must have 2 to 42 characters"
    elif not _ACCOUNT.match(name) or "--" in name:
        rule = "use letters, digits and single '-', beginning and ending with a letter or digit"
    elif name.lower() in RESERVED_OWNERS:
        rule = "the hub uses this word itself"
    if rule:
        raise InvalidName(f"{name!r} cannot name a user or organisation: {rule}.")


def is_commit_id(text: str) -> bool:
    return bool(_COMMIT.match(text))


def pull_number(ref: str) -> int | None:
    """N where ``ref`` is ``refs/pr/N``, else None."""
    match = _PULL_REF.match(ref)
    return int(match[1]) if match else None


def check_ref_name(name: str, what: str = "branch") -> None:
    """Raises InvalidName unless git takes ``name`` as the last part of a ref (git-check-ref-format)."""
    parts = name.split("/")
    bad = (
        not name
        or len(name.encode()) > 240
        or any(ord(c) < 32 or ord(c) == 127 or c in " ~^:?*[\\" for c in name)
        or ".." in name
        or "@{" in name
        or name == "@"
        or name.startswith("-")
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
        or name.startswith("refs/")
    )
    if bad:
        raise InvalidName(f"{name!r} cannot name a {what}: git does not allow it as a ref name.")
    if is_commit_id(name):
        raise InvalidName(f"{name!r} cannot name a {what}: it looks like a commit id.")


def check_text(text: str, what: str) -> str:
    """``text`` itself; raises Invalid where git or the catalogue could not keep it as it is."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Invalid(f"{what} holds characters that are not text; take them out and try again.")
    return text


def check_path(path: str) -> str:
    """``path`` itself, in NFC-independent form as given; raises InvalidPath with the reason.

    A path is relative, uses '/', and no part is empty, '.', '..' or '.git'.
    """
    rule = None
    parts = path.split("/")
    if not path:
        rule = "it is empty"
    elif len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        rule = f"it is longer than {MAX_PATH_BYTES} bytes"
    elif "\\" in path:
        rule = "use '/' between folders, not '\\'"
    elif any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        rule = "it has a control character in it"
    elif _DRIVE.match(path):
        rule = "it begins with a drive letter"
    elif len(parts) > MAX_PATH_DEPTH:
        rule = f"it is more than {MAX_PATH_DEPTH} folders deep"
    elif any(part in ("", ".", "..") for part in parts):
        rule = "no part of it may be empty, '.' or '..'"
    elif any(_is_dot_git(part) for part in parts):
        rule = "'.git' belongs to git"
    elif any(len(part.encode()) > MAX_PATH_PART_BYTES for part in parts):
        rule = f"one part of it is longer than {MAX_PATH_PART_BYTES} bytes"
    if rule:
        raise InvalidPath(f"{path!r} cannot be the path of a file: {rule}.")
    return path


def _is_dot_git(part: str) -> bool:
    """Whether some file system takes ``part`` for ``.git``: NTFS drops trailing spaces and dots and knows streams."""
    name = _IGNORED.sub("", part).lower().partition(":")[0].rstrip(" .")
    return name in (".git", "git~1")
