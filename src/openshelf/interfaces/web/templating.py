"""Templates: Jinja with escaping on, undefined names an error, and texts in one language an environment."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel import dates, numbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from openshelf.interfaces.web import addresses, assets
from openshelf.interfaces.web.file_words import FileWords
from openshelf.interfaces.web.languages import Language
from openshelf.interfaces.web.visible import visible_name, visible_text
from openshelf.interfaces.web.words import Words
from openshelf.services.sizes import readable_size

FOLDER = Path(__file__).parent / "templates"
_ROUND_ABOVE = 9999
_SAME_SECONDS = 10


@cache
def environment(language: Language) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals.update(
        asset=assets.address,
        addresses=addresses,
        lang=language.tag,
        direction=language.locale.text_direction,
        words=Words(language),
        file_words=FileWords(language),
    )
    figures = _Figures(language)
    made.filters.update(marked=marked, short=figures.short)
    made.filters.update(size=readable_size, count=figures.count, ago=figures.ago, day=figures.day, zip=zip)
    made.filters.update(visible=visible_name, visible_text=visible_text)
    made.filters.update(exact=figures.exact, capitalise=_capitalise)
    return made


class _Figures:
    """Numbers and times as one language writes them."""

    def __init__(self, language: Language) -> None:
        self.locale = language.locale

    # Babel reads its tables anew for each number, and lists are full of small ones.
    @lru_cache(maxsize=4096)  # noqa: B019 - there is one for each language, for good
    def count(self, number: int) -> Markup:
        """A whole number; large ones rounded, with the exact one in a title."""
        exact = numbers.format_decimal(number, locale=self.locale)
        if number <= _ROUND_ABOVE:
            return escape(exact)
        short = numbers.format_compact_decimal(number, locale=self.locale, fraction_digits=1)
        return Markup('<span title="{}">{}</span>').format(exact, short)

    @lru_cache(maxsize=1024)  # noqa: B019
    def exact(self, number: int) -> str:
        """A whole number with every digit."""
        return numbers.format_decimal(number, locale=self.locale)

    @lru_cache(maxsize=1024)  # noqa: B019
    def short(self, number: int) -> str:
        """A large number in its first two figures: 7.2B."""
        return str(numbers.format_compact_decimal(number, locale=self.locale, fraction_digits=1))

    def ago(self, moment: datetime) -> Markup:
        """How long ago, with the exact time in a title."""
        return self._ago(moment, int(datetime.now(UTC).timestamp()) // _SAME_SECONDS)

    @lru_cache(maxsize=2048)  # noqa: B019 - there is one for each language, for good
    def _ago(self, moment: datetime, now: int) -> Markup:
        # Rows of a folder often share a commit, and words for times cost more than all else in a row.
        delta = moment - datetime.fromtimestamp((now + 1) * _SAME_SECONDS, UTC)
        text = dates.format_timedelta(delta, add_direction=True, threshold=0.9, locale=self.locale)
        return self._time(moment, text)

    @lru_cache(maxsize=1024)  # noqa: B019
    def day(self, moment: datetime) -> Markup:
        """The date, with the exact time in a title."""
        return self._time(moment, dates.format_date(moment, "medium", locale=self.locale))

    def _time(self, moment: datetime, text: str) -> Markup:
        exact = dates.format_datetime(moment, "long", locale=self.locale)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment.isoformat(timespec="seconds"), exact, text
        )


def _capitalise(text: str) -> str:
    """``text`` with a capital in front, the rest as it is."""
    return text[:1].upper() + text[1:]


def marked(text: str, query: str) -> Markup | str:
    """``text`` with the words of ``query`` marked."""
    words = sorted({word for word in query.split()[:_MOST_MARKED] if len(word) > 1}, key=len, reverse=True)
    if not words:
        return text
    pieces = re.split("(" + "|".join(map(re.escape, words)) + ")", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if place % 2 else piece for place, piece in enumerate(pieces)
    )


_MOST_MARKED = 12


def render(language: Language, template: str, values: dict[str, Any]) -> str:
    return environment(language).get_template(template).render(values)
