"""Texts in the reader's language: English in the source, other catalogues in ``locales/LANGUAGE.po``.

A catalogue is taken as soon as its file is there. Texts that it does not translate stay English.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER = Path(__file__).parent / "locales"
SOURCE = "en"
_MOST_PREFERENCES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """A language that the pages speak; ``tag`` is what stands in ``<html lang>``."""

    tag: str
    locale: Locale
    texts: NullTranslations

    def gettext(self, message: str) -> str:
        return self.texts.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.texts.ngettext(singular, plural, number)


@cache
def languages(folder: Path = FOLDER) -> Mapping[str, Language]:
    """Babel's name of a locale to its Language; English is always there."""
    found = {SOURCE: Language(SOURCE, Locale.parse("en_GB"), NullTranslations())}
    for path in sorted(folder.glob("*.po")):
        locale = Locale.parse(path.stem)
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=locale))
        compiled.seek(0)
        found[path.stem] = Language(path.stem.replace("_", "-"), locale, Translations(compiled))
    return found


def choose(accept_language: str, folder: Path = FOLDER) -> Language:
    """The language that suits an ``Accept-Language`` header best (RFC 9110, 12.5.4); English where none does."""
    known = languages(folder)
    found = negotiate_locale(_preferences(accept_language), list(known), sep="_")
    return known[found or SOURCE]


def _preferences(header: str) -> list[str]:
    weighted = []
    for order, part in enumerate(header.split(",")[:_MOST_PREFERENCES]):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag.replace("-", "").isalnum() and weight > 0:
            weighted.append((-weight, order, tag.replace("-", "_")))
    return [tag for _, _, tag in sorted(weighted)]
