"""Files sent from the browser: by a plain form, streamed to disk; or by the script ``upload.js``, which uses the API.

The script sends large files as git-lfs does, in small parts that need not be sent again, and ends in a commit of the
Hub protocol. It asks in the name of the session, with the token of this page (``http.form_tokens``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anyio import CancelScope, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openshelf.domain.access import Access
from openshelf.domain.names import check_path
from openshelf.domain.repos import Repo, Revision
from openshelf.domain.tree import Change
from openshelf.errors import Invalid, OpenshelfError
from openshelf.interfaces.http.bodies import receive_into
from openshelf.interfaces.http.requests import actor_of, hub_of
from openshelf.interfaces.web import addresses, csrf
from openshelf.interfaces.web.errors import error_response
from openshelf.interfaces.web.forms import Form, read_form
from openshelf.interfaces.web.multipart import MultipartForm, boundary_of
from openshelf.interfaces.web.pages.repo_frame import find, frame, pages, ref_choice
from openshelf.interfaces.web.pages.writing import commit_form
from openshelf.interfaces.web.pages.writing.commit_form import branch
from openshelf.interfaces.web.visit import Visit, visit_of
from openshelf.services import accounts, push, quotas
from openshelf.services.receive_file import ReceivedFile
from openshelf.storage.repositories import GitRepository

# Small enough that little is sent twice, large enough that a part costs little beside its bytes.
PART_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class SentFiles:
    """The files of one form on their way in: each is taken when the next begins, so that one at most is held."""

    request: Request
    visit: Visit | None = None
    repo: Repo | None = None
    form: MultipartForm = field(init=False)
    changes: dict[str, Change] = field(default_factory=dict)
    _file: ReceivedFile | None = None
    _path: str = ""

    def __post_init__(self) -> None:
        self.form = MultipartForm(boundary_of(self.request), self._open)

    def write(self, data: bytes, /) -> None:
        self.form.write(data)

    def check(self) -> tuple[Visit, Repo]:
        """Who sends this, and where to. Raises unless the token of the page came before the files."""
        if self.visit is None or self.repo is None:
            csrf.check(self.request, self.form.fields.get(csrf.FIELD, ""))
            self.request.state.form_checked = True
            self.visit = visit_of(self.request, actor_of(self.request))
            self.repo = find(self.visit, Access.WRITE)
            push.check_may_commit(self.visit.hub, self.visit.actor, self.repo, self.revision, propose=False)
        return self.visit, self.repo

    @property
    def revision(self) -> str:
        return self.form.fields.get("rev", "").strip() or str(self.request.path_params["rev"])

    def finish(self) -> None:
        self.form.finish()
        self._keep()

    def discard(self) -> None:
        if self._file is not None:
            self._file.discard()

    def _open(self, name: str) -> ReceivedFile:
        self._keep()
        visit, repo = self.check()
        folder = self.form.fields.get("folder", "").strip().strip("/")
        self._path = check_path(f"{folder}/{name}" if folder else name)
        if self._path in self.changes:
            raise Invalid(f"Two of the files are called {self._path}; send one of them.")
        self._file = ReceivedFile(visit.hub, repo)
        return self._file

    def _keep(self) -> None:
        if self._file is not None:
            visit, _ = self.check()
            self.changes[self._path] = self._file.change(visit.actor, self.revision, self._path)
            self._file = None


def show(visit: Visit, repo: Repo) -> Response:
    _, found = branch(visit, repo)
    return _page(visit, repo, found, Form(folder=visit.part("path").strip("/"), target="branch", rev=found.asked))


async def submit(request: Request) -> Response:
    """Take a form with files, and commit them."""
    try:
        limit = hub_of(request).settings.max_commit_bytes
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            csrf.check(request, (await read_form(request)).exact(csrf.FIELD))
        sent = SentFiles(request)
    except OpenshelfError as error:
        return await to_thread.run_sync(_refuse, request, error)
    try:
        await receive_into(request, sent, limit)
        return await to_thread.run_sync(_commit, request, sent)
    except OpenshelfError as error:
        return await to_thread.run_sync(_tell, sent, error)
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(sent.discard)


def _commit(request: Request, sent: SentFiles) -> Response:
    sent.finish()
    visit, repo = sent.check()
    form = Form({name: [value] for name, value in sent.form.fields.items()})
    _, found = branch(visit, repo, sent.revision)
    if not sent.changes:
        form.fail("files", visit.gettext("Choose at least one file."))
        return _page(visit, repo, found, form, 422)

    def plan(_git: GitRepository, _head: Revision) -> Sequence[Change]:
        return list(sent.changes.values())

    done = commit_form.commit(visit, repo, form, found.asked, _title(visit, sent.changes), plan)
    if done is None:
        return _page(visit, repo, found, form, 422)
    folder = form.text("folder").strip("/")
    return commit_form.landing(visit, repo, found.asked, done, folder, is_folder=True)


def _title(visit: Visit, paths: dict[str, Change]) -> str:
    first = next(iter(paths))
    if len(paths) == 1:
        return visit.gettext("Upload %(path)s") % {"path": first[-120:]}
    return visit.gettext("Upload %(count)s files") % {"count": len(paths)}


def _tell(sent: SentFiles, error: OpenshelfError) -> Response:
    """The page with what is wrong on it, where it is the fault of a file; else the page of the error."""
    if sent.visit is None:
        return _refuse(sent.request, error)
    try:
        visit, repo = sent.check()
        _, found = branch(visit, repo, sent.revision)
        form = Form({name: [value] for name, value in sent.form.fields.items()})
        with form.blame("files", Invalid, *commit_form.FAULTS):
            raise error
        return _page(visit, repo, found, form, 422)
    except OpenshelfError as fault:
        return _refuse(sent.request, fault)


def _refuse(request: Request, error: OpenshelfError) -> Response:
    return error_response(request, error)


def _page(visit: Visit, repo: Repo, found: Revision, form: Form, status: int = 200) -> Response:
    settings, choice = visit.hub.settings, ref_choice(visit, repo)
    return visit.page(
        "upload.html",
        status=status,
        **frame(visit, repo, "files", found.asked),
        form=form,
        revision=found,
        branches=[name for _, names in choice.groups[:1] for name in names] or [found.asked],
        folder=form.text("folder"),
        may_open_pull=commit_form.may_open_pull(found),
        form_limit=settings.max_commit_bytes,
        file_limit=settings.max_file_bytes,
        usage=quotas.usage(visit.hub, accounts.find(visit.hub, repo.owner)),
        part_bytes=PART_BYTES,
        most_changes=push.MAX_CHANGES,
        lfs=f"{addresses.repo(repo)}/info/lfs/objects/batch",
        api=f"/api/{repo.kind.plural}/{repo.full_name}",
        base_url=visit.base_url,
    )


def _takes_files(route: Route) -> Route:
    """The same address for a form with files, which is read as it arrives."""
    return Route(route.path, submit, methods=["POST"])


_shown = [
    *pages("/upload/{rev:segment}", show, need=Access.WRITE),
    *pages("/upload/{rev:segment}/{path:rest}", show, need=Access.WRITE),
]
routes = [*_shown, *(_takes_files(route) for route in _shown)]
