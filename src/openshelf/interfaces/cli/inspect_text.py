"""A checkpoint as a person reads it: a summary, then tensors, alike ones in one line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

from openshelf.analysis.checkpoints.checkpoint import RAW, Checkpoint, Role, Tensor
from openshelf.analysis.checkpoints.patterns import Group, blocks, grouped
from openshelf.analysis.checkpoints.statistics import Statistics

_LABEL = 14
_MOST_NAMED = 6
_NARROWEST_NAME = 24
_SHORT = {"bfloat16": "bf16", "float16": "f16", "float32": "f32", "float64": "f64"}
_ROLES = {Role.OPTIMIZER: "optimizer", Role.CONSTANT: "constant", Role.STATE: "state"}


def printable(text: str) -> str:
    """``text`` with everything written out that could steer a terminal or hide itself."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def width() -> int:
    """Columns of the terminal; as many as are needed where the output is no terminal."""
    return max(40, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 10_000


def amount(count: int) -> str:
    """``1,234``, or with a shorter form beside it where it is long: ``7,241,732,096 (7.24 billion)``."""
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count:,} ({count / size:.3g} {word})"
    return f"{count:,}"


def size(count: int) -> str:
    for limit, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count} bytes"


def summary(checkpoint: Checkpoint, columns: int) -> list[str]:
    """What the checkpoint is."""
    facts, files = checkpoint.facts, checkpoint.files
    sizes = [checkpoint.source.open(name).size for name in files]
    lines = [("Checkpoint", checkpoint.source.label), ("Format", checkpoint.format)]
    lines.append(("Files", f"{_named(files)}  {size(sum(sizes))}"))
    lines.append(("Parameters", amount(facts.parameters)))
    shares = [f"{dtype}{_share(count, facts.parameters)}" for dtype, count in facts.dtypes.items()]
    lines.append(("Types", ", ".join(shares)))
    lines.append(("Architecture", " of type ".join(filter(None, (facts.architecture, facts.model_type)))))
    lines.append(("Framework", facts.framework or ""))
    lines.append(("Written by", ", ".join(f"{name} {version}" for name, version in facts.versions.items())))
    lines.append(("Tokenizer", _tokenizer(checkpoint)))
    lines.append(("Tied", _tied(checkpoint)))
    lines += [("Beside it", text) for text in _roles(checkpoint)]
    lines.append(("Not weights", _named(facts.apart)))
    lines.append(("Metadata", _entries(len(checkpoint.metadata))))
    lines.append(("Others", f"{_named(checkpoint.others)}, not taken" if checkpoint.others else ""))
    lines += [("Problem", problem) for problem in checkpoint.problems]
    return [_cut(f"{label:{_LABEL}}{printable(text)}", columns) for label, text in lines if text]


def tensors(checkpoint: Checkpoint, columns: int, *, every: bool, depth: int | None) -> list[str]:
    """The tensors: each, or alike ones in one line, or added up by the first parts of their names."""
    if not checkpoint.tensors:
        return ["It has no tensors."]
    if depth is not None:
        rows = [
            (
                block.name,
                f"{block.tensors:,} tensor{'s' if block.tensors > 1 else ''}",
                f"{amount(block.elements)}  {', '.join(block.dtypes)}",
            )
            for block in blocks(checkpoint, depth)
        ]
        return _table(rows, columns)
    if every:
        return _table([(tensor.name, *_kind(tensor), _where(tensor)) for tensor in checkpoint], columns)
    weights = [tensor for tensor in checkpoint if tensor.role is Role.WEIGHT]
    groups = grouped(weights or checkpoint)
    lines = _table([(group.name, *_kind(group.tensors[0]), _times(group)) for group in groups], columns)
    others = len(checkpoint) - len(weights) if weights else 0
    return [*lines, "", f"{_many(others)} beside the weights; --all shows them"] if others else lines


