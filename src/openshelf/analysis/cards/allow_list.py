"""The only HTML that a card may become, and the last wall that holds it to that.

``elements`` already writes nothing else; nh3 parses its result anew as a browser does and drops whatever a
browser would have understood differently.
"""

from __future__ import annotations

import nh3

from openshelf.analysis.cards.addresses import ID_PREFIX, SCHEMES

EXTERNAL_REL = "nofollow noopener noreferrer"

VOID = frozenset({"br", "hr", "img", "input", "wbr"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
BLOCKS = HEADINGS | frozenset(
    "blockquote details dd div dl dt figcaption figure hr li ol p pre section summary table tbody td tfoot th thead tr "
    "ul caption".split()
)
INLINE = frozenset(
    "a abbr b bdi br cite code del dfn em i img input ins kbd mark q rp rt ruby s samp small span strike strong sub "
    "sup tt u var wbr".split()
)
MEDIA = frozenset({"audio", "video"})
TAGS = BLOCKS | INLINE | MEDIA

WITHOUT_CONTENT = frozenset(
    "applet canvas embed frameset head iframe math noembed noframes noscript object script select style svg "
    "template textarea title xmp".split()
)
"""Elements that go with all that is inside them."""

_ALIGNED = BLOCKS & frozenset("div p h1 h2 h3 h4 h5 h6 table tr td th thead tbody".split())
ATTRIBUTES: dict[str, set[str]] = {tag: {"dir", "lang", "title", "id", "class"} for tag in TAGS}
for _tag in _ALIGNED:
    ATTRIBUTES[_tag] |= {"align"}
for _tag, _names in {
    "a": "href rel aria-label",
    "img": "src alt width height align loading",
    "audio": "src controls preload aria-label",
    "video": "src controls preload aria-label width height",
    "td": "colspan rowspan valign width",
    "th": "colspan rowspan valign width scope",
    "table": "width border",
    "details": "open",
    "ol": "start reversed type",
    "li": "value",
    "input": "type checked disabled aria-label",
    "span": "data-math",
    "code": "data-math",
}.items():
    ATTRIBUTES[_tag] |= set(_names.split())

ALERTS = ("note", "tip", "important", "warning", "caution")
CLASSES: dict[str, set[str]] = {
    "div": {"markdown-alert", *(f"markdown-alert-{name}" for name in ALERTS)},
    "p": {"markdown-alert-title"},
    "section": {"footnotes"},
    "sup": {"footnote-ref"},
    "a": {"footnote-backref", "external-image"},
    "span": {"external-image"},
}
LANGUAGE_CLASS = "language-"

_WORDS = {
    "align": frozenset({"left", "right", "center", "justify", "top", "middle", "bottom"}),
    "valign": frozenset({"top", "middle", "bottom", "baseline"}),
    "dir": frozenset({"ltr", "rtl", "auto"}),
    "data-math": frozenset({"inline", "display"}),
    "scope": frozenset({"row", "col", "rowgroup", "colgroup"}),
    "rel": frozenset({EXTERNAL_REL}),
    "loading": frozenset({"lazy"}),
    "preload": frozenset({"none", "metadata"}),
}
_NUMBERS = frozenset({"width", "height", "colspan", "rowspan", "border", "start", "value"})
_FLAGS = frozenset({"controls", "open", "reversed", "checked", "disabled"})


def value_of(tag: str, name: str, value: str) -> str | None:
    """The value with which attribute ``name`` of ``tag`` is kept, or None. Addresses and ids are judged elsewhere."""
    if name not in ATTRIBUTES[tag]:
        return None
    if name == "class":
        return _classes(tag, value)
    if name in _WORDS:
        return value.lower() if value.lower() in _WORDS[name] else None
    if name in _NUMBERS:
        return _number(value)
    if name in _FLAGS:
        return ""
    if name == "type":
        return _type(tag, value)
    return value[:1_000]


def _type(tag: str, value: str) -> str | None:
    if tag == "input":
        return value if value == "checkbox" else None
    return value if value in ("1", "a", "A", "i", "I") else None


def _number(value: str) -> str | None:
    digits = value.strip().lower().removesuffix("px").removesuffix("%")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4):
        return None
    return digits + "%" if value.strip().endswith("%") else digits


def _classes(tag: str, value: str) -> str | None:
    names = value.split()
    if tag == "code":
        return next((name[:60] for name in names if name.startswith(LANGUAGE_CLASS)), None)
    return " ".join(name for name in names if name in CLASSES.get(tag, ())) or None


def _judge(tag: str, name: str, value: str) -> str | None:
    if name == "id":
        return value if value.startswith(ID_PREFIX) else None
    if name == "src":
        return None if ":" in value.partition("/")[0] or value.startswith(("//", "/\\", "\\")) else value
    return value if name == "href" else value_of(tag, name, value)


_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(WITHOUT_CONTENT),
    attributes=ATTRIBUTES,
    attribute_filter=_judge,
    link_rel=None,
    url_schemes=set(SCHEMES),
    url_relative="pass_through",
)


def enforce(html: str) -> str:
    """``html`` held to the allow-list, well formed. Raises nothing."""
    return _CLEANER.clean(html)
