"""The graph that Apache MXNet writes beside its arrays, ``PREFIX-symbol.json``.

Source: nnvm's JSON of graphs: ``nodes`` with ``op`` (``null`` for inputs and weights) and ``name``, ``arg_nodes`` with
the numbers of the nodes that are given from outside, ``attrs`` with the version of the program.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import basename, dirname, join
from typing import Any

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import Files, OpenFile

MAX_BYTES = 32 * 1024 * 1024
_BEGIN = re.compile(rb"\s*\{\s*\"nodes\"\s*:\s*\[\s*\{\s*\"(op|name)\"")
_EPOCH = re.compile(r"(-\d{4})?\.params\Z")


@dataclass(frozen=True, slots=True)
class Symbol:
    """``ops``: how often each operation stands in the graph. ``given``: names of its inputs and weights."""

    ops: dict[str, int]
    given: tuple[str, ...]
    version: str | None


def is_symbol(file: OpenFile) -> bool:
    return _BEGIN.match(file.read(0, min(file.size, 512))) is not None


def read_symbol(file: OpenFile, name: str) -> Symbol:
    """Raises UnreadableCheckpoint where it is no such graph."""
    if file.size > MAX_BYTES:
        raise UnreadableCheckpoint(name, f"it has {file.size:,} bytes; a graph of at most {MAX_BYTES:,} is read")
    try:
        found = json.loads(file.read(0, file.size))
    except (ValueError, RecursionError) as error:
        raise UnreadableCheckpoint(name, f"it is not JSON: {error}") from None
    nodes = found.get("nodes") if isinstance(found, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise UnreadableCheckpoint(name, "it is no graph of MXNet: it has no list of nodes")
    ops = Counter(str(node.get("op"))[:200] for node in nodes if node.get("op") != "null")
    arguments = found.get("arg_nodes")
    numbers = arguments if isinstance(arguments, list) else []
    given = [nodes[at].get("name") for at in numbers if type(at) is int and 0 <= at < len(nodes)]
    return Symbol(dict(ops.most_common()), tuple(one for one in given if isinstance(one, str)), _version(found))


def symbol_beside(files: Files, name: str) -> Iterator[str]:
    """The name of the graph that belongs to an array file, if there is one."""
    prefix = _EPOCH.sub("", basename(name))
    wanted = join(dirname(name), f"{prefix}-symbol.json")
    known = [one for one in files.sizes() if dirname(one) == dirname(name) and one.endswith("-symbol.json")]
    for candidate in dict.fromkeys((wanted, *(known if len(known) == 1 else ()))):
        try:
            files.open(candidate)
        except UnreadableCheckpoint:
            continue
        yield candidate
        return


def _version(found: dict[str, Any]) -> str | None:
    """``attrs.mxnet_version`` is ["int", 10901] for 1.9.1."""
    attributes = found.get("attrs")
    said = attributes.get("mxnet_version") if isinstance(attributes, dict) else None
    number = said[1] if isinstance(said, list) and len(said) == 2 else None
    if type(number) is not int or not 0 < number < 10**8:
        return None
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
