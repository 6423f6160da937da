"""Where the links and images of a card may lead.

Addresses are read as a browser reads them (white space and control characters dropped, backslashes as slashes), so that
nothing hides from the check and then works when clicked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

ID_PREFIX = "user-content-"
EXTERNAL_SCHEMES = frozenset({"http", "https"})
SCHEMES = EXTERNAL_SCHEMES | {"mailto"}

MAX_LENGTH = 4_000

_EDGES = "".join(map(chr, range(0x21)))
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NOT_IN_IDS = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be written out; ``external`` when it leads to another origin."""

    url: str
    external: bool


@dataclass(frozen=True, slots=True)
class Addresses:
    """Turns the addresses written in a card into those on the page.

    ``link`` and ``image`` take a relative address as written and give the path on this hub, or ``""`` for none.
    """

    link: Callable[[str], str]
    image: Callable[[str], str]

    def of_link(self, written: str) -> Target | None:
        """The target of a link; None when it leads nowhere safe."""
        url = _as_browsers_read(written)
        if url.startswith("#"):
            return Target("#" + content_id(unquote(url[1:])), False) if len(url) > 1 else None
        return self._target(url, self.link)

    def of_image(self, written: str) -> Target | None:
        """The target of an image; never an address with a scheme other than HTTP."""
        target = self._target(_as_browsers_read(written), self.image)
        return None if target is None or target.url.startswith("mailto:") else target

    def _target(self, url: str, place: Callable[[str], str]) -> Target | None:
        if not url or len(url) > MAX_LENGTH:
            return None
        if url.startswith("//"):
            url = "https:" + url
        scheme = _SCHEME.match(url)
        if scheme is None:
            placed = place(url)
            return Target(placed, False) if placed else None
        if scheme[1].lower() not in SCHEMES:
            return None
        return Target(scheme[1].lower() + url[scheme.end(1) :], True)


def content_id(name: str) -> str:
    """An id for an element of the card, which no id of the page around it can be."""
    return ID_PREFIX + _NOT_IN_IDS.sub("-", name.removeprefix(ID_PREFIX)[:100]).strip("-")


def _as_browsers_read(written: str) -> str:
    url = _INVISIBLE.sub("", written.strip(_EDGES))
    path, mark, rest = url.partition("?")
    return path.replace("\\", "/") + mark + rest
