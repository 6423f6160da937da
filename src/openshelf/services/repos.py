"""Repos: found, made, renamed, set up, deleted and listed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from openshelf.domain.access import Access, access, access_to, read_scope
from openshelf.domain.events import Event, EventKind
from openshelf.domain.facets import Choice, Facet
from openshelf.domain.names import RepoId, RepoKind, check_repo_name
from openshelf.domain.people import Account, Actor
from openshelf.domain.repos import DEFAULT_BRANCH, Repo, Visibility
from openshelf.domain.tree import AddInline
from openshelf.errors import AccountNotFound, AlreadyExists, Forbidden, Invalid, NotSignedIn, RepoNotFound
from openshelf.services.accept import RefUpdate, author_of, record_updates
from openshelf.services.default_attributes import GITATTRIBUTES
from openshelf.services.hub import Hub, now
from openshelf.storage import search
from openshelf.storage.catalogue import Transaction, accounts, blobs, events, lists, repos
from openshelf.storage.catalogue.ids import new_id

MAIN = f"refs/heads/{DEFAULT_BRANCH}"
PAGE = 1000
SHOWN_VALUES = 9
SPACE_SDKS = ("gradio", "streamlit", "docker", "static")


def find(hub: Hub, actor: Actor, kind: RepoKind, repo_id: RepoId, need: Access = Access.READ) -> Repo:
    """The repo called so now or formerly.

    Raises RepoNotFound where there is none or ``actor`` may not read it, alike in every way, and NotSignedIn or
    Forbidden where it may be read but ``need`` is more.
    """
    with hub.storage.catalogue.read() as tx:
        return find_in(tx, actor, kind, repo_id, need)


def find_in(
    tx: Transaction,
    actor: Actor,
    kind: RepoKind,
    repo_id: RepoId,
    need: Access = Access.READ,
    *,
    with_facts: bool = True,
) -> Repo:
    """Like ``find``, in the caller's transaction; without its facts where nobody wants them."""
    repo = repos.by_name(tx, kind, repo_id, with_facts=with_facts) or repos.by_former_name(tx, kind, repo_id)
    return check(actor, repo, need, str(repo_id))


def find_by_id(hub: Hub, actor: Actor, repo_id: str, need: Access = Access.READ) -> Repo:
    """Like ``find``, by the id that never changes."""
    with hub.storage.catalogue.read() as tx:
        repo = repos.by_id(tx, repo_id)
    return check(actor, repo, need, "")


def check(actor: Actor, repo: Repo | None, need: Access, asked: str) -> Repo:
    """``repo`` itself where ``actor`` has ``need``; raises as ``find`` does."""
    held = access_to(actor, repo) if repo else Access.NONE
    if repo is None or held < Access.READ:
        raise RepoNotFound(asked)
    if held < need:
        if actor.is_anonymous:
            raise NotSignedIn
        raise Forbidden(f"You may not {_VERBS[need]} {repo.full_name}; ask its owner, or use a token with that right.")
    return repo


_VERBS = {Access.READ: "read", Access.WRITE: "write to", Access.ADMIN: "administer"}


def create(
    hub: Hub,
    actor: Actor,
    kind: RepoKind,
    name: str,
    *,
    owner: str | None = None,
    visibility: Visibility | None = None,
    sdk: str | None = None,
    files: Sequence[AddInline] = (),
) -> Repo:
    """A new repo with one commit that holds ``.gitattributes``, and for a Space a card that names its ``sdk``.

    ``files``: more for that commit; they take the place of those. Raises AlreadyExists with the canonical name,
    Forbidden, InvalidName, Invalid.
    """
    hub.check_writable()
    account = _owner(hub, actor, owner)
    check_repo_name(account.name, name)
    visibility = visibility or account.default_visibility
    changes = [*_first_files(kind, name, sdk), *files]
    repo_id, moment = new_id(), now()
    with hub.storage.catalogue.read() as tx:
        _check_free(tx, kind, account, name)
    git = hub.storage.repositories.create(repo_id)
    try:
        commit = git.write_commit(None, changes, author_of(actor), "initial commit", at=moment.timestamp())
        git.set_ref(MAIN, commit, None)
        with hub.storage.catalogue.write() as tx:
            _check_free(tx, kind, account, name)
            repos.drop_redirect(tx, kind, RepoId(account.name, name))
            repos.insert(
                tx, repo_id=repo_id, kind=kind, owner_id=account.id, name=name, visibility=visibility, at=moment
            )
            repo = _get(tx, repo_id)
            _append(tx, actor, EventKind.REPO_CREATED, repo)
            record_updates(tx, actor, repo, git, [RefUpdate(MAIN, None, commit)])
            return _get(tx, repo_id)
    except BaseException:
        hub.storage.repositories.delete(repo_id)
        raise


def _first_files(kind: RepoKind, name: str, sdk: str | None) -> list[AddInline]:
    files = [AddInline(".gitattributes", GITATTRIBUTES)]
    if kind is RepoKind.SPACE and sdk:
        if sdk not in SPACE_SDKS:
            raise Invalid(f"{sdk!r} is not an SDK for Spaces; use one of {', '.join(SPACE_SDKS)}.")
        card = f"---\ntitle: {json.dumps(name)}\nsdk: {sdk}\n---\n"
        files.append(AddInline("README.md", card.encode()))
    return files


def check_new_name(hub: Hub, actor: Actor, kind: RepoKind, owner: str, name: str) -> None:
    """Raises as ``create`` would for this name, and Forbidden where ``actor`` may not create for this owner."""
    account = _owner(hub, actor, owner)
    check_repo_name(account.name, name)
    with hub.storage.catalogue.read() as tx:
        _check_free(tx, kind, account, name)


