"""The lines of a diff as HTML. Written by hand, not by a template: there are thousands of them on a page."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from markupsafe import Markup

from openshelf.analysis.diffs.words import Span, changed_words
from openshelf.domain.diff import FileDiff, Hunk, Line
from openshelf.interfaces.web.languages import Language
from openshelf.interfaces.web.visible import MAX_LINE, decoded, visible

_CLASSES = {"+": "add", "-": "del", " ": "ctx"}
_CELL = '<td class="{}">{}</td>'
_EMPTY = '<td class="no"></td><td class="none"></td>'


@dataclass(slots=True)
class Tables:
    """Makes the tables of one page. ``split`` puts old and new side by side; ``word_seconds`` is for all words."""

    language: Language
    split: bool = False
    word_seconds: float = 0.25
    _spent: float = field(default=0.0, init=False)

    def table(self, anchor: str, file: FileDiff) -> Markup:
        """The hunks of a file. Lines get the anchors ``ANCHOR`` + ``L`` or ``R`` + number."""
        rows = self._split(anchor, file.hunks) if self.split else self._unified(anchor, file.hunks)
        _ = self.language.gettext
        heads = [_("Line before"), _("Line after"), _("Text")]
        if self.split:
            heads = [_("Line before"), _("Before"), _("Line after"), _("After")]
        head = "".join(f'<th scope="col">{visible(name)}</th>' for name in heads)
        kind = "diff split" if self.split else "diff"
        columns = f"<colgroup>{'<col class=no><col>' * 2}</colgroup>" if self.split else ""
        thead = f'{columns}<thead class="unseen"><tr>{head}</tr></thead>'
        body = "".join(rows)
        return Markup(f'<table class="{kind}">{thead}<tbody>{body}</tbody></table>')  # noqa: S704 - of escaped parts

    def _unified(self, anchor: str, hunks: Iterable[Hunk]) -> Iterator[str]:
        for hunk in hunks:
            yield _hunk_row(hunk, 3)
            marks = self._marks(hunk.lines)
            for number, line in enumerate(hunk.lines):
                code = _CELL.format("code", self._html(line, marks.get(number, ())))
                numbers = _number(anchor, "L", line.old) + _number(anchor, "R", line.new)
                yield f'<tr class="{_CLASSES[line.sign]}">{numbers}{code}</tr>'

    def _split(self, anchor: str, hunks: Iterable[Hunk]) -> Iterator[str]:
        for hunk in hunks:
            yield _hunk_row(hunk, 4)
            marks = self._marks(hunk.lines)
            for old, new in _pairs(hunk.lines):
                cells = ""
                for side, number in (("L", old), ("R", new)):
                    if number is None:
                        cells += _EMPTY
                        continue
                    line = hunk.lines[number]
                    kind = _CLASSES[line.sign]
                    at = line.old if side == "L" else line.new
                    code = self._html(line, marks.get(number, ()))
                    cells += _number(anchor, side, at, kind) + _CELL.format(f"code {kind}", code)
                yield f"<tr>{cells}</tr>"

    def _marks(self, lines: Sequence[Line]) -> dict[int, list[Span]]:
        """Number of a line in the hunk to the characters in it that changed, where a line became another."""
        found: dict[int, list[Span]] = {}
        for old, new in _pairs(lines):
            if old is None or new is None or old == new or self._spent > self.word_seconds:
                continue
            if max(len(lines[old].content), len(lines[new].content)) > MAX_LINE:
                continue
            began = time.monotonic()
            gone, come = changed_words(_text(lines[old]), _text(lines[new]))
            self._spent += time.monotonic() - began
            found[old], found[new] = gone, come
        return found

    def _html(self, line: Line, spans: Sequence[Span]) -> str:
        text = _text(line)
        cut = len(text) - MAX_LINE
        if cut > 0:
            text = text[:MAX_LINE]
        pieces, at = [], 0
        for start, end in spans:
            pieces += [visible(text[at:start]), f"<b>{visible(text[start:end])}</b>"]
            at = end
        pieces.append(visible(text[at:]))
        if cut > 0:
            pieces.append(f' <span class="odd">{visible(self._more(cut))}</span>')
        if not line.content.endswith(b"\n"):
            _ = self.language.gettext
            pieces.append(f' <span class="odd">{visible(_("no newline at the end"))}</span>')
        return "".join(pieces)

    def _more(self, count: int) -> str:
        ngettext = self.language.ngettext
        return ngettext("… and %(num)s more character", "… and %(num)s more characters", count) % {"num": count}


def _text(line: Line) -> str:
    content = line.content.removesuffix(b"\n")
    # Lines of files written on Windows all end so; it is told where such a line changed.
    return decoded(content.removesuffix(b"\r") if line.sign == " " else content)


def _number(anchor: str, side: str, number: int | None, kind: str = "") -> str:
    name = f"no {kind}" if kind else "no"
    if number is None:
        return f'<td class="{name}"></td>'
    place = f"{anchor}{side}{number}"
    return f'<td class="{name}"><a id="{place}" href="#{place}" tabindex="-1">{number}</a></td>'


def _hunk_row(hunk: Hunk, columns: int) -> str:
    place = f"@@ -{hunk.old_start},{hunk.old_count} +{hunk.new_start},{hunk.new_count} @@"
    heading = f" {visible(hunk.heading[:200])}" if hunk.heading else ""
    return f'<tr class="hunk"><td colspan="{columns}">{place}{heading}</td></tr>'


def _pairs(lines: Sequence[Line]) -> Iterator[tuple[int | None, int | None]]:
    """Numbers of the lines that stand beside each other: a run of removed lines beside the added ones after it."""
    gone: list[int] = []
    come: list[int] = []
    for number, line in enumerate(lines):
        if line.sign == "-" and not come:
            gone.append(number)
        elif line.sign == "+":
            come.append(number)
        else:
            yield from zip_longest(gone, come)
            gone, come = ([number], []) if line.sign == "-" else ([], [])
            if line.sign == " ":
                yield number, number
    yield from zip_longest(gone, come)
