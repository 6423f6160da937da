"""One value of an Arrow column as text: nested values as JSON would have them, bytes by what they are."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pyarrow as pa

from openshelf.analysis.files.sniffing import UNKNOWN, sniff
from openshelf.analysis.tables.table import MAX_CELL, shown

_MOST_MEMBERS = 50
_MOST_DEPTH = 20


def cell(value: Any) -> str | None:
    """``value``, a pyarrow Scalar, as a cell of the page; None where it is null."""
    if not value.is_valid:
        return None
    text = _plain(value)
    return shown(text if text is not None else _nested(value, _MOST_DEPTH))


def type_name(kind: Any) -> str:
    """The type as Arrow writes it, cut where it is long."""
    text = str(kind)
    return text if len(text) <= 120 else text[:119] + "…"


def _plain(value: Any) -> str | None:
    """A value without an inside as text, or None where it has one."""
    kind = value.type
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_dictionary(kind):
        return _plain(value.value) if value.value is not None and value.value.is_valid else "null"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return str(value.as_py())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _bytes(value.as_buffer())
    if pa.types.is_boolean(kind):
        return str(value.as_py()).lower()
    if pa.types.is_timestamp(kind):
        # Zones need a database that this process cannot reach; stored values are in UTC.
        return str(value.cast(pa.timestamp(kind.unit)).cast(pa.string()).as_py()) + ("Z" if kind.tz else "")
    if pa.types.is_floating(kind):
        return repr(value.as_py()) if kind.bit_width == 64 else f"{float(value.as_py()):.7g}"
    if pa.types.is_nested(kind):
        return None
    try:
        return str(value.cast(pa.string()).as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(value.as_py())


def _bytes(buffer: Any) -> str:
    size = buffer.size
    head = buffer.slice(0, min(size, 4096)).to_pybytes()
    if size == 0:
        return "no bytes"
    found = sniff(head, size, "").kind
    what = "bytes" if found is UNKNOWN or not found.media_type else found.name
    return f"{what}, {size:,} B"


def _nested(value: Any, depth: int) -> str:
    if value is None or not value.is_valid:
        return "null"
    if depth == 0:
        return "…"
    kind = value.type
    if pa.types.is_floating(kind):
        return f"{float(value.as_py()):.6g}"
    plain = _plain(value)
    if plain is not None:
        is_bare = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        return plain if is_bare else json.dumps(plain[:MAX_CELL], ensure_ascii=False)
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)][:_MOST_MEMBERS]
        return "{" + ", ".join(f"{json.dumps(name)}: {_nested(value[place], depth - 1)}"
                               for place, name in enumerate(names)) + "}"  # fmt: skip
    if pa.types.is_union(kind):
        return _nested(value.value, depth - 1)
    members = value.values
    if members is None:
        return "null"
    parts = [_nested(member, depth - 1) for member in islice(iter(members), _MOST_MEMBERS)]
    more = f", … {len(members) - _MOST_MEMBERS:,} more" if len(members) > _MOST_MEMBERS else ""
    return f"[{', '.join(parts)}{more}]"
