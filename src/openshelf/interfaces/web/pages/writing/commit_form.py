"""What the pages that end in a commit share: where it goes, its title, and what to do when somebody was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.responses import Response

from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import Change, Entry
from openshelf.errors import (
    Conflict,
    EntryNotFound,
    Invalid,
    InvalidChange,
    InvalidPath,
    LimitExceeded,
    RevisionNotFound,
    StaleParent,
)
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.visit import Visit
from openshelf.services import fetch, push
from openshelf.services.push import Committed
from openshelf.storage.repositories import GitRepository

MAX_TITLE = 200
MAX_DESCRIPTION = 10_000
FAULTS = (InvalidChange, EntryNotFound, LimitExceeded, Invalid)
_TRIES = 4


def branch(visit: Visit, repo: Repo, asked: str = "") -> tuple[GitRepository, Revision]:
    """The branch or pull request that the address names. Raises RevisionNotFound, Conflict for what cannot change."""
    git, found = fetch.revision(visit.hub, repo, asked or visit.part("rev"))
    if found.ref is None or not found.ref.startswith(("refs/heads/", "refs/pr/")):
        raise Conflict(
            visit.gettext("%(name)s is a tag or a single commit, which never changes. Change the files of a branch.")
            % {"name": found.asked}
        )
    return git, found


def may_open_pull(found: Revision) -> bool:
    """Whether a pull request can be opened against this revision."""
    return bool(found.ref and found.ref.startswith("refs/heads/"))


def entry_at(git: GitRepository, commit: str, path: str) -> Entry | None:
    """What lies at ``path``, or None."""
    try:
        return git.entry(commit, path)
    except EntryNotFound:
        return None


def was_touched(visit: Visit, repo: Repo, parent: str, path: str, now: Entry | None) -> bool:
    """Whether ``path`` is another thing ``now`` than it was at ``parent``, the commit that a form was made for."""
    try:
        git, then = fetch.revision(visit.hub, repo, parent)
    except RevisionNotFound:
        return True
    before = entry_at(git, then.commit, path)
    return (before.oid if before else None) != (now.oid if now else None)


Plan = Callable[[GitRepository, Revision], Sequence[Change] | None]


def commit(visit: Visit, repo: Repo, form: Form, asked: str, title: str, plan: Plan) -> Committed | None:
    """Commit what ``plan`` makes of the branch as it stands, and again where somebody commits in between.

    ``title`` stands in where nobody wrote one. None where ``plan`` gave none, or where ``form`` now says what is wrong.
    """
    visit.hub.check_writable()
    title = form.text("title") or (title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…")
    description, propose = form.text("description"), form.text("target") == "pull"
    if len(title) > MAX_TITLE:
        form.fail("title", visit.gettext("A title has at most %(most)s characters.") % {"most": MAX_TITLE})
    if len(description) > MAX_DESCRIPTION:
        words = visit.gettext("A description has at most %(most)s characters.")
        form.fail("description", words % {"most": MAX_DESCRIPTION})
    if form.errors:
        return None
    for remaining in reversed(range(_TRIES)):
        git, found = branch(visit, repo, asked)
        try:
            with form.blame("", *FAULTS), form.blame("path", InvalidPath):
                changes = plan(git, found)
                if changes is None or form.errors:
                    return None
                return push.commit(
                    visit.hub,
                    visit.actor,
                    repo,
                    found.asked,
                    changes,
                    title,
                    description,
                    parent=found.commit,
                    propose=propose and may_open_pull(found),
                )
        except StaleParent:
            if not remaining:
                raise
            continue
        return None
    return None


def landing(visit: Visit, repo: Repo, asked: str, done: Committed, path: str, *, is_folder: bool = False) -> Response:
    """To what was written: the file or folder, or the files of the pull request that was opened."""
    if done.pull:
        return visit.redirect(addresses.tree(repo, done.pull.ref))
    show = addresses.tree if is_folder or not path else addresses.blob
    return visit.redirect(show(repo, asked, path))
