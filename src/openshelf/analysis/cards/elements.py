"""Writes the HTML of a card anew, element by element: known ones with known attributes, always balanced, never deep.

Works on the output of comrak, in which the raw HTML of the author stands beside what Markdown became. It is linear in
time, so that nh3, whose tree building is not, only ever sees a tree of bounded depth.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape, unescape
from urllib.parse import unquote

from openshelf.analysis.cards.addresses import EXTERNAL_SCHEMES, Addresses, content_id
from openshelf.analysis.cards.allow_list import (
    BLOCKS,
    EXTERNAL_REL,
    HEADINGS,
    MEDIA,
    TAGS,
    VOID,
    WITHOUT_CONTENT,
    value_of,
)

MAX_DEPTH = 80
MAX_TAGS = 200_000

# No quoted value holds "<": an open quote is then given up at the next tag, and the scan stays linear.
_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9-]*)((?:[\s/](?:[^<>"']|"[^"<]*"|'[^'<]*')*+)?)>""")
_ATTRIBUTE = re.compile(r"""([A-Za-z][\w:.-]*+)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]++)))?""", re.ASCII)
_DECLARATION = re.compile(r"<[!?][^<>]*+>")
_MARKUP = re.compile(r"<[^<>]*+>")

_SOURCE = re.compile(r"<source\b([^<>]*+)>", re.IGNORECASE)
_SOUNDS = frozenset("mp3 wav ogg oga opus flac m4a aac".split())
_FILMS = frozenset("mp4 webm mov ogv m4v".split())
_ELSEWHERE = "Shown on another site"

_RENAMED = {"center": ("div", {"align": "center"})}
# What an opening tag ends when the author left out the closing one, and the element at which the search stops.
_ENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "li": (frozenset({"li"}), frozenset({"ul", "ol"})),
    "dt": (frozenset({"dt", "dd"}), frozenset({"dl"})),
    "dd": (frozenset({"dt", "dd"}), frozenset({"dl"})),
    "tr": (frozenset({"tr"}), frozenset({"table"})),
    "td": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
    "th": (frozenset({"td", "th"}), frozenset({"table", "tr"})),
}
_ENDS |= {tag: (frozenset({"thead", "tbody", "tfoot"}), frozenset({"table"})) for tag in ("thead", "tbody", "tfoot")}


