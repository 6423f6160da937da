"""One design system: every part is on its page, colours stand out enough, and the stylesheet uses nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import openshelf.interfaces.web as web
from openshelf.interfaces.web import colours
from openshelf.interfaces.web.pages.design import ICONS
from tests.interfaces.web.visitors import Visitor, elements

FOLDER = Path(web.__file__).parent
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("templates/**/*.html"))}
SHEETS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("static/styles/*.css"))}
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("static/**/*.js"))
CODE = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.parents[1].rglob("*.py"))
MACRO = re.compile(r"\{%-? macro (\w+)\(.*?endmacro", re.DOTALL)
MADE_ELSEWHERE = re.compile(
    r"hl-\w+|markdown-alert-\w+|level-\d|size-\w+|json-\w+|highlight|notranslate|task-list.*|footnote.*"
)
"""Classes whose names are put together, or that the Markdown renderer and the highlighter write."""


def test_every_part_stands_on_the_page(stranger: Visitor) -> None:
    bodies = {
        name: found[0]
        for part in ("ui.html", "forms.html")
        for found in MACRO.finditer(TEMPLATES[part])
        for name in (found[1],)
    }
    shown = {name for name in bodies if re.search(rf"\b{name}\(", TEMPLATES["design.html"])}
    for _round in range(3):
        shown |= {name for name in bodies for user in shown if re.search(rf"\b{name}\(", bodies[user])}
    assert bodies.keys() - shown == {"csrf"}, "csrf is a hidden field, and there is no form to send"
    assert set(ICONS) == set(re.findall(r'name == "(\w+)"', TEMPLATES["ui.html"]))
    found = elements(stranger.text("/docs/design"))
    assert [element.attributes["data-theme"] for element in found if "data-theme" in element.attributes] == [
        "light",
        "dark",
    ]


def test_colours_stand_out_enough_in_both_themes() -> None:
    assert [pair for pair in colours.pairs() if not pair.is_enough] == []
    white, black = colours.Colour(1, 0, 0), colours.Colour(0, 0, 0)
    assert round(colours.contrast(white, black), 2) == 21
    red = colours.Colour(0.62796, 0.25768, 29.234)  # sRGB's (255, 0, 0)
    assert abs(colours.contrast(white, red) - 4.0) < 0.01


def test_every_colour_that_carries_meaning_is_measured() -> None:
    measured = {name for pair in colours.pairs() for name in (pair.front, pair.ground)}
    assert colours.tokens().keys() - measured == {"line", "shadow"}, "these part things, and tell nothing"


def test_the_stylesheet_uses_tokens_alone() -> None:
    odd = []
    for name, sheet in SHEETS.items():
        if name == "01-tokens.css":
            continue
        odd += [(name, found) for found in re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsl|\boklch\([\d.]", sheet)]
        sizes = re.findall(r"font(?:-size)?: ([^;}]+)", sheet)
        usual = r"inherit|1rem|(?:1|\.875)em|(?:\d+ )?(?:1rem|var\(--(?:tiny|small|large|larger)\))(?:/[\d.]+ var\(.*)?"
        odd += [(name, size) for size in sizes if not re.fullmatch(usual, size.strip())]
        odd += [(name, token) for token in re.findall(r"var\(--([\w-]+)", sheet) if not _is_defined(token)]
    assert odd == []


def _is_defined(token: str) -> bool:
    return any(f"--{token}:" in sheet for sheet in SHEETS.values())


def test_no_class_is_without_a_rule_and_no_rule_without_use() -> None:
    plain = {name: re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL) for name, sheet in SHEETS.items()}
    selectors = "\n".join(re.sub(r"\{[^{}]*\}", " ", sheet) for sheet in plain.values())
    ruled = set(re.findall(r"\.([a-zA-Z][\w-]*)", selectors))
    everything = "\n".join([*TEMPLATES.values(), SCRIPTS, CODE])
    unused = [name for name in ruled if not re.search(rf"(?<![\w-]){name}(?![\w-])", everything)]
    assert [name for name in sorted(unused) if not MADE_ELSEWHERE.fullmatch(name)] == []

    written = set()
    for template in TEMPLATES.values():
        for classes in re.findall(r'class="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\})*)"', template):
            written |= set(re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", classes).split())
    by_script = {name for name in written if re.search(rf"""[."' ]{name}[."' ,)>:\[]""", SCRIPTS)}
    assert sorted(name for name in written - ruled - by_script if not name.endswith("-")) == []
