"""Values of the domain as the Hub protocol writes them in JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Ref, Repo
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.errors import Invalid

Json = dict[str, Any]

_EVERYWHERE = "author cardData createdAt disabled lastModified likes private resourceGroup sha siblings tags xetEnabled"
_COUNTED = f"{_EVERYWHERE} downloads downloadsAllTime gated trendingScore usedStorage"
_OF_MODELS = "baseModels childrenModelCount config evalResults gguf inference inferenceProviderMapping library_name"
_OF_CHECKPOINTS = "mask_token model-index pipeline_tag safetensors spaces transformersInfo widgetData"

EXPANDABLE: Mapping[RepoKind, tuple[str, ...]] = {
    kind: tuple(sorted(names.split()))
    for kind, names in (
        (RepoKind.MODEL, f"{_COUNTED} {_OF_MODELS} {_OF_CHECKPOINTS}"),
        (RepoKind.DATASET, f"{_COUNTED} citation description mainSize paperswithcode_id"),
        (RepoKind.SPACE, f"{_EVERYWHERE} datasets models region runtime sdk subdomain trendingScore usedStorage"),
        (RepoKind.KERNEL, _COUNTED),
    )
}


_LISTED = (
    "author createdAt description disabled downloads gated lastModified library_name likes pipeline_tag private sdk sha"
    " tags trendingScore"
).split()
LISTED: Mapping[RepoKind, tuple[str, ...]] = {
    kind: tuple(name for name in _LISTED if name in names) for kind, names in EXPANDABLE.items()
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A repo as it stands at one commit: what its card and files say there."""

    repo: Repo
    sha: str | None
    facts: Mapping[str, Any]
    tags: tuple[str, ...]

    @classmethod
    def head(cls, repo: Repo) -> Shown:
        return cls(repo, repo.head, repo.facts, repo.tags)

    @property
    def card(self) -> Mapping[str, Any]:
        card = self.facts.get("cardData")
        return card if isinstance(card, Mapping) else {}


def moment(at: datetime) -> str:
    """ISO 8601 with milliseconds: ``2022-03-02T23:29:04.000Z``."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def check_expand(kind: RepoKind, names: Iterable[str]) -> tuple[str, ...]:
    """``names`` without repetition. Raises Invalid, in the words that clients know, for an unknown one."""
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in EXPANDABLE[kind]:
            known = "|".join(f'"{value}"' for value in EXPANDABLE[kind])
            raise Invalid(f'Invalid option {name!r} at "expand": expected one of {known}')
    return wanted


def repo_json(shown: Shown, names: Iterable[str], found: Mapping[str, Any] | None = None) -> Json:
    """``_id``, ``id`` and the fields called ``names``; ``found`` gives those that had to be looked up.

    A field that nothing is known of is left out.
    """
    repo = shown.repo
    body: Json = {"_id": repo.id, "id": repo.full_name}
    if repo.kind is RepoKind.MODEL:
        body["modelId"] = repo.full_name
    for name in names:
        value = found[name] if found and name in found else _FIELDS[name](shown) if name in _FIELDS else None
        if value is not None:
            body[name] = value
    return body


def _fact(name: str) -> Callable[[Shown], Any]:
    return lambda shown: shown.facts.get(name)


def _from_card(name: str) -> Callable[[Shown], Any]:
    return lambda shown: shown.card.get(name)


def _base_models(shown: Shown) -> Json | None:
    names = shown.facts.get("base_models")
    if not isinstance(names, list) or not names:
        return None
    return {"relation": shown.facts.get("base_model_relation"), "models": [{"id": name} for name in names]}


# Nothing here runs Spaces; clients need a stage to show.
SPACE_RUNTIME = {
    "stage": "STOPPED",
    "hardware": {"current": None, "requested": None},
    "storage": None,
    "gcTimeout": None,
}

_FIELDS: Mapping[str, Callable[[Shown], Any]] = {
    "author": lambda shown: shown.repo.owner,
    "baseModels": _base_models,
    "cardData": lambda shown: dict(shown.card) or None,
    "citation": _fact("citation"),
    "config": _fact("config"),
    "createdAt": lambda shown: moment(shown.repo.created_at),
    "datasets": _fact("datasets"),
    "description": _fact("excerpt"),
    "disabled": lambda _: False,
    "downloads": lambda shown: shown.repo.downloads,
    "gated": lambda _: False,
    "gguf": _fact("gguf"),
    "lastModified": lambda shown: moment(shown.repo.updated_at),
    "library_name": _fact("library_name"),
    "likes": lambda shown: shown.repo.likes,
    "mask_token": _fact("mask_token"),
    "model-index": _from_card("model-index"),
    "models": _fact("models"),
    "paperswithcode_id": _from_card("paperswithcode_id"),
    "pipeline_tag": _fact("pipeline_tag"),
    "private": lambda shown: shown.repo.is_private,
    "runtime": lambda _: SPACE_RUNTIME,
    "safetensors": _fact("safetensors"),
    "sdk": _from_card("sdk"),
    "sha": lambda shown: shown.sha,
    "subdomain": lambda shown: f"{shown.repo.owner}-{shown.repo.name}".lower().replace("_", "-").replace(".", "-"),
    "tags": lambda shown: list(shown.tags),
    "transformersInfo": _fact("transformersInfo"),
    "trendingScore": lambda shown: shown.repo.downloads,
    "usedStorage": lambda shown: shown.repo.stored_bytes,
    "widgetData": _from_card("widget"),
    "xetEnabled": lambda _: True,  # huggingface_hub before 1.0 asks
}


def sibling_json(entry: Entry, *, detailed: bool) -> Json:
    """A file in the list of all files; ``detailed`` adds size and hashes."""
    body: Json = {"rfilename": entry.path}
    if detailed:
        body |= {"size": entry.size, "blobId": entry.oid}
        if entry.blob:
            body["lfs"] = {
                "sha256": entry.blob.sha256,
                "size": entry.blob.size,
                "pointerSize": len(entry.blob.pointer()),
            }
    return body


def entry_json(entry: Entry, xet_hash: str | None = None, last_commit: CommitInfo | None = None) -> Json:
    """A file or folder of a tree. ``xet_hash``: the hash string by which a file can be fetched by chunks."""
    if entry.is_folder:
        body: Json = {"type": "directory", "oid": entry.oid, "size": 0, "path": entry.path}
    else:
        body = {"type": "file", "oid": entry.oid, "size": entry.size, "path": entry.path}
        if entry.blob:
            pointer_size = len(entry.blob.pointer())
            body["lfs"] = {"oid": entry.blob.sha256, "size": entry.blob.size, "pointerSize": pointer_size}
        if xet_hash:
            body["xetHash"] = xet_hash
    if last_commit:
        body["lastCommit"] = {
            "id": last_commit.id,
            "title": last_commit.title,
            "date": moment(last_commit.date),
        }
    return body


def ref_json(ref: Ref) -> Json:
    return {"name": ref.short, "ref": ref.name, "targetCommit": ref.commit}
