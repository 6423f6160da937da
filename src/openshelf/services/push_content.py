"""What a git push may bring: its paths, the sizes of its files, and the blobs that its pointers name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openshelf.domain.access import read_scope
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import MAX_POINTER_BYTES, Blob
from openshelf.errors import BlobNotFound, InvalidUpload
from openshelf.services.accept import check_blobs
from openshelf.services.hub import Hub
from openshelf.services.sizes import readable_size
from openshelf.storage.catalogue import blobs
from openshelf.storage.repositories import GitRepository
from openshelf.storage.repositories.incoming import changed_paths

SHOWN = 10
REPORT_EVERY = 20_000
_MIN_POINTER_BYTES = 100
_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a push is not taken: ``reason`` in a few words, ``lines`` with what to do."""

    reason: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """The first few of each kind of problem, and how many there are."""

    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.shown) < SHOWN and text not in self.shown:
            self.shown.append(text)

    def lines(self, prefix: str = "  ") -> list[str]:
        more = self.count - len(self.shown)
        return [prefix + text for text in self.shown] + ([f"{prefix}and {more} more"] if more > 0 else [])


def check_content(
    hub: Hub,
    actor: Actor,
    repo: Repo,
    git: GitRepository,
    tips: Sequence[str],
    known: Sequence[str],
    say: Callable[[str], None],
) -> tuple[Refusal | None, list[str]]:
    """Look at all that ``tips`` bring and ``known`` do not have.

    Returns why it is refused, or None, and the sha256 of the blobs that it names. Raises QuotaExceeded,
    InvalidUpload, TooLarge.
    """
    look = _Look(git, hub.settings.max_inline_bytes)
    for number, change in enumerate(changed_paths(git, tips, known), 1):
        if change.wrong:
            look.wrong.add(change.wrong)
        elif change.is_submodule:
            look.submodules.add(change.path)
        else:
            look.file(change.commit, change.path, change.oid)
        if number % REPORT_EVERY == 0:
            say(f"Checked {number} files ...")
    refusal = _wrong_paths(look) or _too_large(look, hub.settings.max_inline_bytes)
    if refusal is None:
        refusal = _missing_blobs(hub, actor, repo, look.pointers)
    return refusal, sorted(blob.sha256 for blob in look.pointers)


class _Look:
    """Gathers what is wrong, and the pointers, file by file."""

    def __init__(self, git: GitRepository, limit: int) -> None:
        self._git = git
        self._limit = limit
        self._seen: set[str] = set()
        self.wrong, self.submodules, self.large = _Found(), _Found(), _Found()
        self.large_paths: list[str] = []
        self.pointers: dict[Blob, str] = {}

    def file(self, commit: str, path: str, oid: str) -> None:
        if oid in self._seen:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(oid)
        kind, size = self._git.header(oid)
        if kind != "blob":
            raise InvalidUpload(f"{path} in commit {commit} names a {kind}, not a file.")
        if size > self._limit:
            self.large.add(f"{path} ({readable_size(size)}, in commit {commit[:10]})")
            if len(self.large_paths) < SHOWN and path not in self.large_paths:
                self.large_paths.append(path)
        elif _MIN_POINTER_BYTES < size <= MAX_POINTER_BYTES:
            blob = Blob.from_pointer(self._git.read(oid))
            if blob:
                self.pointers.setdefault(blob, path)


def _wrong_paths(look: _Look) -> Refusal | None:
    if look.wrong.count:
        return Refusal(look.wrong.shown[0], ("These paths cannot be kept here; rename them:", *look.wrong.lines()))
    if look.submodules.count:
        lines = look.submodules.lines()
        advice = "Submodules cannot be kept here; put their files in their place, or push them as repositories:"
        return Refusal(f"{look.submodules.shown[0]} is a submodule", (advice, *lines))
    return None


def _too_large(look: _Look, limit: int) -> Refusal | None:
    if not look.large.count:
        return None
    many = look.large.count > len(look.large_paths)
    include = f"--above={limit // 1000}kb" if many else "--include=" + shlex.quote(",".join(look.large_paths))
    lines = (
        f"Files above {readable_size(limit)} must be kept in LFS, and these are not:",
        *look.large.lines(),
        "Move them there, in all the commits that are not pushed yet, and push again:",
        "  git lfs install",
        f"  git lfs migrate import {include}",
        "  git push",
    )
    what = "1 file is" if look.large.count == 1 else f"{look.large.count} files are"
    return Refusal(f"{what} above {readable_size(limit)} and not in LFS", lines)


def _missing_blobs(hub: Hub, actor: Actor, repo: Repo, pointers: dict[Blob, str]) -> Refusal | None:
    """Raises QuotaExceeded."""
    digests = [blob.sha256 for blob in pointers]
    with hub.storage.catalogue.read() as tx:
        found = blobs.visible(tx, read_scope(actor), repo.id, digests)
    whole = {sha256 for sha256, row in found.items() if row.damage is None}
    missing = [path for blob, path in pointers.items() if blob.sha256 not in whole]
    if missing:
        number = "1 LFS object is" if len(missing) == 1 else f"{len(missing)} LFS objects are"
        advice = (f"{number} missing, for example that of {missing[0]}; send them, then push again:",)
        return Refusal(f"{number} missing", (*advice, "  git lfs push --all origin", "  git push"))
    for blob, path in pointers.items():
        if found[blob.sha256].size != blob.size:
            size = found[blob.sha256].size
            reason = f"{path} points to an LFS object of {blob.size} bytes, but that has {size}"
            return Refusal(reason, (f"{reason}; write the pointer again with `git lfs track` and `git add`.",))
    try:
        check_blobs(hub, actor, repo, pointers)
    except (BlobNotFound, InvalidUpload) as error:
        return Refusal(error.message, (error.message,))
    return None
