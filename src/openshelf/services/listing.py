"""Lists of repos with the filters that the Hub protocol has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openshelf.domain.access import read_scope
from openshelf.domain.facets import Choice
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.errors import Invalid, Unsupported
from openshelf.services.hub import Hub
from openshelf.services.repos import Page, search_repos
from openshelf.storage.catalogue import lists

MAX_TAGS_SHOWN = 10_000

# The tag of the models that each application can open.
APPS = {
    **dict.fromkeys(("llama.cpp", "ollama", "lmstudio", "jan", "koboldcpp", "gpt4all"), "gguf"),
    **dict.fromkeys(("vllm", "sglang", "tgi"), "transformers"),
    "mlx-lm": "mlx",
    "diffusers": "diffusers",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is restricted to; None and empty values restrict nothing.

    ``tags``: all of these. ``apps``: models that one of these applications can open. ``gated``: whether access must
    be asked for. ``inference``: models that a service runs. ``unsupported``: names of filters this hub does not have.
    ``facets``: any value of each. ``parameters``: least and most, either of which may be open.
    """

    kind: RepoKind
    query: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    gated: bool | None = None
    inference: bool = False
    unsupported: tuple[str, ...] = ()
    facets: Choice = field(default_factory=dict)
    parameters: tuple[int | None, int | None] | None = None


def find(hub: Hub, actor: Actor, filters: Filters, *, sort: str, limit: int, offset: int = 0) -> Page:
    """Repos that ``actor`` may read. Raises Invalid for an unknown sort key or app, Unsupported for other filters."""
    if filters.unsupported:
        raise Unsupported(f"This hub cannot restrict lists by {', '.join(filters.unsupported)}.")
    needed = {_tag_of(app) for app in filters.apps}
    if len(needed) > 1:
        raise Unsupported("This hub restricts a list by applications of one kind at a time.")
    page = search_repos(
        hub,
        actor,
        kind=filters.kind,
        query=filters.query,
        owner=filters.owner,
        tags=[*filters.tags, *needed],
        facets=filters.facets,
        parameters=filters.parameters,
        sort=sort,
        limit=limit,
        offset=offset,
    )
    # No repo here is gated, and none is run by an inference service.
    return Page([], None) if filters.gated or filters.inference else page


def tags(hub: Hub, actor: Actor, kind: RepoKind) -> list[str]:
    """The tags of the repos that ``actor`` may read, the most used first."""
    with hub.storage.catalogue.read() as tx:
        return lists.most_used_tags(tx, read_scope(actor), kind, MAX_TAGS_SHOWN)


def parameter_range(text: str) -> tuple[int | None, int | None]:
    """``min:6B,max:128B`` as numbers; either may be left out. Raises Invalid."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, amount = part.strip().partition(":")
        match = _AMOUNT.fullmatch(amount)
        if name not in ("min", "max") or match is None:
            raise Invalid(f"{text!r} is not a range of parameters; write it as min:6B,max:128B.")
        found[name] = int(float(match[1]) * _SCALE[match[2].upper()])
    return found.get("min"), found.get("max")


_AMOUNT = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([KMBTkmbt]?)", re.ASCII)
_SCALE = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def _tag_of(app: str) -> str:
    try:
        return APPS[app.lower()]
    except KeyError:
        raise Invalid(f"{app!r} is not an application known here; use one of {', '.join(sorted(APPS))}.") from None
