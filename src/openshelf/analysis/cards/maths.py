"""TeX formulas as MathML, which browsers draw by themselves.

latex2mathml reads the TeX and is trusted with nothing more: from the tree that it makes, elements and attributes of an
allow-list are written anew, with every text escaped. A formula that is too long, cannot be read, or comes after the
time is used up stays TeX.
"""

from __future__ import annotations

import re
from html import escape, unescape
from time import thread_time
from typing import Any

MAX_FORMULA = 2_000
MAX_SECONDS = 1.0
MAX_ELEMENTS = 5_000
MAX_DEPTH = 100

ELEMENTS = frozenset(
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd "
    "mstyle mpadded mphantom menclose mmultiscripts mprescripts none".split()
)
ATTRIBUTES = frozenset(
    "display displaystyle mathvariant stretchy fence form separator lspace rspace minsize maxsize accent accentunder "
    "columnalign rowspacing columnspacing columnlines rowlines linethickness scriptlevel movablelimits largeop "
    "symmetric width height depth voffset notation linebreak".split()
)
_VALUE = re.compile(r"[A-Za-z0-9.%+ -]{1,60}\Z")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(aligned|split|gathered|gather\*?|equation\*?|align)\}")
_ALIGNED = {"aligned": "align*", "split": "align*", "align": "align*"}
_MARKED = re.compile(
    r'<pre><code class="language-math"[^<>]*>([^<]*)</code></pre>'
    r'|<(span|code) data-math="(inline|display)">([^<]*)</\2>'
)


class _TooMuch(Exception):
    """The formula is larger than is drawn."""


def draw(html: str) -> str:
    """``html``, which is safe, with the formulas that Markdown marked in it drawn."""
    end = thread_time() + MAX_SECONDS

    def formula(marked: re.Match[str]) -> str:
        tex = unescape(marked[1] if marked[1] is not None else marked[4])
        drawn = to_mathml(tex, is_block=marked[3] != "inline") if thread_time() < end else None
        return marked[0] if drawn is None else drawn

    return _MARKED.sub(formula, html) if "math" in html else html


def to_mathml(tex: str, *, is_block: bool) -> str | None:
    """One formula as a ``math`` element; None where it cannot be drawn."""
    if not tex.strip() or len(tex) > MAX_FORMULA:
        return None
    # Loaded by the first formula: it brings 20 MB of tables.
    from latex2mathml import converter

    plain = _ENVIRONMENT.sub(_environment, tex.strip().strip("`"))
    try:
        tree = converter.convert_to_element(plain, display="block" if is_block else "inline")
        return "".join(_Writer().write(tree, 0))
    except (_TooMuch, RecursionError):
        return None
    except Exception:
        # Whatever a formula is that cannot be read (each has an exception of its own), it is shown as written.
        return None


def _environment(found: re.Match[str]) -> str:
    name = _ALIGNED.get(found[2])
    return f"\\{found[1]}{{{name}}}" if name else ""


class _Writer:
    def __init__(self) -> None:
        self.elements = 0

    def write(self, element: Any, depth: int) -> list[str]:
        self.elements += 1
        if self.elements > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise _TooMuch
        inside = [escape(unescape(element.text or ""))]
        for child in element:
            inside += self.write(child, depth + 1)
        name = element.tag if element.tag in ELEMENTS else "mrow"
        kept = "".join(
            f' {key}="{escape(value)}"'
            for key, value in element.attrib.items()
            if key in ATTRIBUTES and _VALUE.match(value)
        )
        return [f"<{name}{kept}>", *inside, f"</{name}>"]
