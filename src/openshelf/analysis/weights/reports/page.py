"""The difference of two models as one HTML file: a sentence, the structure, a picture, and the tables beside it.

Self-contained and without script. Every name is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from openshelf.analysis.weights.difference import BlockSummary, ModelDifference, TensorDifference
from openshelf.analysis.weights.headline import counted, percent
from openshelf.analysis.weights.reports import picture, wording
from openshelf.analysis.weights.reports.page_style import STYLE
from openshelf.analysis.weights.reports.wording import Fact, printable

MOST_TENSORS, MOST_BLOCKS, MOST_NAMES, UNFOLDED = 500, 500, 100, 30
_TENSOR_COLUMNS = ("Tensor", "Shape", "Type", "Changed", "Relative L2", "Cosine", "Max |d|", "Sign flips", "Notes")
_BLOCK_COLUMNS = ("Layer", "Tensors", "Changed tensors", "Changed values", "Relative L2")
_MEANINGS = (
    ("Changed", "the share of elements whose bits differ; after a cast, those that are not the former value rounded"),
    ("Relative L2", "the length of the change over the length of the former values; pooled where it stands for several "
     "tensors. Where the former values are all 0 it is the length of the change itself"),
    ("Cosine", "of the angle between former and later values; 1 is the same direction"),
    ("Max |d|", "the largest change of one element, in the unit of the weights"),
    ("Sign flips", "the share of elements that changed from above 0 to below, or the other way round"),
    ("Low rank", "a change that lies in few directions, as a folded-in adapter leaves it. Energy is the share of the "
     "squared length of the change in those directions, and a gap is a drop between neighbouring directions. This is "
     "evidence and no exact rank: rounding alone gives every change full rank"),
)  # fmt: skip


def report(difference: ModelDifference) -> str:
    """The whole page."""
    words = printable(difference.headline, 2000)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_safe(_short(difference.after))} compared with {_safe(_short(difference.before))}</title>",
            f"<style>\n{STYLE}\n{picture.style('.heat')}\n</style>\n</head>\n<body>\n<main>",
            "<header>",
            f'<p class="sides"><span>{_safe(printable(difference.before, 200))}</span> '
            f'<span class="arrow" aria-label="compared with">→</span> '
            f"<span>{_safe(printable(difference.after, 200))}</span></p>",
            f"<h1>{_safe(_first(words))}</h1>",
            *([f'<p class="lead">{_safe(rest)}</p>'] if (rest := _rest(words)) else []),
            "</header>",
            _figures(difference),
            _structure(difference),
            _picture(difference),
            _tensors(difference),
            _blocks(difference.blocks),
            _meanings(),
            *_notes(difference),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _first(words: str) -> str:
    return words.partition(". ")[0].rstrip(".") + "."


def _rest(words: str) -> str:
    return words.partition(". ")[2]


def _short(label: str) -> str:
    return printable(label.rstrip("/").rpartition("/")[2] or label, 60)


def _safe(text: str) -> str:
    return escape(text)


def _figures(difference: ModelDifference) -> str:
    totals = difference.totals
    broken = totals.nan_after + totals.inf_after
    found = [
        (f"{totals.changed:,}", f"of {counted(totals.tensors, 'tensor')} changed"),
        (percent(totals.changed_share), f"of {totals.elements:,} values changed"),
        (wording.share(totals.relative_l2), "relative change of the changed tensors"),
        (f"{broken:,}", "NaN or infinite values in changed tensors"),
    ]
    cells = "".join(f"<div><dt>{_safe(words)}</dt><dd>{_safe(number)}</dd></div>" for number, words in found)
    return f'<dl class="figures">{cells}</dl>'


def _structure(difference: ModelDifference) -> str:
    rows = "".join(
        f"<tr><th scope=row>{_safe(fact.title)}</th><td>{_safe(fact.text)}{_names(fact)}</td></tr>"
        for fact in wording.facts(difference.structure)
    )
    return f'<section><h2>Structure</h2><table class="facts"><tbody>{rows}</tbody></table></section>'


def _names(fact: Fact) -> str:
    if not fact.names:
        return ""
    more = [f"and {len(fact.names) - MOST_NAMES:,} more"] if len(fact.names) > MOST_NAMES else []
    items = "".join(f"<li>{_safe(name)}</li>" for name in fact.names[:MOST_NAMES])
    items += "".join(f'<li class="quiet">{_safe(words)}</li>' for words in more)
    is_open = " open" if len(fact.names) <= 3 else ""
    return f"<details{is_open}><summary>names</summary><ul>{items}</ul></details>"


def _picture(difference: ModelDifference) -> str:
    return (
        '<section><h2>Where it changed</h2><figure tabindex="0" aria-label="Picture; scrolls sideways">'
        f"{picture.drawing(difference)}</figure>"
        '<p class="quiet">The same figures stand in the tables below.</p></section>'
    )


def _tensors(difference: ModelDifference) -> str:
    found = wording.by_change(difference)
    if not found:
        return ""
    rows = [_tensor(one) for one in found[:MOST_TENSORS]]
    title, right = f"Tensors that are not the same ({len(found):,})", {3, 4, 5, 6, 7}
    parts = [f"<section><h2>{_safe(title)}</h2>", _table(title, _TENSOR_COLUMNS, rows[:UNFOLDED], right)]
    if rest := rows[UNFOLDED:]:
        words = f"{len(rest):,} more, less changed"
        parts.append(f"<details><summary>{words}</summary>{_table(words, _TENSOR_COLUMNS, rest, right)}</details>")
    if left := len(found) - len(rows):
        parts.append(f'<p class="quiet">{left:,} more are in the JSON.</p>')
    return "".join([*parts, "</section>"])


def _tensor(one: TensorDifference) -> Sequence[str]:
    values = one.values
    note = wording.notes(one) or ("" if values else one.status.value)
    if values is None:
        figures = [wording.DASH] * 5
    else:
        figures = [
            percent(values.changed_share), wording.relative(one), wording.cosine(values.cosine),
            wording.figure(values.max_abs), wording.share(values.sign_flips),
        ]  # fmt: skip
    return (printable(one.name, 160), wording.shape(one), wording.dtype(one), *figures, note)


def _blocks(blocks: Sequence[BlockSummary]) -> str:
    moved = [block for block in blocks if block.changed_tensors or block.added or block.removed]
    if len(blocks) < 2 or not moved:
        return ""
    rows = [
        (
            printable(block.block, 160), f"{block.tensors:,}", f"{block.changed_tensors:,}",
            percent(block.changed_share), wording.share(block.relative_l2),
        )
        for block in blocks[:MOST_BLOCKS]
    ]  # fmt: skip
    title = f"Layers ({len(blocks):,})"
    table = _table(title, _BLOCK_COLUMNS, rows, {1, 2, 3, 4})
    if len(rows) > UNFOLDED:
        table = f"<details><summary>show</summary>{table}</details>"
    return f"<section><h2>{_safe(title)}</h2>{table}</section>"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: set[int]) -> str:
    def cell(number: int, text: str, tag: str = "td") -> str:
        kind = ' class="n"' if number in right else ""
        safe = _safe(text) if number else _safe(text).replace(".", ".<wbr>").replace("/", "/<wbr>")
        return f"<{tag}{kind}>{safe}</{tag}>"

    head = "".join(cell(number, text, "th").replace("<th", "<th scope=col", 1) for number, text in enumerate(columns))
    body = "\n".join(
        "<tr>" + "".join(cell(number, text, "td" if number else "th") for number, text in enumerate(row)) + "</tr>"
        for row in rows
    ).replace("<tr><th>", "<tr><th scope=row>")
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{_safe(title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _meanings() -> str:
    items = "".join(f"<dt>{_safe(term)}</dt><dd>{_safe(words)}.</dd>" for term, words in _MEANINGS)
    return f'<section><h2>What the figures mean</h2><dl class="meanings">{items}</dl></section>'


def _notes(difference: ModelDifference) -> list[str]:
    found = [printable(note, 400) for note in difference.notes]
    if difference.left_out:
        found.append(f"{counted(difference.left_out, 'tensor')} of optimiser state were not compared.")
    items = "".join(f"<li>{_safe(note)}</li>" for note in found)
    return [f"<section><h2>Notes</h2><ul>{items}</ul></section>"] if found else []