def one_tensor(tensor: Tensor, found: Statistics) -> list[str]:
    """A tensor, where it lies, and its values in a few numbers."""
    dtype, shape = _kind(tensor)
    lines = [
        ("Tensor", tensor.name),
        ("Type", dtype),
        ("Shape", f"{shape}  {amount(tensor.elements)} elements"),
        ("File", tensor.file),
        ("Place", f"{size(tensor.nbytes)}, {_where(tensor)}"),
        ("Strides", "" if tensor.strides is None else str(list(tensor.strides))),
        ("Range", "" if found.minimum is None else f"{found.minimum:.6g} to {found.maximum:.6g}"),
        ("Mean", "" if found.mean is None else f"{found.mean:.6g}, standard deviation {found.deviation:.6g}"),
        ("Zeros", f"{found.zeros:,}"),
        ("Not finite", f"{found.nans:,} NaN, {found.infinities:,} infinite"),
        ("Begins with", ", ".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in found.head)),
    ]
    return [f"{label:{_LABEL}}{printable(text)}" for label, text in lines if text]


def _kind(tensor: Tensor) -> tuple[str, str]:
    dtype = _SHORT.get(tensor.dtype, tensor.dtype)
    notes = [_ROLES[tensor.role]] if tensor.role in _ROLES else []
    notes += [tensor.encoding] if tensor.encoding != RAW else []
    return f"{dtype} ({', '.join(notes)})" if notes else dtype, str(list(tensor.shape))


def _where(tensor: Tensor) -> str:
    return f"at byte {tensor.offset:,}" if tensor.offset is not None else "not in one piece"


def _many(count: int) -> str:
    return f"{count:,} tensors" if count != 1 else "1 tensor"


def _entries(count: int) -> str:
    return "" if not count else f"{count:,} entries; --json shows them" if count > 1 else "1 entry; --json shows it"


def _times(group: Group) -> str:
    return f"x{len(group.tensors):,}" if len(group.tensors) > 1 else ""


def _share(count: int, total: int) -> str:
    share = f"{count / total:.1%}"
    share = {"0.0%": "less than 0.1%", "100.0%": "more than 99.9%"}.get(share, share)
    return f" {share}" if count < total else ""


def _tokenizer(checkpoint: Checkpoint) -> str:
    facts = checkpoint.facts
    chat = "with a chat template" if facts.has_chat_template else "no chat template"
    return f"yes, {chat}" if facts.has_tokenizer else "a chat template alone" if facts.has_chat_template else ""


def _tied(checkpoint: Checkpoint) -> str:
    facts = checkpoint.facts
    groups = ["; ".join(" = ".join(names[:3]) for names in facts.tied[:3])] if facts.tied else []
    if len(facts.tied) > 3:
        groups.append(f"{len(facts.tied) - 3:,} more")
    if facts.ties_embeddings:
        groups.append("the configuration ties the output to the embeddings")
    return ", ".join(groups)


def _roles(checkpoint: Checkpoint) -> list[str]:
    found = []
    for role, word in _ROLES.items():
        of_it = [tensor for tensor in checkpoint if tensor.role is role]
        if of_it:
            found.append(f"{word}: {_many(len(of_it))} with {amount(sum(t.elements for t in of_it))} elements")
    return found


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else line[: columns - 1] + "…"


def _table(rows: Iterable[tuple[str, ...]], columns: int) -> list[str]:
    """Columns; names that are too long for the terminal lose their middle."""
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]))]
    rest = sum(widths[1:]) + 2 * len(widths[1:])
    widths[0] = min(widths[0], max(_NARROWEST_NAME, columns - rest))
    lines = []
    for name, *cells in shown:
        texts = [_middle(name, widths[0]).ljust(widths[0])]
        texts += [cell.ljust(wide) for cell, wide in zip(cells, widths[1:], strict=True)]
        lines.append(_cut("  ".join(texts).rstrip(), columns))
    return lines


def _middle(name: str, columns: int) -> str:
    if len(name) <= columns:
        return name
    end = (columns - 1) // 2
    return f"{name[: columns - 1 - end]}…{name[len(name) - end :]}"
