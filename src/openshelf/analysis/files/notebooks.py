"""Jupyter notebooks as they were saved: cells and outputs, nothing of them run (nbformat 3 and 4)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.files.ranges import UnreadableFile

MAX_BYTES = 10 * 1024 * 1024
MAX_CELLS = 500
MAX_OUTPUTS = 50
MAX_TEXT = 20_000
MAX_CODE = 100_000
MAX_IMAGE = 2_000_000
MAX_IMAGES = 6_000_000
"""Characters of base64, of one picture and of all that are shown."""
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_NOT_BASE64 = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Output:
    """``kind``: text, error, image (``text`` is base64, ``media_type`` tells of what), html, or left_out with why."""

    kind: str
    text: str
    media_type: str = ""
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """``kind``: markdown, code, raw. ``number``: as it was counted when it ran."""

    kind: str
    source: str
    number: int | None = None
    outputs: tuple[Output, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Notebook:
    """``language``: of its code. ``kernel``: as the notebook names it."""

    cells: tuple[Cell, ...]
    total: int
    language: str
    kernel: str


def read_notebook(content: bytes) -> Notebook:
    """Raises UnreadableFile where ``content`` is not a notebook."""
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"it is not UTF-8 at byte {error.start:,}") from None
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"line {error.lineno:,}, column {error.colno:,}: it is not JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise UnreadableFile(f"it cannot be read as JSON: {error}") from None
    cells = _cells_of(found)
    metadata = _object(found.get("metadata"))
    kernel = _object(metadata.get("kernelspec"))
    language = _text(_object(metadata.get("language_info")).get("name")) or _text(kernel.get("language")) or "python"
    budget = [MAX_IMAGES]
    shown = tuple(_cell(_object(cell), budget) for cell in cells[:MAX_CELLS])
    return Notebook(shown, len(cells), language[:40], _text(kernel.get("display_name"))[:80])


def without_controls(text: str) -> str:
    """``text`` as a terminal would leave it: colours gone, lines that were written over gone."""
    clean = _CONTROL.sub("", text).replace("\x1b", "").replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in clean.split("\n"))


def _cells_of(found: Any) -> list[Any]:
    if isinstance(found, dict) and isinstance(found.get("cells"), list):
        return list(found["cells"])
    sheets = found.get("worksheets") if isinstance(found, dict) else None
    if isinstance(sheets, list):
        return [cell for sheet in sheets for cell in (_object(sheet).get("cells") or []) if isinstance(cell, dict)]
    raise UnreadableFile("it is JSON, but has no list of cells as a notebook has")


def _cell(cell: dict[str, Any], budget: list[int]) -> Cell:
    said = _text(cell.get("cell_type"))
    source = _text(cell.get("source", cell.get("input")))
    if said == "heading":
        level = cell.get("level")
        return Cell("markdown", "#" * (level if type(level) is int and 1 <= level <= 6 else 1) + " " + source)
    kind = said if said in ("markdown", "code") else "raw"
    if kind != "code":
        return Cell(kind, source[:MAX_CODE])
    outputs = cell.get("outputs")
    outputs = outputs if isinstance(outputs, list) else []
    number = cell.get("execution_count", cell.get("prompt_number"))
    shown = tuple(one for output in outputs[:MAX_OUTPUTS] for one in _outputs(_object(output), budget))
    left_out = max(0, len(outputs) - MAX_OUTPUTS)
    return Cell("code", source[:MAX_CODE], number if type(number) is int else None, shown, left_out)


def _outputs(output: dict[str, Any], budget: list[int]) -> Iterator[Output]:
    kind = output.get("output_type")
    if kind == "stream":
        yield _plain("text", _text(output.get("text")))
    elif kind in ("error", "pyerr"):
        trace = _text(output.get("traceback"), "\n")
        yield _plain("error", trace or f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}")
    elif kind in ("display_data", "execute_result", "pyout"):
        yield _richest(_object(output.get("data")) or _old_data(output), budget)


def _richest(data: dict[str, Any], budget: list[int]) -> Output:
    """The first form that can be shown, of those that one output has."""
    for media_type in _PICTURES:
        if media_type in data:
            return _picture(_text(data[media_type]), media_type, budget)
    if "text/html" in data:
        html = _text(data["text/html"])
        return Output("html", html[: MAX_TEXT * 5], is_cut=len(html) > MAX_TEXT * 5)
    for media_type in ("text/markdown", "text/latex", "text/plain"):
        if media_type in data:
            return _plain("text", _text(data[media_type]))
    names = ", ".join(str(name)[:60] for name in list(data)[:3])
    return Output("left_out", f"an output of the type {names or 'nothing'} is not shown")


def _picture(written: str, media_type: str, budget: list[int]) -> Output:
    name = media_type.removeprefix("image/").upper()
    packed = _NOT_BASE64.sub("", written[: MAX_IMAGE * 2])
    if len(packed) > min(MAX_IMAGE, budget[0]):
        return Output("left_out", f"a {name} picture of {len(written) * 3 // 4:,} bytes is too large to be shown here")
    try:
        content = base64.b64decode(packed, validate=True)
    except binascii.Error:
        content = b""
    if not content.startswith(_PICTURES[media_type]):
        return Output("left_out", f"an output that says to be a {name} picture is not one")
    budget[0] -= len(packed)
    return Output("image", packed, media_type)


def _old_data(output: dict[str, Any]) -> dict[str, Any]:
    """The forms of an output of nbformat 3, under the names of nbformat 4."""
    names = {"png": "image/png", "jpeg": "image/jpeg", "html": "text/html", "text": "text/plain"}
    return {new: output[old] for old, new in names.items() if old in output}


def _plain(kind: str, text: str) -> Output:
    clean = without_controls(text[: MAX_TEXT * 4])
    return Output(kind, clean[:MAX_TEXT], is_cut=len(clean) > MAX_TEXT or len(text) > MAX_TEXT * 4)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, between: str = "") -> str:
    if isinstance(value, list):
        return between.join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
