"""A JSON tree as HTML: what has an inside folds, without script. Written by hand, for templates are slow at trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from openshelf.analysis.files.json_tree import JsonTree, Node
from openshelf.interfaces.web.languages import Language

_OPEN_DEPTH = 2
_OPEN_CHILDREN = 30
_CLASSES = {"number": "hl-mi", "text": "hl-s2", "word": "hl-kc"}


@dataclass(frozen=True, slots=True)
class _Words:
    ngettext: Callable[[str, str, int], str]
    more: str
    unread: str
    twice: str


def render(tree: JsonTree, language: Language) -> Markup:
    """Safe HTML of the whole tree."""
    _ = language.gettext
    words = _Words(language.ngettext, _("more"), _("the rest was not read"), _("the same name again"))
    return Markup('<ul class="json-tree">{}</ul>').format(
        Markup("").join(Markup(part) for part in _node(tree.root, 0, words))  # noqa: S704 - escaped piece by piece
    )


def _node(node: Node, depth: int, words: _Words) -> Iterator[str]:
    name = f'<span class="json-name hl-na">{escape(node.name)}</span>: ' if node.name is not None else ""
    if node.is_repeated:
        name = f'<span class="tag">{words.twice}</span> {name}'
    if node.kind not in ("object", "array"):
        yield f"<li>{name}{_scalar(node, words)}</li>"
        return
    left, right = "{}" if node.kind == "object" else "[]"
    if not node.size:
        unread = f' <span class="muted">{words.unread}</span>' if node.is_partial else ""
        yield f"<li>{name}{left}{right}{unread}</li>"
        return
    is_open = depth == 0 or (depth < _OPEN_DEPTH and node.size <= _OPEN_CHILDREN)
    size = f"{node.size:,}{'+' if node.is_partial else ''} {words.ngettext('member', 'members', node.size)}"
    summary = f'{name}{left}<span class="muted json-size"> {size} </span>{right}'
    yield f"<li><details{' open' if is_open else ''}><summary>{summary}</summary><ul>"
    for child in node.children:
        yield from _node(child, depth + 1, words)
    if node.left_out:
        yield f'<li class="muted">… {node.left_out:,} {words.more}</li>'
    if node.is_partial:
        yield f'<li class="muted">… {words.unread}</li>'
    yield "</ul></details></li>"


def _scalar(node: Node, words: _Words) -> str:
    text = escape(node.text)
    rest = node.size - len(node.text)
    cut = f' <span class="muted">… {rest:,} {words.more}</span>' if rest > 0 else ""
    quoted = f"&#34;{text}&#34;" if node.kind == "text" else text
    return f'<bdi class="{_CLASSES.get(node.kind, "")}">{quoted}</bdi>{cut}'