def delete(hub: Hub, actor: Actor, kind: RepoKind, repo_id: RepoId) -> None:
    """Delete a repo and its history. Its blobs go with the next garbage collection after the grace period."""
    hub.check_writable()
    repo = find(hub, actor, kind, repo_id, Access.ADMIN)
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        with hub.storage.catalogue.write() as tx:
            search.remove(tx, repo.seq)
            blobs.touch_linked(tx, repo.id, now())
            repos.delete(tx, repo.id)
            _append(tx, actor, EventKind.REPO_DELETED, repo)
        hub.storage.repositories.delete(repo.id)


def move(hub: Hub, actor: Actor, kind: RepoKind, source: RepoId, target: RepoId) -> Repo:
    """Rename a repo, or hand it to another owner; its old name leads to it until it is taken."""
    hub.check_writable()
    repo = find(hub, actor, kind, source, Access.ADMIN)
    owner = _owner(hub, actor, target.owner)
    check_repo_name(owner.name, target.name)
    with hub.storage.catalogue.write() as tx:
        existing = repos.by_name(tx, kind, target)
        if existing and existing.id != repo.id:
            raise AlreadyExists(f"A {kind} repository called {target} already exists", existing.full_name)
        repos.drop_redirect(tx, kind, target)
        repos.move(tx, repo, owner.id, target.name)
        repos.drop_redirect(tx, kind, RepoId(owner.name, target.name))
        moved = _get(tx, repo.id)
        search.index(tx, moved, str(moved.facts.get("excerpt", "")))
        _append(tx, actor, EventKind.REPO_MOVED, moved, {"from": repo.full_name})
    return moved


def set_visibility(hub: Hub, actor: Actor, repo: Repo, visibility: Visibility) -> Repo:
    hub.check_writable()
    check(actor, repo, Access.ADMIN, repo.full_name)
    with hub.storage.catalogue.write() as tx:
        repos.update(tx, repo.id, visibility=visibility.value)
        changed = _get(tx, repo.id)
        _append(tx, actor, EventKind.REPO_SETTINGS, changed, {"visibility": visibility.value})
    return changed


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``next_offset`` None at the end, ``total`` how many there are in all.

    ``is_capped``: words matched so many repos that only some of them were looked at. ``counts``: facet to its values
    with the number of repos that each would leave, and ``by_kind`` how many of each kind fit, where asked for.
    """

    repos: list[Repo]
    next_offset: int | None
    total: int = 0
    is_capped: bool = False
    counts: Mapping[Facet, Sequence[tuple[str, int]]] = field(default_factory=dict)
    by_kind: Mapping[RepoKind, int] = field(default_factory=dict)


def search_repos(
    hub: Hub,
    actor: Actor,
    *,
    kind: RepoKind | None = None,
    query: str = "",
    owner: str | None = None,
    tags: Iterable[str] = (),
    facets: Choice | None = None,
    parameters: tuple[int | None, int | None] | None = None,
    sort: str = "lastModified",
    limit: int = 100,
    offset: int = 0,
    count: Sequence[Facet] = (),
    shown: int = SHOWN_VALUES,
    kinds: bool = False,
) -> Page:
    """Repos that ``actor`` may read, in order of ``sort``; ``count`` names the facets to count. Raises Invalid."""
    if sort not in lists.SORT_KEYS:
        raise Invalid(f"Lists cannot be sorted by {sort!r}; use one of {', '.join(lists.SORT_KEYS)}.")
    limit = max(0, min(limit, PAGE))
    with hub.storage.catalogue.read() as tx:
        hits = search.find(tx, query) if query.strip() else None
        wanted = lists.Wanted(kind, owner, tuple(tags), facets or {}, hits, parameters)
        selection = lists.select(tx, read_scope(actor), wanted)
        found = lists.page(tx, selection, sort=sort, limit=limit, offset=offset) if limit else []
        by_kind = lists.by_kind(tx, read_scope(actor), wanted) if kinds else {}
        numbers = lists.counts(tx, selection, count, shown) if count else {}
    more = offset + limit < selection.total
    capped = hits is not None and len(hits) >= search.MAX_HITS
    return Page(found, offset + limit if more and limit else None, selection.total, capped, numbers, by_kind)


def _owner(hub: Hub, actor: Actor, name: str | None) -> Account:
    """The account to own a repo; raises where ``actor`` may not create repos in its name."""
    if actor.account is None:
        raise NotSignedIn
    with hub.storage.catalogue.read() as tx:
        account = accounts.by_name(tx, name) if name else actor.account
    if account is None:
        raise AccountNotFound(name or "")
    if access(actor, account.id, None, Visibility.PRIVATE) < Access.WRITE:
        raise Forbidden(f"You don't have the rights to create a repository under the namespace {account.name}.")
    return account


def _check_free(tx: Transaction, kind: RepoKind, owner: Account, name: str) -> None:
    existing = repos.by_name(tx, kind, RepoId(owner.name, name))
    if existing:
        raise AlreadyExists(f"You already created this {kind} repo: {existing.full_name}", existing.full_name)


def _get(tx: Transaction, repo_id: str) -> Repo:
    repo = repos.by_id(tx, repo_id)
    if repo is None:
        raise RepoNotFound
    return repo


def _append(tx: Transaction, actor: Actor, kind: EventKind, repo: Repo, data: dict[str, object] | None = None) -> None:
    actor_id = actor.account.id if actor.account else None
    facts = {"name": repo.full_name, "kind": repo.kind.value, **(data or {})}
    events.append(tx, Event(kind, now(), actor_id, repo.id, facts))
