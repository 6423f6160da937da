"""The colours of the stylesheet as numbers: what each token is in both themes, and how far it stands out.

The tokens are written in OKLCH (CSS Color 4). Contrast is that of WCAG 2.2, from 1 to 21.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin

from openshelf.interfaces.web.assets import FOLDER

_TOKEN = re.compile(r"--([\w-]+): light-dark\(oklch\(([^)]*)\), oklch\(([^)]*)\)\);")
_SIZE = re.compile(r"--([\w-]+): ([\d.]+)rem;")
GROUNDS = ("paper", "surface", "sunken")
TEXTS = ("ink", "muted", "accent", "accent-strong", "good", "caution", "bad")
CODE = ("code-word", "code-name", "code-text", "code-number")
TEXT_LEAST, PART_LEAST = 4.5, 3.0


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour in OKLCH: lightness 0 to 1, chroma, hue in degrees; ``alpha`` 0 to 1."""

    lightness: float
    chroma: float
    hue: float
    alpha: float = 1.0

    @property
    def luminance(self) -> float:
        """The relative luminance of WCAG, 0 to 1, of the colour brought into sRGB."""
        red, green, blue = (min(max(part, 0.0), 1.0) for part in self._linear())
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def _linear(self) -> tuple[float, float, float]:
        # The matrices of CSS Color 4, 9.2: OKLab to LMS to linear sRGB.
        a, b = self.chroma * cos(radians(self.hue)), self.chroma * sin(radians(self.hue))
        long = (self.lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (self.lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (self.lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        return (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A colour that stands on another, how far it stands out in each theme, and how far it must."""

    front: str
    ground: str
    light: float
    dark: float
    least: float

    @property
    def is_enough(self) -> bool:
        return min(self.light, self.dark) >= self.least


def contrast(one: Colour, other: Colour) -> float:
    """The ratio of WCAG 2.2, 1 to 21."""
    darker, lighter = sorted((one.luminance, other.luminance))
    return (lighter + 0.05) / (darker + 0.05)


@cache
def tokens() -> Mapping[str, tuple[Colour, Colour]]:
    """Each colour of the stylesheet by name: in the light theme and in the dark one."""
    return {name: (_colour(light), _colour(dark)) for name, light, dark in _TOKEN.findall(_source())}


@cache
def sizes() -> Mapping[str, float]:
    """The type scale by name, in px at a browser's usual size."""
    return {name: float(size) * 16 for name, size in _SIZE.findall(_source())}


@cache
def pairs() -> tuple[Pair, ...]:
    """Every colour on every ground that it is used on."""
    texts = [(front, ground) for front in TEXTS for ground in GROUNDS]
    texts += [(front, ground) for front in CODE for ground in GROUNDS]
    texts += [(meaning, f"{meaning}-tint") for meaning in ("good", "caution", "bad")]
    texts += [(front, f"{meaning}-tint") for front in ("ink", "muted") for meaning in ("good", "caution", "bad")]
    texts += [("on-accent", "accent-fill"), ("on-accent", "accent-fill-strong")]
    parts = [(front, ground) for front in ("edge", "accent-fill") for ground in GROUNDS]
    parts += [(kind, ground) for kind in ("model", "dataset", "space", "kernel") for ground in ("paper", "surface")]
    return tuple([_pair(*names, TEXT_LEAST) for names in texts] + [_pair(*names, PART_LEAST) for names in parts])


def _pair(front: str, ground: str, least: float) -> Pair:
    found = tokens()
    light, dark = (contrast(found[front][theme], found[ground][theme]) for theme in (0, 1))
    return Pair(front, ground, light, dark, least)


def _source() -> str:
    return (FOLDER / "styles/01-tokens.css").read_text(encoding="utf-8")


def _colour(written: str) -> Colour:
    parts, _, alpha = written.partition("/")
    lightness, chroma, hue = parts.split()
    opacity = float(alpha.strip().removesuffix("%")) / 100 if alpha else 1.0
    return Colour(float(lightness.removesuffix("%")) / 100, float(chroma), float(hue), opacity)
