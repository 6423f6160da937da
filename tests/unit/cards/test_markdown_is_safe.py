"""Nothing hostile survives rendering, whatever is written; and what is kept is kept."""

from __future__ import annotations

import time
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.cards import elements, markdown
from openshelf.analysis.cards.addresses import Addresses
from openshelf.analysis.cards.highlighting import highlight_code
from tests.unit.cards.hostile import VECTORS, faults, rendered

AROUND = [
    "{}",
    "- {}",
    "> {}",
    "text {} text",
    "<div>\n{}\n</div>",
    "| a |\n|---|\n| {} |",
    "**{}**",
    "<p>{}",
    "[{}](x)",
]
PIECES = st.sampled_from(
    [*VECTORS, "\n", "\n\n", "<", ">", '"', "'", "`", "```", "<div>", "</div>", "<a ", "=", "&#", "<!--"]
)


def test_there_are_at_least_sixty_vectors() -> None:
    assert len(set(VECTORS)) >= 60


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("around", AROUND)
def test_only_the_allow_list_remains(vector: str, around: str) -> None:
    assert faults(rendered(around.format(vector))) == []


@pytest.mark.parametrize("vector", VECTORS)
def test_the_rewriter_alone_already_keeps_to_the_list(vector: str) -> None:
    addresses = Addresses(lambda path: "/link/" + path, lambda path: "/image/" + path)
    assert faults(elements.Rewriter(addresses).rewrite(vector)) == []


@pytest.mark.parametrize("vector", VECTORS)
def test_a_card_cannot_be_rendered_into_another(vector: str) -> None:
    once = rendered(vector)
    assert faults(rendered(once)) == []
    assert faults(rendered(escape(vector))) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_mixed_vectors_stay_within_the_list(body: str) -> None:
    assert faults(rendered(body)) == []


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_is_rendered(body: str) -> None:
    assert faults(rendered(body)) == []


def test_what_the_callables_answer_is_checked_too() -> None:
    html = markdown.render("[a](b) ![c](d)", link=lambda _: "javascript:alert(1)", image=lambda _: "//evil.example/x")
    assert "javascript" not in html
    assert "evil" not in html


HEAVY = {
    "quotes": ">" * 200_000 + "a",
    "lists": "- " * 200_000 + "a",
    "list and blank lines": "\n".join("  " * depth + "- a" for depth in range(500)) + "\n" * 300_000,
    "elements": "<div>" * 100_000,
    "formatting": "<b><i>" * 50_000 + "<p>" * 50_000,
    "unclosed attributes": '<a href="' * 100_000,
    "comments": "<!-- " * 100_000,
    "unclosed scripts": "<script>" * 100_000,
    "brackets": "[" * 200_000,
    "same heading": "# a\n" * 50_000,
    "wide table": "|a" * 50_000 + "\n" + "|-" * 50_000 + "\n",
    "short rows": "|" + "a|" * 300 + "\n|" + "-|" * 300 + "\n" + "|a\n" * 100_000,
    "footnotes": "[^a]" * 50_000 + "\n\n[^a]: x",
    "dollars": "$`a " * 100_000,
    "code that lexers hate": "```c\n" + "\n" * 90_000 + "x\n```",
    "long code": "```csharp\n" + "a\n" * 40_000 + "```",
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_input_is_done_in_seconds(name: str) -> None:
    started = time.thread_time()
    html = rendered(HEAVY[name])
    assert time.thread_time() - started < 8
    assert faults(html) == []


@pytest.mark.parametrize("name", ["script", "style", "svg", "iframe", "title", "template"])
def test_what_is_inside_a_dropped_element_goes_with_it(name: str) -> None:
    assert rendered(f"a <{name}>inside</{name}> b") == "<p>a  b</p>\n"


def test_the_rewriter_closes_what_was_left_open() -> None:
    addresses = Addresses(lambda path: path, lambda path: path)
    assert elements.Rewriter(addresses).rewrite("<div><b>a") == "<div><b>a</b></div>"


def test_runs_of_blank_lines_are_shortened() -> None:
    assert rendered("```\n" + "\n" * 5_000 + "x\n```").count("\n") < 150
    assert highlight_code("\n" * 200 + "x", "c") is None


def test_depth_is_bounded() -> None:
    html = rendered("<div>" * 1_000 + "deep" + "</div>" * 1_000 + "<p>after</p>")
    assert html.count("<div>") <= elements.MAX_DEPTH
    assert "deep" in html
    assert html.rstrip().endswith("</div><p>after</p>")


def test_what_is_too_long_says_so() -> None:
    assert markdown.CUT_NOTE in rendered("word " * 500_000)
    assert markdown.CUT_NOTE in rendered("<br>" * (elements.MAX_TAGS + 1))
    assert markdown.CUT_NOTE in rendered("|a" * 600 + "\n" + "|-" * 600 + "\n")
    assert markdown.CUT_NOTE in rendered("|a|b|\n|-|-|\n" + "|1|2|\n" * 150_000)
    assert "note" not in rendered("word")
