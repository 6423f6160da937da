"""Every text that people see goes through gettext: in a made-up language where each message stands in ⟦brackets⟧."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from openshelf.domain.names import RepoKind
from openshelf.domain.people import Role
from openshelf.interfaces.web import languages
from openshelf.services import accounts, refs, repos
from openshelf.services.hub import Hub
from tests.hubs import actor
from tests.interfaces.web.test_page_layer import extracted
from tests.interfaces.web.visitors import Visitor, make_repo

TEXTS = {"aria-label", "placeholder", "title", "alt", "data-done"}
NOT_TEXT = {"code", "pre", "script", "style", "svg", "time", "bdi", "option", "textarea", "kbd", "math", "title"}
"""Code, names and times; what people have written is in ``bdi`` or in the parts below."""
VOID = {"br", "hr", "img", "input", "link", "meta", "wbr", "source", "rect", "path", "circle", "col"}
WRITTEN_BY_PEOPLE = re.compile(
    r"\b(prose|mono|who|tag|hash|row-text|method|summary|kept|brand|source|diff|path|total"
    r"|data|said|meta|files|way|shape|tree-view)\b"
)
ALLOWED = re.compile(
    r"[\W\d_]*|[\d.,]+ ?(?:bytes?|[kMGT]?B|[kMBT])|alice|bob|lab|model|data|words?|Openshelf(?: ·)?|SHA-256"
    r"|README\.md|LICENSE|a\.csv|a\.json|main|work|v1|mit|apache-2\.0|pytorch|safetensors|[0-9a-f]{6,64}|GET|HEAD"
    r"|⟦.*⟧|Chrome|Linux|JSON|CSV|Markdown|text|hf|: (?:alice|comma)|− 0 bytes|shelf91\.0 MB|\{size\}"
)
CARD = b"---\nlicense: mit\npipeline_tag: fill-mask\nlanguage: en\n---\n# Words\n\nwords\n"


@pytest.fixture(scope="module")
def brackets(tmp_path_factory: pytest.TempPathFactory) -> languages.Language:
    """A catalogue made of the extraction itself."""
    folder = tmp_path_factory.mktemp("brackets")
    catalogue = Catalog(locale="de")
    for _file, _line, message, *_rest in extracted():
        both = message if isinstance(message, tuple) else (str(message),)
        told = tuple(f"⟦{text}⟧" for text in both)
        catalogue.add(message, told if len(told) > 1 else told[0])  # type: ignore[arg-type]
    with (folder / "de.po").open("wb") as file:
        write_po(file, catalogue)
    return languages.languages(folder)["de"]


@dataclass
class Texts(HTMLParser):
    """What a person reads or hears of a page outside ⟦brackets⟧."""

    stray: list[str] = field(default_factory=list)
    _open: list[tuple[str, bool]] = field(default_factory=list)
    _text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self._is_passed_over() and tag != "time":
            self._see([value or "" for name, value in attrs if name in TEXTS])
        if tag not in VOID:
            by_people = WRITTEN_BY_PEOPLE.search(given.get("class") or "") or given.get("lang") == "en"
            self._open.append((tag, bool(by_people) or tag in NOT_TEXT))

    def handle_endtag(self, tag: str) -> None:
        while tag not in VOID and self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_passed_over():
            self._text += data

    def close(self) -> None:
        super().close()
        self._see(re.sub(r"⟦[^⟦⟧]*(?:⟦[^⟦⟧]*⟧[^⟦⟧]*)*⟧", "\n", self._text).split("\n"))

    def _is_passed_over(self) -> bool:
        return any(passed for _tag, passed in self._open)

    def _see(self, texts: list[str]) -> None:
        self.stray += [text.strip() for text in texts if not ALLOWED.fullmatch(text.strip()) and "⟦" not in text]


def stray(visitor: Visitor, path: str, statuses: tuple[int, ...] = (200,)) -> list[str]:
    answer = visitor.get(path)
    assert answer.status_code in statuses, (path, answer.status_code)
    reader = Texts()
    reader.feed(answer.text)
    reader.close()
    return [f"{path}: {text}" for text in dict.fromkeys(reader.stray)]


REPO_PAGES = (
    "", "/tree/main", "/blob/main/README.md", "/blob/main/a.csv", "/blob/main/LICENSE", "/blob/main/a.json",
    "/commits/main", "/commit/main", "/branches", "/compare", "/compare/v1..main", "/settings", "/upload/main",
    "/new/main",
    "/edit/main/README.md", "/delete/main/a.csv",
)  # fmt: skip
PAGES = (
    "/", "/models", "/datasets", "/models?q=nothing", "/models?all=license", "/search?q=words", "/alice", "/bob",
    "/lab", "/new", "/settings/account", "/settings/tokens", "/organizations/new", "/organizations/lab/members",
    "/administration", "/administration/users", "/administration/organizations", "/administration/storage",
    "/administration/jobs", "/administration/health", "/administration/quotas/alice", "/logout", "/docs/design",
)  # fmt: skip
ERRORS = ("/nothing", "/alice/model/tree/gone", "/alice/model/blob/main/gone", "/models?p=9", "/models?sort=odd")


def test_every_text_can_be_translated(
    hub: Hub, alice: Visitor, stranger: Visitor, brackets: languages.Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(languages, "choose", lambda header: brackets)
    empty = [found for path in ("/", "/models", "/alice") for found in stray(alice, path)]
    person = actor(hub, "alice")
    lab = accounts.create_organisation(hub, "lab", accounts.find(hub, "alice"))
    accounts.set_member(hub, lab, accounts.find(hub, "bob"), Role.WRITE)
    files = {"README.md": CARD, "a.csv": b"word,n\nmodel,1\ndata,2\n", "LICENSE": b"words\n", "a.json": b'{"a": [1]}'}
    model = make_repo(hub, "alice", "model", files)
    refs.create_branch(hub, person, model, "work")
    refs.create_tag(hub, person, model, "v1", "main")
    repos.create(hub, person, RepoKind.DATASET, "data")
    found = [text for path in PAGES for text in stray(alice, path)]
    found += [text for path in REPO_PAGES for text in stray(alice, f"/alice/model{path}")]
    found += [text for path in ("/", "/models", "/alice/model", "/login") for text in stray(stranger, path)]
    found += [text for path in ERRORS for text in stray(stranger, path, (404,))]
    assert empty + found == []
