"""Small safetensors models of any bits, written by hand, and hypothesis strategies of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from openshelf.analysis.checkpoints.headers.safetensors import BITS

Stored = tuple[str, tuple[int, ...], bytes]
"""The dtype as safetensors names it, the shape, the bytes."""
_WHOLE = sorted(name for name, bits in BITS.items() if bits % 8 == 0)


def safetensors(tensors: Mapping[str, Stored], metadata: Mapping[str, str] | None = None) -> bytes:
    """A file that holds just these bits."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, (dtype, shape, content) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(content)]}
        place += len(content)
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(content for _, _, content in tensors.values())


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@st.composite
def tensor(draw: st.DrawFn, dtype: str | None = None) -> Stored:
    """Any bits: NaNs with payloads, -0.0, no elements, no dimensions."""
    dtype = dtype or draw(st.sampled_from(_WHOLE))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    size = BITS[dtype] // 8
    for side in shape:
        size *= side
    return dtype, shape, draw(st.binary(min_size=size, max_size=size))


_names = st.text("abc.é/", min_size=1, max_size=6)
models = st.dictionaries(_names, tensor(), max_size=5)


@st.composite
def changed(draw: st.DrawFn, base: dict[str, Stored]) -> dict[str, Stored]:
    """Another model that has much of ``base``: changed, cast, renamed, longer, gone, new."""
    found: dict[str, Stored] = {}
    for name, (dtype, shape, content) in base.items():
        what = draw(st.sampled_from(("same", "same", "bits", "renamed", "gone", "longer", "other")))
        bits = bytearray(content)
        if what == "bits" and bits:
            for place in draw(st.lists(st.integers(0, len(bits) - 1), min_size=1, max_size=4)):
                bits[place] ^= draw(st.integers(1, 255))
        if what == "longer" and shape:
            row = len(content) // shape[0] if shape[0] else 0
            shape, bits = (shape[0] + (1 if row else 0), *shape[1:]), bits + bits[:row]
        if what == "other":
            found[name] = draw(tensor())
        elif what != "gone":
            found[f"new.{name}" if what == "renamed" else name] = (dtype, shape, bytes(bits))
    return {**found, **draw(st.dictionaries(_names.map(lambda name: f"added.{name}"), tensor(), max_size=2))}
