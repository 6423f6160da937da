"""Looking at files in a real browser: lines, tables, pictures that would like to do harm, sound."""

from __future__ import annotations

import io
import json
import struct
import wave
from typing import Literal

import pytest
from playwright.sync_api import expect

from openshelf.domain.names import RepoKind
from openshelf.domain.tree import AddInline
from openshelf.services import push, repos
from tests.browser.watched import Watched
from tests.hubs import actor
from tests.served import Served

pytestmark = pytest.mark.browser

HOSTILE = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="240" height="120" onload="fetch('/stolen-load')">
<style>@import url("https://elsewhere.example/x.css"); rect { fill: teal }</style>
<script>fetch('/stolen-script'); top.document.title = 'owned'; document.title = 'owned'</script>
<image href="https://elsewhere.example/pixel.png" width="1" height="1"/>
<image href="/stolen-image" width="1" height="1"/>
<foreignObject width="99" height="50"><body xmlns="http://www.w3.org/1999/xhtml"><iframe src="/stolen-frame"></iframe>
<script>fetch('/stolen-foreign')</script><img src="x" onerror="fetch('/stolen-error')"/></body></foreignObject>
<a xlink:href="javascript:fetch('/stolen-click')"><rect width="240" height="120"/></a>
<animate attributeName="href" values="javascript:fetch('/stolen-animate')"/></svg>"""
LINES = b"".join(b"line %d = 'word'\n" % number for number in range(1, 301))
TABLE = "id,word,score\n" + "".join(f"{n},{'very ' * (n % 30)}long,{n / 7}\n" for n in range(250))
BOOK = {
    "metadata": {"kernelspec": {"display_name": "Python 3"}},
    "cells": [
        {"cell_type": "markdown", "source": "# A book\n\n" + "wide " * 80},
        {
            "cell_type": "code", "execution_count": 1, "source": "x = '" + "y" * 300 + "'",
            "outputs": [
                {"output_type": "execute_result", "data": {"text/html": "<table><tr><th>a</th></tr></table>"}},
                {"output_type": "error", "traceback": ["Error"]},
            ],
        },
    ],
}  # fmt: skip
NAMES = ["lines.py", "notes.md", "rows.csv", "config.json", "book.ipynb", "drawing.svg", "sound.wav",
         "model.safetensors", "broken.json", "data.bin", "fake.png"]  # fmt: skip


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(struct.pack("<h", 900) * 8000)
    return buffer.getvalue()


def weights() -> bytes:
    names = [f"model.layers.{number}.self_attn.very_long_name_of_a_projection.weight" for number in range(60)]
    header: dict[str, object] = {"__metadata__": {"format": "pt", "long": "word " * 100}}
    for place, name in enumerate(names):
        header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [4 * place, 4 * place + 4]}
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + b"\0" * 240


@pytest.fixture(scope="module")
def shelf(served: Served) -> str:
    alice = actor(served.hub, "alice")
    repo = repos.create(served.hub, alice, RepoKind.MODEL, "viewed")
    files = {
        "lines.py": LINES, "rows.csv": TABLE.encode(), "drawing.svg": HOSTILE, "sound.wav": sound(),
        "notes.md": b"# Notes\n\n" + b"![drawing](drawing.svg)\n\n" + b"word " * 300, "data.bin": b"\0\1\2",
        "config.json": json.dumps({"a" * 90: {"b": [1, 2, {"c": "word " * 90}]}}).encode(), "fake.png": b"plain words",
        "book.ipynb": json.dumps(BOOK).encode(), "model.safetensors": weights(), "broken.json": b'{"a": 1,\n}',
    }  # fmt: skip
    push.commit(served.hub, alice, repo, "main", [AddInline(name, content) for name, content in files.items()], "Add")
    return f"{served.url}/alice/viewed/blob/main"


@pytest.mark.parametrize("scripts", [True, False])
def test_lines_can_be_linked_to(served: Served, shelf: str, open_page: type[Watched], scripts: bool) -> None:
    page = open_page(served.url, scripts=scripts).page
    page.goto(f"{shelf}/lines.py#L200")
    expect(page.locator("#L200")).to_be_in_viewport()
    tinted = page.locator("#L200")
    expect(tinted).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
    page.get_by_role("link", name="Line 210", exact=True).click()
    expect(page).to_have_url(f"{shelf}/lines.py#L210")


def test_ranges_of_lines_and_the_permalink(served: Served, shelf: str, open_page: type[Watched]) -> None:
    watched = open_page(served.url)
    page = watched.page
    page.goto(f"{shelf}/lines.py#L150-L152")
    expect(page.locator("#L150")).to_be_in_viewport()
    chosen = "[...document.querySelectorAll('.chosen')].map(line => line.id)"
    assert watched.ask(chosen) == ["L150", "L151", "L152"]
    page.get_by_role("link", name="Line 155", exact=True).click(modifiers=["Shift"])
    expect(page).to_have_url(f"{shelf}/lines.py#L150-L155")
    assert len(watched.ask(chosen)) == 6
    page.get_by_role("link", name="Permalink").click()
    expect(page).not_to_have_url(f"{shelf}/lines.py#L150-L155")
    assert page.url.endswith("/lines.py#L150-L155")
    assert len(watched.ask(chosen)) == 6


def test_a_link_to_a_line_finds_the_source(served: Served, shelf: str, open_page: type[Watched]) -> None:
    page = open_page(served.url).page
    page.goto(f"{shelf}/notes.md#L3")
    page.wait_for_url("**/notes.md?view=source#L3")
    expect(page.locator("#L3.chosen")).to_be_visible()
    page.get_by_role("link", name="Rendered").click()
    expect(page.get_by_role("heading", name="Notes")).to_be_visible()


def test_a_hostile_drawing_is_only_a_picture(served: Served, shelf: str, open_page: type[Watched]) -> None:
    watched = open_page(served.url)
    page = watched.page
    for address in (f"{shelf}/drawing.svg", f"{shelf}/notes.md"):
        watched.go(address)
        picture = page.locator("main img")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('main img').naturalWidth === 240")
        picture.click()
        assert "owned" not in page.title()
    assert watched.complaints == []

    answered: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    own = f"{served.url}/alice/viewed/resolve/main/drawing.svg"
    watched.go(own)
    page.mouse.click(20, 20)
    page.wait_for_load_state("networkidle")
    assert "owned" not in page.title()
    assert answered == [own]
    assert "/stolen" not in served.log.read_text()
    # By itself it is a document in a sandbox; Chromium tells of all that this kept it from.
    assert watched.complaints
    watched.complaints = []


def test_sound_plays(served: Served, shelf: str, open_page: type[Watched]) -> None:
    watched = open_page(served.url)
    watched.go(f"{shelf}/sound.wav")
    watched.page.wait_for_function("document.querySelector('audio').duration > 0.9")


@pytest.mark.parametrize("scripts", [True, False])
def test_tables_and_trees_without_script(served: Served, shelf: str, open_page: type[Watched], scripts: bool) -> None:
    page = open_page(served.url, scripts=scripts).page
    page.goto(f"{shelf}/rows.csv")
    expect(page.get_by_role("img", name="Values of score")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Rows 101 to 200 of 250")).to_be_visible()
    page.get_by_text("Figures of each column").click()
    expect(page.get_by_role("region", name="Figures of each column")).to_be_visible()
    page.goto(f"{shelf}/config.json")
    page.locator(".json-tree summary").nth(2).click()
    expect(page.locator(".json-tree")).to_contain_text("word word")


@pytest.mark.parametrize("width", [320, 1280])
def test_no_viewer_is_cut(served: Served, shelf: str, open_page: type[Watched], width: int) -> None:
    watched = open_page(served.url, width=width)
    wide = []
    for name in NAMES:
        watched.go(f"{shelf}/{name}")
        more = watched.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wide += [(name, more)] if more > 0 else []
    assert wide == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_viewer_has_barriers(
    served: Served, shelf: str, open_page: type[Watched], axe: str, colours: Literal["light", "dark"]
) -> None:
    watched = open_page(served.url, colours=colours)
    found = []
    for name in [*NAMES, "notes.md?view=source"]:
        watched.go(f"{shelf}/{name}")
        watched.ask("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
        watched.ask(axe)
        result = watched.ask("axe.run(document, { resultTypes: ['violations'] })")
        found += [(name, v["id"], [n["target"] for n in v["nodes"]][:3]) for v in result["violations"]]
    assert found == []
