"""Words for what domain values mean, in the reader's language; and the facts of a repo as a person reads them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from babel import Locale, UnknownLocaleError

from openshelf.domain.facets import Facet
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Role, Token, TokenRole
from openshelf.domain.repos import Repo
from openshelf.interfaces.web import addresses
from openshelf.interfaces.web.languages import Language

_MOST_VALUES = 12
_MOST_TAGS = 40
_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Windows", "Windows"), ("Mac OS", "macOS"))


@dataclass(frozen=True, slots=True)
class Value:
    """A word with the address that it leads to; empty where it leads nowhere."""

    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    values: tuple[Value, ...]


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self._ = language.gettext
        self._ngettext = language.ngettext
        self._locale = language.locale

    def one(self, kind: RepoKind) -> str:
        _ = self._
        return {
            RepoKind.MODEL: _("Model"),
            RepoKind.DATASET: _("Dataset"),
            RepoKind.SPACE: _("Space"),
            RepoKind.KERNEL: _("Kernel"),
        }[kind]

    def plural(self, kind: RepoKind) -> str:
        _ = self._
        return {
            RepoKind.MODEL: _("Models"),
            RepoKind.DATASET: _("Datasets"),
            RepoKind.SPACE: _("Spaces"),
            RepoKind.KERNEL: _("Kernels"),
        }[kind]

    def counted(self, kind: RepoKind, number: int) -> str:
        """The noun that follows a number of repos of one kind."""
        ngettext = self._ngettext
        return {
            RepoKind.MODEL: ngettext("model", "models", number),
            RepoKind.DATASET: ngettext("dataset", "datasets", number),
            RepoKind.SPACE: ngettext("space", "spaces", number),
            RepoKind.KERNEL: ngettext("kernel", "kernels", number),
        }[kind]

    def none_yet(self, kind: RepoKind) -> str:
        _ = self._
        return {
            RepoKind.MODEL: _("There are no models yet that you can see."),
            RepoKind.DATASET: _("There are no datasets yet that you can see."),
            RepoKind.SPACE: _("There are no spaces yet that you can see."),
            RepoKind.KERNEL: _("There are no kernels yet that you can see."),
        }[kind]

    def use(self, kind: RepoKind) -> str:
        _ = self._
        return {
            RepoKind.MODEL: _("Use this model"),
            RepoKind.DATASET: _("Use this dataset"),
            RepoKind.SPACE: _("Get this space"),
            RepoKind.KERNEL: _("Use this kernel"),
        }[kind]

    def facet(self, facet: Facet) -> str:
        _ = self._
        return {
            Facet.TASK: _("Task"),
            Facet.LIBRARY: _("Library"),
            Facet.FRAMEWORK: _("Framework"),
            Facet.FORMAT: _("Format"),
            Facet.LICENCE: _("Licence"),
            Facet.LANGUAGE: _("Language"),
            Facet.PARAMETERS: _("Parameters"),
            Facet.SIZE: _("Size"),
            Facet.BASE_MODEL: _("Made from"),
            Facet.DATASET: _("Trained on"),
            Facet.OWNER: _("Owner"),
        }[facet]

    def answer(self, facet: Facet, value: str) -> str:
        """A value of a facet as a person reads it."""
        if facet is Facet.LANGUAGE:
            return self.language_name(value)
        if facet in (Facet.SIZE, Facet.PARAMETERS):
            return _step(self._, value)
        return value

    def language_name(self, code: str) -> str:
        """The language that a code stands for, where it is known."""
        known = self._locale.languages.get(code.lower().replace("-", "_"))
        if known:
            return str(known)
        try:
            name = Locale.parse(code, "-").get_language_name(self._locale)
        except (ValueError, UnknownLocaleError):
            return code
        return str(name) if name else code

    def role(self, role: Role) -> str:
        _ = self._
        return {Role.READ: _("reads"), Role.WRITE: _("writes"), Role.ADMIN: _("admin")}[role]

    def token_role(self, token: Token) -> str:
        _ = self._
        return {
            TokenRole.READ: _("may read"),
            TokenRole.WRITE: _("may write"),
            TokenRole.FINE_GRAINED: _("only what was chosen for it"),
        }[token.role]

    def browser(self, user_agent: str) -> str:
        """A browser by name, as far as it says so itself."""
        name = next((name for mark, name in _BROWSERS if mark in user_agent), self._("A browser"))
        system = next((name for mark, name in _SYSTEMS if mark in user_agent), "Linux" if "Linux" in user_agent else "")
        return f"{name}, {system}" if system else name

    def shell(self, word: str) -> str:
        """``word`` as a shell takes it."""
        return shlex.quote(word)

    def brief(self, repo: Repo) -> list[str]:
        """What a line in a list says of a repo."""
        facts = repo.facts
        named = [
            facts.get("pipeline_tag"),
            facts.get("library_name"),
            _tagged(repo, "task_categories"),
            facts.get("sdk"),
        ]
        return [str(word) for word in (*named, facts.get("license")) if word][:3]

    def facts(self, repo: Repo, here: Collection[str] = ()) -> list[Fact]:
        """The facts beside a card, those that are known. ``here``: addresses of the repos that they may link to."""
        _, facts = self._, repo.facts
        rows: list[tuple[str, list[Value]]] = [
            (_("Licence"), [_filter(repo.kind, f"license:{name}", name) for name in _texts(facts.get("licenses"))]),
            (_("Task"), [_filter(repo.kind, name) for name in _texts(facts.get("pipeline_tag"))]),
            (
                _("Task"),
                [_filter(repo.kind, f"task_categories:{name}", name) for name in _every(repo, "task_categories")],
            ),
            (_("Library"), [_filter(repo.kind, name) for name in _texts(facts.get("library_name"))]),
            (_("Formats"), [Value(name) for name in _texts(facts.get("formats"))]),
            (_("Runs with"), [Value(name) for name in _texts(facts.get("sdk"))]),
            (_("Rows"), [Value(name) for name in _every(repo, "size_categories")]),
            (_("Made from"), [_repo_value(RepoKind.MODEL, name, here) for name in _texts(facts.get("base_models"))]),
            (_("Trained on"), [_repo_value(RepoKind.DATASET, name, here) for name in _texts(facts.get("datasets"))]),
            (_("Languages"), [self._language(repo.kind, name) for name in _texts(facts.get("languages"))]),
        ]
        return [Fact(label, tuple(values[:_MOST_VALUES])) for label, values in rows if values]

    def _language(self, kind: RepoKind, code: str) -> Value:
        address = addresses.with_query(addresses.kind(kind), language=[code.lower()])
        return Value(self.language_name(code), address)

    def tags(self, repo: Repo) -> list[Value]:
        """The tags that say what the facts do not say already."""
        facts = repo.facts
        said = {str(facts.get(key)) for key in ("pipeline_tag", "library_name", "sdk")}
        said.update(_texts(facts.get("languages")), _texts(facts.get("formats")))
        rest = [tag for tag in repo.tags if ":" not in tag and tag not in said]
        return [_filter(repo.kind, tag) for tag in rest[:_MOST_TAGS]]


def _step(_: Callable[[str], str], value: str) -> str:
    """``1GB-10GB`` as "1-10 GB", ``under-100M`` as "under 100 M"."""
    bounds = [" ".join(match.groups()).strip() for match in _BOUND.finditer(value)]
    if value.startswith("under-") and bounds:
        return _("under %s") % bounds[0]
    if value.startswith("over-") and bounds:
        return _("over %s") % bounds[0]
    return " – ".join(bounds) or value


_BOUND = re.compile(r"(\d+)([A-Z]+)")


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    return [str(item) for item in items if isinstance(item, str) and item]


def _every(repo: Repo, prefix: str) -> list[str]:
    return [tag.partition(":")[2] for tag in repo.tags if tag.startswith(f"{prefix}:")]


def _tagged(repo: Repo, prefix: str) -> str | None:
    return next(iter(_every(repo, prefix)), None)


def _filter(kind: RepoKind, tag: str, text: str = "") -> Value:
    return Value(text or tag, addresses.with_query(addresses.kind(kind), tag=[tag]))


def _repo_value(kind: RepoKind, name: str, here: Collection[str]) -> Value:
    address = f"/{kind.url_prefix}{name}"
    return Value(name, address if address in here else "")
