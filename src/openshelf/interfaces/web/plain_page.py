"""A page that needs nothing: for when templates, catalogue or the whole hub cannot be reached."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<title>{heading} · {hub}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{head}</head>
<body>
<main>
<p>{hub}</p>
<h1>{heading}</h1>
{paragraphs}
<p><a href="{address}">{way}</a></p>
</main>
</body>
</html>
"""
_STYLE = """<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; padding: 48px 24px; }
main { max-width: 36rem; margin: 0 auto; }
h1 { font-size: 1.5625rem; line-height: 1.25; }
</style>
"""


def plain_page(
    hub: str, heading: str, *paragraphs: str, way: tuple[str, str], lang: str = "en", style: bool = False
) -> str:
    """HTML alone. ``way``: where to go on, as address and words; ``style``: with a stylesheet inside the page."""
    said = "\n".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)
    return _PAGE.format(
        lang=escape(lang),
        hub=escape(hub),
        heading=escape(heading),
        paragraphs=said,
        address=escape(way[0]),
        way=escape(way[1]),
        head=_STYLE if style else "",
    )


def maintenance_page(hub: str) -> str:
    """What a proxy shows while the hub is down: one file, with its style inside, in English."""
    return plain_page(
        hub,
        "Back soon",
        "This hub is not running at the moment: it is being maintained or started. What is stored is safe.",
        "Uploads and downloads that were cut off can be sent again in a few minutes; clients take up where they "
        "stopped. If it lasts, tell whoever runs this hub.",
        way=("", "Try again"),
        style=True,
    )