class Rewriter:
    """One card. :meth:`rewrite` once; then ``cut`` says whether there were more tags than are read."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.out: list[str] = []
        self.stack: list[tuple[str, bool]] = []
        self.open: Counter[str] = Counter()
        self.shown = 0
        self.headings: list[int] = []
        self.ids: Counter[str] = Counter()
        self.never_closed: set[str] = set()
        self.cut = False

    def rewrite(self, html: str) -> str:
        position = tags = 0
        while (start := html.find("<", position)) >= 0:
            self.out.append(html[position:start])
            tag = _TAG.match(html, start)
            if tag is None:
                position = self.not_a_tag(html, start)
                continue
            tags += 1
            if tags > MAX_TAGS:
                self.cut = True
                break
            position = self.tag(html, tag)
        else:
            self.out.append(html[position:])
        self.close_down_to(0)
        return "".join(self.out)

    def not_a_tag(self, html: str, start: int) -> int:
        if html.startswith("<!--", start):
            end = -1 if "<!--" in self.never_closed else html.find("-->", start + 4)
            if end >= 0:
                return end + 3
            self.never_closed.add("<!--")
        elif declaration := _DECLARATION.match(html, start):
            return declaration.end()
        self.out.append("&lt;")
        return start + 1

    def tag(self, html: str, tag: re.Match[str]) -> int:
        closing, name, written = tag[1], tag[2].lower(), tag[3]
        if name in WITHOUT_CONTENT:
            return tag.end() if closing else self.skip(html, name, tag.end())
        if name in MEDIA:
            return tag.end() if closing else self.medium(html, name, written, tag.end())
        name, extra = _RENAMED.get(name, (name, {}))
        if name in TAGS:
            if closing:
                self.close(name)
            else:
                self.open_tag(name, {**extra, **_attributes(written)})
        return tag.end()

    def skip(self, html: str, name: str, position: int) -> int:
        if name not in self.never_closed:
            end = re.compile(f"</{name}[^<>]*+>", re.IGNORECASE).search(html, position)
            if end:
                return end.end()
            self.never_closed.add(name)
        return position

    def open_tag(self, name: str, given: dict[str, str]) -> None:
        if name in BLOCKS and self.open["p"]:
            self.close("p")
        if name == "a" and self.open["a"]:
            self.close("a")
        if name in _ENDS:
            self.end_earlier(*_ENDS[name])
        if name == "img":
            self.image(given)
        elif name == "input":
            self.checkbox(given)
        elif name in VOID:
            self.write(name, {})
        else:
            self.push(name, given)

    def push(self, name: str, given: dict[str, str]) -> None:
        show = self.shown < MAX_DEPTH
        self.stack.append((name, show))
        self.open[name] += 1
        if show:
            self.shown += 1
            self.write(name, self.kept(name, given))
            if name in HEADINGS:
                self.headings.append(len(self.out))

    def close(self, name: str) -> None:
        if not self.open[name]:
            return
        place = len(self.stack) - 1
        while self.stack[place][0] != name:
            place -= 1
        self.close_down_to(place)

    def end_earlier(self, ended: frozenset[str], stop: frozenset[str]) -> None:
        for place in range(len(self.stack) - 1, max(-1, len(self.stack) - MAX_DEPTH), -1):
            name = self.stack[place][0]
            if name in stop:
                return
            if name in ended:
                self.close_down_to(place)
                return

    def close_down_to(self, height: int) -> None:
        while len(self.stack) > height:
            name, shown = self.stack.pop()
            self.open[name] -= 1
            if shown:
                self.shown -= 1
                if name in HEADINGS:
                    self.name_heading(self.headings.pop())
                self.out.append(f"</{name}>")

    def name_heading(self, start: int) -> None:
        opening = self.out[start - 1]
        if ' id="' in opening:
            return
        words = unescape(_MARKUP.sub("", "".join(self.out[start:])))[:200]
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        if slug:
            number = self.ids[slug]
            self.ids[slug] += 1
            name = content_id(f"{slug}-{number}" if number else slug)
            self.out[start - 1] = f'{opening[:-1]} id="{escape(name)}">'

    def kept(self, name: str, given: dict[str, str]) -> dict[str, str]:
        given = {**given, "data-math": given.get("data-math-style", "")}
        kept = {}
        for key, value in given.items():
            if key not in ("href", "rel", "id", "aria-label") and (safe := value_of(name, key, value)) is not None:
                kept[key] = safe
        anchor = given.get("id") or (given.get("name") if name == "a" else None)
        if anchor:
            kept["id"] = content_id(anchor)
        if name == "a":
            kept |= self.link(given)
        return kept

    def link(self, given: dict[str, str]) -> dict[str, str]:
        target = self.addresses.of_link(given["href"]) if "href" in given else None
        if target is None:
            return {}
        labelled = {"aria-label": given["aria-label"]} if "data-footnote-backref" in given else {}
        return {"href": target.url, **({"rel": EXTERNAL_REL} if target.external else {}), **labelled}

    def image(self, given: dict[str, str], medium: str = "") -> None:
        target = self.addresses.of_image(given.get("src", ""))
        alt = " ".join(given.get("alt", "").split())[:1_000]
        medium = medium or (_medium_of(target.url) if target else "")
        if target is not None and not target.external and medium:
            label = alt or unquote(target.url.partition("?")[0].rpartition("/")[2])
            self.write(medium, {"src": target.url, "controls": "", "preload": "none", "aria-label": label})
            self.out.append(f"</{medium}>")
        elif target is not None and not target.external:
            layout: dict[str, str] = {key: given[key] for key in ("width", "height", "align", "title") if key in given}
            self.write("img", {"src": target.url, "alt": alt, **self.kept("img", layout), "loading": "lazy"})
        elif target is None or self.open["a"]:
            self.out.append(escape(alt))
        elif target.url.partition(":")[0] in EXTERNAL_SCHEMES:
            self.write("a", {"class": "external-image", "title": _ELSEWHERE, "href": target.url, "rel": EXTERNAL_REL})
            self.out.append(escape(alt or target.url.partition("?")[0].rpartition("/")[2] or target.url) + "</a>")

    def medium(self, html: str, name: str, written: str, position: int) -> int:
        """A recording in the author's HTML: its first source, and nothing else of what is inside."""
        end = self.skip(html, name, position)
        given = _attributes(written)
        source = given.get("src") or next(
            (found["src"] for part in _SOURCE.findall(html, position, end) if "src" in (found := _attributes(part))), ""
        )
        self.image({"src": source, "alt": given.get("aria-label") or given.get("title") or "", "width": "100%"}, name)
        return end

    def checkbox(self, given: dict[str, str]) -> None:
        if given.get("type", "").lower() == "checkbox":
            done = "checked" in given
            label = {"aria-label": "Done" if done else "Not done"}
            self.write("input", {"type": "checkbox", "disabled": "", **({"checked": ""} if done else {}), **label})

    def write(self, name: str, attributes: dict[str, str]) -> None:
        written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
        self.out.append(f"<{name}{written}>")


def _medium_of(url: str) -> str:
    """``audio`` or ``video`` where the address is that of a recording, else empty."""
    ending = url.partition("?")[0].partition("#")[0].lower().rpartition(".")[2]
    return "audio" if ending in _SOUNDS else "video" if ending in _FILMS else ""


def _attributes(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(written) if written else ():
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found
