"""The design system on one page: every token and every part that pages are made of, in light and dark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup
from starlette.responses import Response

from openshelf.analysis.tables.table import Bin
from openshelf.domain.diff import FileDiff, FileStatus, Hunk, Line
from openshelf.domain.names import RepoKind
from openshelf.domain.repos import DEFAULT_BRANCH, Repo, Visibility
from openshelf.domain.tree import CommitInfo, Entry
from openshelf.interfaces.web import card, colours, histogram
from openshelf.interfaces.web.diff_table import Tables
from openshelf.interfaces.web.forms import Form
from openshelf.interfaces.web.pages.files import Row, rows_of
from openshelf.interfaces.web.routing import page
from openshelf.interfaces.web.sparkline import sparkline
from openshelf.interfaces.web.visit import THEMES, Visit

ICONS = (
    "search", "filter", "plus", "menu", "lock", "folder", "file", "download", "branch", "up", "good", "caution", "bad",
    "left", "right",
)  # fmt: skip
SPACES = (4, 8, 12, 16, 24, 32, 48)
_COUNTS = (2, 5, 9, 14, 18, 13, 8, 4, 0, 1)
_PROSE = """A paragraph of a card with **strong words**, a [link](README.md), `code` and $e^{i\\pi} = -1$.

> [!NOTE]
> What readers should know.

| corpus | share |
|---|---:|
| questions | 40 % |

```python
def add(a: int, b: int) -> int:
    return a + b  # a comment
```
"""


def show(visit: Visit) -> Response:
    repo = _repo(RepoKind.MODEL, "small-encoder")
    return visit.page(
        "design.html",
        themes=THEMES,
        pairs=colours.pairs(),
        colours=list(colours.tokens()),
        sizes=_sizes(),
        spaces=SPACES,
        icons=ICONS,
        repos=[repo, _repo(RepoKind.DATASET, "pairs"), _repo(RepoKind.SPACE, "try-it"), _repo(RepoKind.KERNEL, "sum")],
        prose=card.render(repo, _PROSE),
        files=_files(visit, repo),
        bars=histogram.bars([Bin(count, "") for count in _COUNTS]),
        weeks=sparkline(_COUNTS, visit.gettext("Downloads of each week")),
        forms_of={theme: _form(visit, theme) for theme in THEMES},
        diffs={theme: _diff(visit, theme) for theme in THEMES},
    )


def _sizes() -> list[tuple[str, float]]:
    """The type scale from small to large; the usual size has no name."""
    return sorted([*colours.sizes().items(), ("", 16.0)], key=lambda size: size[1])


def _repo(kind: RepoKind, name: str) -> Repo:
    now = datetime.now(UTC)
    facts = {"excerpt": "A sentence from the card says what it is.", "license": "apache-2.0"}
    return Repo(
        id=name, seq=1, kind=kind, owner_id="shelf", owner="shelf", name=name, visibility=Visibility.PUBLIC,
        created_at=now - timedelta(days=40), updated_at=now - timedelta(days=3), facts=facts, size_bytes=91_000_000,
    )  # fmt: skip


def _files(visit: Visit, repo: Repo) -> list[Row]:
    entries = [Entry("weights", "0" * 40, 0, is_folder=True), Entry("README.md", "0" * 40, 2_300)]
    commit = CommitInfo("0" * 40, "Add the model", "", "shelf", "", datetime.now(UTC) - timedelta(days=3))
    return rows_of(visit, repo, DEFAULT_BRANCH, "", entries, {entry.path: commit for entry in entries}, {})


def _form(visit: Visit, theme: str) -> Form:
    form = Form({f"{theme}-wrong": ["two words"], f"{theme}-radio": ["one"]})
    form.fail(f"{theme}-wrong", visit.gettext("A name has no blanks in it."))
    return form


def _diff(visit: Visit, theme: str) -> Markup:
    lines = (
        Line(" ", 1, 1, b"def loss(x):\n"),
        Line("+", None, 2, b"    return log(1 + x + eps)\n"),
        Line("-", 2, None, b"    return log(1 + x)\n"),
    )
    changed = FileDiff(FileStatus.MODIFIED, None, None, (Hunk(1, 2, 1, 2, "", lines),), added=1, removed=1)
    return Tables(visit.language).table(f"{theme}-", changed)


routes = [page("/docs/design", show)]
