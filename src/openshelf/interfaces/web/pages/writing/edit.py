"""Files made and changed in the browser: a text, its name, a preview, and what to do when somebody was faster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.responses import Response

from openshelf.analysis.cards import front_matter
from openshelf.analysis.cards.validate import Validation, validate_card
from openshelf.domain.access import Access
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import Change, CommitInfo, CopyFile, DeleteFile, Entry
from openshelf.interfaces.web import addresses, card, text_file
from openshelf.interfaces.web.card_templates import first_card
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.repo_frame import frame, pages
from openshelf.interfaces.web.pages.writing import commit_form
from openshelf.interfaces.web.pages.writing.commit_form import branch, entry_at, was_touched
from openshelf.interfaces.web.source import read_source
from openshelf.interfaces.web.visit import Visit
from openshelf.services import fetch, trees
from openshelf.services.receive_file import ReceivedFile
from openshelf.services.sizes import readable_size
from openshelf.storage.repositories import GitRepository

MAX_TEXT_BYTES = 1_000_000
# In a form each byte of a text outside ASCII takes three.
MAX_FORM_BYTES = 4 * MAX_TEXT_BYTES
_MARKDOWN = (".md", ".markdown")
_LONG_LIST = re.compile(r"\[([^\]]{40,60}), [^\]]{100,}\]")


@dataclass(frozen=True, slots=True)
class Theirs:
    """What somebody else made of the file meanwhile; ``text`` None where it is gone or no text any more."""

    text: str | None
    commit: CommitInfo | None


def show_new(visit: Visit, repo: Repo) -> Response:
    git, found = branch(visit, repo)
    folder, name = visit.part("path").strip("/"), visit.asked("name")
    text = ""
    if visit.asked("template") == "card":
        if entry_at(git, found.commit, card.FILE):
            return visit.redirect(addresses.edit(repo, found.asked, card.FILE))
        folder, name, text = "", card.FILE, first_card(repo.kind, repo.name)
    path = "/".join(part for part in (folder, name) if part)
    return _page(visit, repo, found, Form(path=path or "", text=text, target="branch"), folder=folder)


def create(visit: Visit, repo: Repo, form: Form) -> Response:
    _, found = branch(visit, repo)
    path = _path(visit, form)
    _check_text(visit, repo, form, path)
    if form.text("do") == "preview":
        form.errors.pop("text", None)
        return _page(visit, repo, found, form, preview=True)

    def plan(git: GitRepository, head: Revision) -> Sequence[Change] | None:
        if _is_free(visit, form, git, head, path):
            return [_change(visit, repo, head, path, form.exact("text").encode())]
        return None

    title = visit.gettext("Add %(path)s") % {"path": path}
    done = commit_form.commit(visit, repo, form, found.asked, title, plan)
    if done is None:
        return _page(visit, repo, found, form, 422)
    return commit_form.landing(visit, repo, found.asked, done, path)


def show_edit(visit: Visit, repo: Repo) -> Response:
    path = visit.part("path")
    git, found = branch(visit, repo)
    if path == card.FILE and entry_at(git, found.commit, path) is None:
        place = addresses.with_query(addresses.new_file(repo, found.asked), template="card")
        return visit.redirect(place)
    entry = git.entry(found.commit, path)
    if entry.is_folder:
        return visit.redirect(addresses.tree(repo, found.asked, path))
    text, reason = _read(visit, repo, git, entry)
    form = Form(path=path, parent=found.commit, target="branch")
    if text:
        form = form.with_value("text", text.text)
    return _page(visit, repo, found, form, entry=entry, reason=reason)


def save(visit: Visit, repo: Repo, form: Form) -> Response:
    old = visit.part("path")
    git, found = branch(visit, repo)
    entry, new = entry_at(git, found.commit, old), _path(visit, form)
    is_text = form.has("text")
    if is_text:
        _check_text(visit, repo, form, new)
    if form.text("do") == "preview":
        form.errors.pop("text", None)
        return _page(visit, repo, found, form, entry=entry, path=old, preview=True)

    def plan(git: GitRepository, head: Revision) -> Sequence[Change] | None:
        now = entry_at(git, head.commit, old)
        if was_touched(visit, repo, form.text("parent"), old, now):
            return None
        if new != old and not _is_free(visit, form, git, head, new):
            return None
        if now is None:
            return [_change(visit, repo, head, new, form.exact("text").encode())] if is_text else None
        return _changes(visit, repo, form, git, head, now, new) if is_text else _renamed(visit, form, head, old, new)

    words = visit.gettext("Update %(path)s") if new == old else visit.gettext("Rename %(old)s to %(path)s")
    title = words % {"path": new, "old": old}
    done = commit_form.commit(visit, repo, form, found.asked, title, plan)
    if done is not None:
        return commit_form.landing(visit, repo, found.asked, done, new)
    git, found = branch(visit, repo)
    entry = entry_at(git, found.commit, old)
    if form.errors or not was_touched(visit, repo, form.text("parent"), old, entry):
        return _page(visit, repo, found, form, 422, entry=entry, path=old)
    theirs = _theirs(visit, repo, git, found, entry, old)
    return _page(visit, repo, found, form.with_value("parent", found.commit), 412, entry=entry, path=old, theirs=theirs)


def _changes(
    visit: Visit, repo: Repo, form: Form, git: GitRepository, head: Revision, now: Entry, new: str
) -> Sequence[Change] | None:
    before, _reason = _read(visit, repo, git, now)
    content = (before or text_file.TextFile("")).encode(form.exact("text"))
    if new == now.path:
        if before is not None and form.exact("text") == before.text:
            form.fail("text", visit.gettext("Nothing is changed yet."))
            return None
        return [_change(visit, repo, head, new, content)]
    kept = [CopyFile(new, now.path, head.commit)] if now.is_executable else []
    return [*kept, DeleteFile(now.path), _change(visit, repo, head, new, content)]


def _renamed(visit: Visit, form: Form, head: Revision, old: str, new: str) -> Sequence[Change] | None:
    if new == old:
        form.fail("path", visit.gettext("Write another name or folder."))
        return None
    copied = CopyFile(new, old, head.commit)
    return [copied] if form.text("keep") else [copied, DeleteFile(old)]


def _path(visit: Visit, form: Form) -> str:
    path = form.text("path").strip("/")
    if not path:
        form.fail("path", visit.gettext("Give the file a name."))
    return path


def _is_free(visit: Visit, form: Form, git: GitRepository, head: Revision, path: str) -> bool:
    if entry_at(git, head.commit, path) is None:
        return True
    words = visit.gettext("There is already something called %(path)s; choose another name, or edit that file.")
    form.fail("path", words % {"path": path})
    return False


def _check_text(visit: Visit, repo: Repo, form: Form, path: str) -> None:
    text = form.exact("text")
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        words = visit.gettext(
            "This text has more than %(size)s, the most that can be edited here; upload it as a file."
        )
        form.fail("text", words % {"size": readable_size(MAX_TEXT_BYTES)})
    elif path == card.FILE and not form.text("anyway"):
        for error in validate_card(text, repo.kind.value).errors[:1]:
            form.fail("text", _brief(error))


def _change(visit: Visit, repo: Repo, head: Revision, path: str, content: bytes) -> Change:
    received = ReceivedFile(visit.hub, repo)
    try:
        received.write(content)
        return received.change(visit.actor, head.asked, path)
    finally:
        received.discard()


def _read(visit: Visit, repo: Repo, git: GitRepository, entry: Entry) -> tuple[text_file.TextFile | None, str]:
    """The text of a file, or None and why it is not edited here."""
    _ = visit.gettext
    if entry.is_symlink:
        return None, _("This is a symbolic link; change where it leads with git.")
    if entry.size > MAX_TEXT_BYTES:
        words = _("This file has %(size)s; texts of up to %(most)s can be edited here. Upload another version of it.")
        return None, words % {"size": readable_size(entry.size), "most": readable_size(MAX_TEXT_BYTES)}
    content = fetch.content(visit.hub, repo, git, entry)
    text = text_file.read(b"".join(content.read(0, content.size)))
    if text is None:
        return None, _("This file is not text, so that it cannot be edited here. Upload another version of it.")
    return text, ""


def _theirs(visit: Visit, repo: Repo, git: GitRepository, found: Revision, entry: Entry | None, path: str) -> Theirs:
    last = trees.last_commits(git, found.commit, [entry]).get(path) if entry else None
    text = _read(visit, repo, git, entry)[0] if entry and not entry.is_folder else None
    return Theirs(text.text if text else None, last)


def _validation(repo: Repo, text: str) -> Validation:
    found = validate_card(text, repo.kind.value)
    return Validation(tuple(map(_brief, found.warnings)), tuple(map(_brief, found.errors)))


def _brief(message: str) -> str:
    """A message without the end of a long list: all licences there are would bury what is wrong."""
    return _LONG_LIST.sub(r"[\1, …]", message)


def _preview(repo: Repo, path: str, text: str) -> Markup:
    if path.lower().endswith(_MARKDOWN):
        return Markup('<div class="prose" dir="auto">{}</div>').format(
            card.render(repo, front_matter.split(text.encode("utf-8", "replace")).body)
        )
    source = read_source(path, text.encode("utf-8", "replace"))
    return Markup('<div class="source" tabindex="0">{}</div>').format(source.html) if source else Markup()


def _page(
    visit: Visit,
    repo: Repo,
    found: Revision,
    form: Form,
    status: int = 200,
    *,
    entry: Entry | None = None,
    path: str = "",
    folder: str = "",
    reason: str = "",
    preview: bool = False,
    theirs: Theirs | None = None,
) -> Response:
    text, path = form.exact("text"), path or (entry.path if entry else "")
    is_card = form.text("path") == card.FILE
    return visit.page(
        "edit.html",
        status=status,
        **frame(visit, repo, "files", found.asked),
        form=form,
        revision=found,
        file=path,
        entry=entry,
        folder=folder,
        reason=reason,
        is_text=form.has("text"),
        is_card=is_card,
        validation=_validation(repo, text) if is_card and text else Validation(),
        preview=_preview(repo, form.text("path"), text) if preview else None,
        theirs=theirs,
        may_open_pull=commit_form.may_open_pull(found),
    )


routes = [
    *pages("/new/{rev:segment}", show_new, create, need=Access.WRITE, limit=MAX_FORM_BYTES),
    *pages("/new/{rev:segment}/{path:rest}", show_new, create, need=Access.WRITE, limit=MAX_FORM_BYTES),
    *pages("/edit/{rev:segment}/{path:rest}", show_edit, save, need=Access.WRITE, limit=MAX_FORM_BYTES),
]
