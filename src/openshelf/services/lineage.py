"""Which models were made from which."""

from __future__ import annotations

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.services import repos
from openshelf.services.hub import Hub

RELATIONS = ("adapter", "finetune", "merge", "quantized")


def children(hub: Hub, actor: Actor, repo: Repo) -> dict[str, int]:
    """How many models that ``actor`` may read say they were made from ``repo``, by relation."""
    return {relation: _count(hub, actor, f"base_model:{relation}:{repo.full_name}") for relation in RELATIONS}


def _count(hub: Hub, actor: Actor, tag: str) -> int:
    return repos.search_repos(hub, actor, kind=RepoKind.MODEL, tags=[tag], limit=0).total
