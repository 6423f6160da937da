"""A small chart of a few numbers, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 120, 24


def sparkline(numbers: Sequence[int], title: str) -> Markup:
    """Bars as SVG, the last at the right; ``title`` says in words what they are. Empty where there is nothing."""
    most = max(numbers, default=0)
    if most <= 0:
        return Markup()
    step = WIDTH / len(numbers)
    bars = []
    for place, number in enumerate(numbers):
        height = max(round(number / most * HEIGHT, 1), 1)
        bars.append(
            f'<rect x="{place * step:.1f}" y="{HEIGHT - height:.1f}" width="{step - 2:.1f}" height="{height:.1f}"/>'
        )
    drawn = (
        f'<svg class="sparkline" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>{''.join(bars)}</svg>"
    )
    return Markup(drawn)  # noqa: S704 - numbers and an escaped title
