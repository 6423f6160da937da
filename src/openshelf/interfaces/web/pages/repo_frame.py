"""What all pages of one repo share: finding it, its header with tabs, its branches and tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from openshelf.domain.access import Access, access_to
from openshelf.domain.names import RESERVED_OWNERS, RepoId
from openshelf.domain.repos import DEFAULT_BRANCH, Repo, Revision
from openshelf.errors import NotFound
from openshelf.interfaces.web import addresses, routing
from openshelf.interfaces.web.forms import MAX_BYTES, Form
from openshelf.interfaces.web.visit import Visit
from openshelf.services import fetch, refs, repos
from openshelf.storage.repositories import GitRepository

ShowRepo = Callable[[Visit, Repo], Response]
SubmitRepo = Callable[[Visit, Repo, Form], Response]
_PREFIXES = ("", "/{kind:kind}")
_MOST_REFS = 500


def pages(
    rest: str,
    show: ShowRepo | None = None,
    submit: SubmitRepo | None = None,
    need: Access = Access.READ,
    limit: int = MAX_BYTES,
) -> list[Route]:
    """The routes of a page of a repo, for models and for the other kinds; ``rest`` follows the repo's own address."""

    def show_it(visit: Visit) -> Response:
        assert show is not None
        repo = find(visit, need)
        elsewhere = _canonical(visit, repo)
        return visit.redirect(elsewhere, 307) if elsewhere else show(visit, repo)

    def submit_it(visit: Visit, form: Form) -> Response:
        assert submit is not None
        return submit(visit, find(visit, need), form)

    return [
        routing.page(
            f"{prefix}/{{owner:owner}}/{{name:segment}}{rest}",
            show_it if show else None,
            submit_it if submit else None,
            limit=limit,
        )
        for prefix in _PREFIXES
    ]


def frame(visit: Visit, repo: Repo, tab: str, revision: str = DEFAULT_BRANCH) -> dict[str, Any]:
    """What ``repo.html`` needs around any page of a repo."""
    return {
        "repo": repo,
        "tab": tab,
        "may_administer": access_to(visit.actor, repo) >= Access.ADMIN,
        "may_write": access_to(visit.actor, repo) >= Access.WRITE,
        "asked_revision": revision,
    }


@dataclass(frozen=True, slots=True)
class RefChoice:
    """Branches and tags for the chooser, by heading."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]

    def holds(self, name: str) -> bool:
        return any(name in names for _, names in self.groups)


def ref_choice(visit: Visit, repo: Repo) -> RefChoice:
    every = refs.every(visit.hub, repo)
    found = []
    for label, prefix in ((visit.gettext("Branches"), "refs/heads/"), (visit.gettext("Tags"), "refs/tags/")):
        names = [ref.short for ref in every if ref.name.startswith(prefix)]
        names.sort(key=lambda name: (name != DEFAULT_BRANCH, name))
        if names:
            found.append((label, tuple(names[:_MOST_REFS])))
    pulls = tuple(ref.name for ref in every if ref.name.startswith("refs/pr/"))
    if pulls:
        found.append((visit.gettext("Pull requests"), pulls[-_MOST_REFS:]))
    return RefChoice(tuple(found))


def revision(visit: Visit, repo: Repo) -> tuple[GitRepository, Revision]:
    """The revision that the address names. Raises RevisionNotFound."""
    return fetch.revision(visit.hub, repo, visit.part("rev") or DEFAULT_BRANCH)


def find(visit: Visit, need: Access) -> Repo:
    """The repo that the address names. Raises as ``services.repos.find`` does."""
    if visit.part("owner").lower() in RESERVED_OWNERS:
        raise NotFound("There is nothing at this address.")
    repo_id = RepoId(visit.part("owner"), visit.part("name"))
    return repos.find(visit.hub, visit.actor, visit.kind(), repo_id, need)


def _canonical(visit: Visit, repo: Repo) -> str | None:
    """Where this page is now, if the address was written otherwise or the repo was renamed."""
    parts = visit.here.split("/")
    depth = 4 if "kind" in visit.request.path_params else 3
    here = "/".join(parts[:depth]).partition("?")[0]
    wanted = addresses.repo(repo)
    return None if here == wanted else wanted + visit.here[len(here) :]
