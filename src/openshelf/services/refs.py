"""Branches and tags, and the history behind them."""

from __future__ import annotations

from openshelf.domain.access import Access
from openshelf.domain.names import check_ref_name, check_text
from openshelf.domain.people import Actor
from openshelf.domain.repos import DEFAULT_BRANCH, Ref, Repo
from openshelf.errors import AlreadyExists, Invalid, RevisionNotFound
from openshelf.services import push, repos
from openshelf.services.accept import RefUpdate, author_of, check_blobs, move_refs
from openshelf.services.hub import Hub
from openshelf.storage.repositories.reachable import new_blobs


def every(hub: Hub, repo: Repo) -> list[Ref]:
    """Branches, tags and pull refs, in order of name."""
    return hub.storage.repositories.open(repo.id).refs()


def create_branch(hub: Hub, actor: Actor, repo: Repo, name: str, start: str | None = None) -> Ref:
    """A branch at ``start``, or at the default branch. Raises AlreadyExists, RevisionNotFound, InvalidName."""
    check_ref_name(name, "branch")
    return _create(hub, actor, repo, f"refs/heads/{name}", start or DEFAULT_BRANCH)


def delete_branch(hub: Hub, actor: Actor, repo: Repo, name: str) -> None:
    if name == DEFAULT_BRANCH:
        raise Invalid(f"Cannot delete refs/heads/{DEFAULT_BRANCH}: it is the default branch.")
    _delete(hub, actor, repo, f"refs/heads/{name}", name)


def create_tag(hub: Hub, actor: Actor, repo: Repo, name: str, revision: str, message: str = "") -> Ref:
    """A tag at ``revision``; with a ``message`` an annotated one. Raises as ``create_branch`` does."""
    check_ref_name(name, "tag")
    check_text(message, "The message of the tag")
    return _create(hub, actor, repo, f"refs/tags/{name}", revision, message)


def delete_tag(hub: Hub, actor: Actor, repo: Repo, name: str) -> None:
    _delete(hub, actor, repo, f"refs/tags/{name}", name)


def squash(hub: Hub, actor: Actor, repo: Repo, revision: str, message: str) -> str:
    """Replace the history of a branch or pull ref by one commit with the same files; returns its id.

    The commits that it had can still be had by their ids until they are collected. Raises as ``push.commit`` does.
    """
    push.check_may_commit(hub, actor, repo, revision, propose=False)
    if not message.strip():
        raise Invalid("A commit needs a title; send a message.")
    check_text(message, "The message of the commit")
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        git = hub.storage.repositories.open(repo.id)
        head = push.target(git, revision)
        if head.ref is None:
            raise RevisionNotFound(revision)
        squashed = git.squash(head.commit, author_of(actor), message.strip() + "\n")
        move_refs(hub, actor, repo, git, [RefUpdate(head.ref, head.commit, squashed)])
    return squashed


def _create(hub: Hub, actor: Actor, repo: Repo, ref: str, revision: str, message: str = "") -> Ref:
    hub.check_writable()
    repos.check(actor, repo, Access.WRITE, repo.full_name)
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        git = hub.storage.repositories.open(repo.id)
        _check_free(ref, [existing.name for existing in git.refs()])
        commit = git.resolve(revision).commit
        # A commit that no ref reaches any more may name blobs that garbage collection has taken.
        named = new_blobs(git, [commit], [existing.commit for existing in git.refs()])
        check_blobs(hub, actor, repo, named)
        target = commit
        if message.strip():
            target = git.write_tag(ref.removeprefix("refs/tags/"), commit, author_of(actor), message)
        move_refs(hub, actor, repo, git, [RefUpdate(ref, None, target)], sorted(blob.sha256 for blob in named))
    return Ref(ref, commit)


def _check_free(ref: str, taken: list[str]) -> None:
    for existing in taken:
        if existing == ref:
            raise AlreadyExists(f"Reference {ref} already exists", ref)
        # In git a name cannot be that of a ref and of a folder of refs.
        if existing.startswith(f"{ref}/") or ref.startswith(f"{existing}/"):
            raise AlreadyExists(f"Reference {ref} cannot be made beside {existing}; choose another name.", existing)


def _delete(hub: Hub, actor: Actor, repo: Repo, ref: str, name: str) -> None:
    hub.check_writable()
    repos.check(actor, repo, Access.WRITE, repo.full_name)
    with hub.storage.locks.hold(f"repo-{repo.id}"):
        git = hub.storage.repositories.open(repo.id)
        commit = next((existing.commit for existing in git.refs() if existing.name == ref), None)
        if commit is None:
            raise RevisionNotFound(name)
        move_refs(hub, actor, repo, git, [RefUpdate(ref, commit, None)])
