"""Files and folders deleted, after a page that says what goes."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from openshelf.domain.access import Access
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import Change, DeleteFile, DeleteFolder, Entry
from openshelf.errors import EntryNotFound
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.repo_frame import frame, pages
from openshelf.interfaces.web.pages.writing import commit_form
from openshelf.interfaces.web.pages.writing.commit_form import branch, entry_at, was_touched
from openshelf.interfaces.web.visit import Visit
from openshelf.services import trees
from openshelf.storage.repositories import GitRepository

MAX_COUNTED = 10_000
SHOWN = 20


def show(visit: Visit, repo: Repo) -> Response:
    git, found = branch(visit, repo)
    return _page(visit, repo, git, found, Form(parent=found.commit, target="branch"))


def delete(visit: Visit, repo: Repo, form: Form) -> Response:
    path = visit.part("path").strip("/")
    git, found = branch(visit, repo)

    def plan(git: GitRepository, head: Revision) -> Sequence[Change] | None:
        now = entry_at(git, head.commit, path)
        if now is None or was_touched(visit, repo, form.text("parent"), path, now):
            return None
        return [DeleteFolder(path) if now.is_folder else DeleteFile(path)]

    title = visit.gettext("Delete %(path)s") % {"path": path}
    done = commit_form.commit(visit, repo, form, found.asked, title, plan)
    if done is None:
        git, found = branch(visit, repo)
        status = 422 if form.errors else 412
        return _page(visit, repo, git, found, form.with_value("parent", found.commit), status)
    return commit_form.landing(visit, repo, found.asked, done, path.rpartition("/")[0], is_folder=True)


def _page(visit: Visit, repo: Repo, git: GitRepository, found: Revision, form: Form, status: int = 200) -> Response:
    path = visit.part("path").strip("/")
    if not path:
        raise EntryNotFound("Name the file or folder to delete.", found.commit)
    entry = git.entry(found.commit, path)
    files, more = [entry], False
    if entry.is_folder:
        below, more = trees.page(git, found.commit, path, recursive=True, limit=MAX_COUNTED)
        files = [each for each in below if not each.is_folder]
    return visit.page(
        "delete.html",
        status=status,
        **frame(visit, repo, "files", found.asked),
        form=form,
        revision=found,
        entry=entry,
        count=len(files),
        more=more,
        bytes=sum(file.size for file in files),
        names=[_below(file, path) for file in files[:SHOWN]],
        may_open_pull=commit_form.may_open_pull(found),
        is_changed=status == 412,
    )


def _below(file: Entry, folder: str) -> str:
    return file.path.removeprefix(f"{folder}/")


routes = pages("/delete/{rev:segment}/{path:rest}", show, delete, need=Access.WRITE)
