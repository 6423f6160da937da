"""The difference of two models as a picture: SVG with a cell for every layer and kind of tensor, darker = moved more.

Self-contained: no script, no font, nothing fetched; light or dark by the reader's preference.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from openshelf.analysis.weights.difference import ModelDifference
from openshelf.analysis.weights.reports.grid import Cell, Grid, grids
from openshelf.analysis.weights.reports.wording import printable

_LEGEND: tuple[tuple[int | str, str], ...] = (
    (0, "the same"), (1, "below 0.01 %"), (2, "0.01 to 0.1 %"), (3, "0.1 to 1 %"), (4, "1 to 10 %"),
    (5, "10 % and more"), ("added", "added"), ("removed", "removed"),
    ("broken", "NaN or infinite"), ("unknown", "not compared"),
)  # fmt: skip
_LIGHT = ("#ece8e1", "#d3e9e8", "#a3d0d0", "#63a9ac", "#2c7c82", "#0a4a50")
_DARK = ("#2b2926", "#1d3b3c", "#235557", "#2f7a7d", "#4dadb0", "#a5e9e8")
_MARGIN, _STEP, _LABEL, _CHARACTER, _LINE = 16, 20, 30, 7.3, 20
_SMALL_STEP, _MANY = 13, 48


def style(scope: str) -> str:
    """The colours, for elements inside ``scope``."""
    plain = f"""{scope} text {{ font: 12px ui-monospace, "SF Mono", Menlo, Consolas, monospace; fill: #57524b; }}
{scope} .h {{ font: 600 13px system-ui, sans-serif; fill: #2b2823; }}
{scope} .q {{ font: 12px system-ui, sans-serif; }}
{scope} .ladded {{ fill: url(#hatch); stroke: #2f7a4d; }}
{scope} .lremoved {{ fill: none; stroke: #b4483a; stroke-dasharray: 3 2; }}
{scope} .lbroken {{ fill: #c4402f; stroke: #7d2418; }}
{scope} .lunknown {{ fill: none; stroke: #a8a198; }}
{scope} .hatch {{ stroke: #2f7a4d; stroke-width: 2; }}
"""
    dark = f"""{scope} text {{ fill: #b5afa6; }}
{scope} .h {{ fill: #e6e2db; }}
{scope} .ladded {{ stroke: #7cc799; }}
{scope} .lremoved {{ stroke: #ec8c7d; }}
{scope} .lbroken {{ fill: #e2705f; stroke: #f7b3a8; }}
{scope} .lunknown {{ stroke: #77716a; }}
{scope} .hatch {{ stroke: #7cc799; }}
"""
    light_cells, dark_cells = (
        "".join(f"{scope} .l{number} {{ fill: {colour}; }}\n" for number, colour in enumerate(colours))
        for colours in (_LIGHT, _DARK)
    )
    return f"{plain}{light_cells}@media (prefers-color-scheme: dark) {{\n{dark}{dark_cells}}}"


def report(difference: ModelDifference) -> str:
    """A whole SVG file."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + drawing(difference, is_alone=True)


def drawing(difference: ModelDifference, *, is_alone: bool = False) -> str:
    """The ``svg`` element; ``is_alone`` gives it colours and a ground of its own."""
    body: list[str] = []
    place, width = _MARGIN, 420.0
    found, alone = grids(difference)
    for grid in found:
        parts, height, wide = _grid(grid, place)
        body += parts
        place, width = place + height, max(width, wide)
    if alone:
        parts, height, wide = _alone(alone, place, bool(found))
        body += parts
        place, width = place + height, max(width, wide)
    parts, height = _legend(place, width)
    body += parts
    return "\n".join([*_head(difference, round(width), place + height, is_alone), *body, "</svg>\n"])


def _head(difference: ModelDifference, width: int, height: int, is_alone: bool) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="heat" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="heat-title heat-words">'
    )
    yield '<title id="heat-title">Relative change by layer and kind of tensor</title>'
    yield f'<desc id="heat-words">{_text(difference.headline)}</desc>'
    if is_alone:
        ground = ".ground { fill: #fbfaf7; } @media (prefers-color-scheme: dark) { .ground { fill: #191816; } }"
        yield f'<style>{style(".heat")}\n{ground}</style>\n<rect class="ground" width="{width}" height="{height}"/>'
    yield (
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>'
    )


def _grid(grid: Grid, top: int) -> tuple[list[str], int, float]:
    """Elements, height and width of a series."""
    step = _STEP if len(grid.layers) <= _MANY else _SMALL_STEP
    labels = [printable(kind or "(itself)", _LABEL) for kind in grid.kinds]
    left = _MARGIN + max(map(len, labels)) * _CHARACTER + 12
    parts = [_words(_MARGIN, top + 12, f"{printable(grid.series, 60)}, by layer", "h")]
    first = top + 44
    every = 1 if step == _STEP and len(grid.layers) <= 24 else 5
    for column, layer in enumerate(grid.layers):
        if layer % every == 0:
            parts.append(_words(left + column * step + step / 2 - 1, first - 8, str(layer), "", "middle"))
    for row, (kind, label) in enumerate(zip(grid.kinds, labels, strict=True)):
        parts.append(_words(left - 10, first + row * _STEP + 13, label, "", "end"))
        for column, layer in enumerate(grid.layers):
            cell = grid.cells.get((layer, kind))
            if cell is not None:
                parts.append(_rect(left + column * step, first + row * _STEP, step - 2, cell))
    height = 44 + len(grid.kinds) * _STEP + 20
    if grid.left_out:
        parts.append(_words(_MARGIN, top + height, grid.left_out, "q"))
        height += _LINE
    return parts, height, left + len(grid.layers) * step + _MARGIN


def _alone(alone: list[tuple[str, Cell]], top: int, is_beside: bool) -> tuple[list[str], int, float]:
    labels = [printable(name, 48) for name, _ in alone]
    left = _MARGIN + max(map(len, labels)) * _CHARACTER + 12
    parts = [_words(_MARGIN, top + 12, "Outside the layers" if is_beside else "Tensors", "h")]
    for row, (label, (_, cell)) in enumerate(zip(labels, alone, strict=True)):
        parts.append(_words(left - 10, top + 28 + row * _STEP + 13, label, "", "end"))
        parts.append(_rect(left, top + 28 + row * _STEP, _STEP - 2, cell))
    return parts, 28 + len(alone) * _STEP + 20, left + _STEP + _MARGIN


def _legend(top: int, width: float) -> tuple[list[str], int]:
    parts = [_words(_MARGIN, top + 12, "Relative change", "h")]
    x, y = float(_MARGIN), top + 26
    for level, words in _LEGEND:
        wide = 30 + len(words) * 6.6
        if x + wide > width - _MARGIN and x > _MARGIN:
            x, y = float(_MARGIN), y + 24
        parts.append(_rect(x, y, 16, Cell(level, "")))
        parts.append(_words(x + 22, y + 12, words, "q"))
        x += wide + 10
    return parts, y + 32 - top


def _rect(x: float, y: float, wide: float, cell: Cell) -> str:
    inset = 0.5 if isinstance(cell.level, str) else 0
    words = f"<title>{_text(cell.words)}</title>" if cell.words else ""
    return (
        f'<rect class="l{cell.level}" x="{x + inset:.4g}" y="{y + inset:.6g}" width="{wide - 2 * inset:.3g}" '
        f'height="{16 if not words else 18 - 2 * inset:.3g}" rx="2">{words}</rect>'
    )


def _words(x: float, y: float, words: str, kind: str, anchor: str = "") -> str:
    marks = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.5g}" y="{y:.6g}"{marks}>{_text(words)}</text>'


def _text(words: str) -> str:
    """Text for XML, without what XML forbids even when escaped."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words))
