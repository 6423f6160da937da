"""The difference of two models on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from openshelf.analysis.weights.difference import BlockSummary, ModelDifference, TensorDifference
from openshelf.analysis.weights.headline import counted, percent
from openshelf.analysis.weights.reports import wording
from openshelf.analysis.weights.reports.wording import MOST_NAMES, printable

MOST_TENSORS = 20
_BARS = "▁▂▃▄▅▆▇█"
_HEADER = ("tensor", "shape", "changed", "relative", "cosine", "max |d|", "signs", "notes")
_RIGHT = {2, 3, 4, 5, 6}
_MOST_STRIPS = 24

Paint = Callable[[str, str], str]


def plain(text: str, style: str) -> str:  # noqa: ARG001 - takes what coloured() takes
    """No colour."""
    return text


_CODES = {"strong": "1", "quiet": "2", "good": "32", "caution": "33", "accent": "36"}


def coloured(text: str, style: str) -> str:
    """Colours of the terminal's own palette."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def report(difference: ModelDifference, *, width: int = 100, everything: bool = False, paint: Paint = plain) -> str:
    """Lines of at most ``width`` columns where names allow; ``everything`` shows all tensors that are not the same."""
    lines = [*_top(difference, paint), *_structure(difference, paint)]
    if difference.totals.changed:
        lines += _layers(difference.blocks, width, paint)
    lines += _tensors(difference, width, everything, paint)
    lines += [paint(f"Note: {printable(note, 300)}", "caution") for note in difference.notes]
    return "\n".join(lines) + "\n"


def _top(difference: ModelDifference, paint: Paint) -> list[str]:
    lines = [
        f"{paint('before', 'quiet')}  {printable(difference.before, 200)}",
        f"{paint('after ', 'quiet')}  {printable(difference.after, 200)}",
        "",
        paint(printable(difference.headline, 2000), "good" if difference.is_equal else "strong"),
    ]
    if difference.left_out:
        lines.append(f"{counted(difference.left_out, 'tensor')} of optimiser state left out.")
    return lines


def _structure(difference: ModelDifference, paint: Paint) -> Iterator[str]:
    found = wording.facts(difference.structure)
    wide = max(len(fact.title) for fact in found)
    yield ""
    for fact in found:
        yield f"{paint(fact.title.ljust(wide), 'quiet')}  {fact.text}"
        for name in fact.names[:MOST_NAMES]:
            yield f"{'':{wide}}    {name}"
        if len(fact.names) > MOST_NAMES:
            yield f"{'':{wide}}    and {len(fact.names) - MOST_NAMES:,} more"


def _layers(blocks: Sequence[BlockSummary], width: int, paint: Paint) -> Iterator[str]:
    """A strip for each series of layers, and a line for each block that stands alone."""
    most = max((block.relative_l2 or 0 for block in blocks), default=0)
    series: dict[str, list[BlockSummary]] = {}
    for block in blocks:
        series.setdefault(block.series, []).append(block)
    moved = {name: members for name, members in series.items() if any(_moved(block) for block in members)}
    name_wide = min(max(len(printable(name, 48)) for name in moved), 48) if moved else 0
    yield ""
    yield f"{paint('Relative change by layer', 'strong')}, {_BARS[0]} least to {_BARS[-1]} {percent(most)}, · the same"
    for name, members in list(moved.items())[:_MOST_STRIPS]:
        title = printable(name, 48).ljust(name_wide)
        if members[0].number is None:
            yield f"  {title}  {_bar(members[0], most, paint)}  {wording.share(members[0].relative_l2)}"
            continue
        room = max(width - name_wide - 16, 16)
        for start in range(0, len(members), room):
            row = members[start : start + room]
            bars = "".join(_bar(block, most, paint) for block in row)
            yield f"  {title if not start else ' ' * name_wide}  {bars}  {row[0].number} to {row[-1].number}"
    if len(moved) > _MOST_STRIPS:
        yield f"  and {len(moved) - _MOST_STRIPS:,} more"


def _moved(block: BlockSummary) -> bool:
    return bool(block.changed_tensors or block.added or block.removed)


def _bar(block: BlockSummary, most: float, paint: Paint) -> str:
    if block.added == block.tensors:
        return paint("+", "good")
    if block.removed == block.tensors:
        return paint("-", "caution")
    if not block.changed_tensors:
        return paint("·", "quiet")
    level = (block.relative_l2 or 0) / most if most else 0
    return paint(_BARS[min(int(level * len(_BARS)), len(_BARS) - 1)], "accent")


def _tensors(difference: ModelDifference, width: int, everything: bool, paint: Paint) -> Iterator[str]:
    found = [one for one in wording.by_change(difference) if everything or one.values or one.note]
    if not found:
        return
    shown = found if everything else found[:MOST_TENSORS]
    rows = [_row(one, max(width // 2, 32)) for one in shown]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    yield ""
    yield paint(_line(_HEADER, widths), "quiet")
    for row in rows:
        yield _line(row, widths)
    if len(found) > len(shown):
        yield paint(f"and {len(found) - len(shown):,} more; --all shows them", "quiet")


def _row(one: TensorDifference, name_wide: int) -> tuple[str, ...]:
    values = one.values
    note = wording.notes(one) or ("" if values else one.status.value)
    name, shape = printable(one.name, name_wide), wording.shape(one)
    if values is None:
        return (name, shape, *[wording.DASH] * 5, note)
    return (
        name, shape, percent(values.changed_share), wording.relative(one), wording.cosine(values.cosine),
        wording.figure(values.max_abs), wording.share(values.sign_flips), note,
    )  # fmt: skip


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = (
        cell.rjust(wide) if column in _RIGHT else cell.ljust(wide)
        for column, (cell, wide) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(fitted).rstrip()
