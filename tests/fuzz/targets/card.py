"""Cards: front matter, what is said about it, facts, and the page made of it."""

from __future__ import annotations

from openshelf.analysis.cards.facts import describe
from openshelf.analysis.cards.front_matter import split
from openshelf.analysis.cards.markdown import render
from openshelf.analysis.cards.validate import validate_card
from tests.fuzz.target import Target

_FORBIDDEN = ("<script", "<iframe", "<object", "<embed", "<base", "javascript:alert")


def run(data: bytes) -> None:
    card = split(data)
    describe("model", card.metadata, [], None, card.body)
    text = data.decode("utf-8", "replace")
    for kind in ("model", "dataset"):
        validate_card(text, kind)
    page = render(card.body, link=lambda address: address, image=lambda address: address).lower()
    for word in _FORBIDDEN:
        assert word not in page.replace("&lt;", ""), page[:500]


def _seeds() -> list[bytes]:
    return [
        b"---\nlicense: mit\nlanguage: [en, de]\ntags:\n- a\nbase_model: x/y\n---\n"
        b"# Title\n\n| a | b |\n|-|-|\n| 1 | 2 |\n",
        b"---\n&a [*a]\n---\n",
        b"---\nmodel-index:\n- name: a\n  results:\n  - task: {type: x}\n    metrics: [{type: f1, value: .nan}]\n---\n"
        b'$x^2$\n```python\nx = 1\n```\n<img src="x" onerror="a()">[l](javascript:b)\n',
    ]


TARGET = Target(run, _seeds, memory=32 * 1024 * 1024, per_byte=2000)
