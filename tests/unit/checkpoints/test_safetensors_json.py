"""The JSON of safetensors headers: read quickly where it is as usual, and never otherwise than with care."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from openshelf.analysis.checkpoints.headers import safetensors_json
from openshelf.analysis.checkpoints.headers.safetensors_json import METADATA, DuplicateName, read_entries
from openshelf.analysis.files.ranges import UnreadableFile

USUAL = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
_NAMES = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"é"', '"\\u00e9"', '"a\\"b"', '"__metadata__"', '"\\ud800"', "a"])
_NUMBERS = st.sampled_from(["0", "1", "8", "-0", "-1", "1.0", "1e2", "01", "true", "null", '"1"', str(2**63), "[]"])
_LISTS = st.lists(st.one_of(st.just("2"), _NUMBERS), max_size=3).map(lambda items: f"[{','.join(items)}]")
_FIELDS = st.one_of(
    st.sampled_from(['"dtype":"F32"', '"dtype":"BF16"', '"dtype":1', '"d\\u0074ype":"F32"', '"more":"x"', '"x":{}']),
    _LISTS.map('"shape":{}'.format),
    _LISTS.map('"data_offsets":{}'.format),
)
_ENTRIES = st.one_of(
    st.just(USUAL),
    st.lists(_FIELDS, max_size=5).map(lambda fields: "{" + ", ".join(fields) + "}"),
    st.tuples(_LISTS, _LISTS).map(lambda found: '{{"dtype":"F16","shape":{},"data_offsets":{}}}'.format(*found)),
    st.sampled_from(['{"format":"pt"}', '{"format":"pt","format":"tf"}', '{"say":"\\"x\\""}', "{}", "1", '{"a":1}']),
)
_PAIRS = st.tuples(_NAMES, _ENTRIES).map(": ".join)
_TEXTS = st.builds(
    lambda before, pairs, after: before + "{" + ", ".join(pairs) + after,
    st.sampled_from(["", " ", "\n", "\ufeff"]),
    st.lists(_PAIRS, max_size=4),
    st.sampled_from(["}", "}  ", "},", ",}", "} x", ""]),
)


def expected(text: str) -> tuple[dict[str, Any], Any] | None:
    """The same by plain means; None where it must be refused."""

    def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=no_doubles)
        metadata = found.pop(METADATA, {})
        assert all(type(value) is str for value in metadata.values())
        for entry in found.values():
            sizes = [*entry["shape"], *entry["data_offsets"]]
            assert type(entry["dtype"]) is str
            assert type(entry["shape"]) is type(entry["data_offsets"]) is list
            assert len(entry["data_offsets"]) == 2
            assert all(type(size) is int and 0 <= size < 2**63 for size in sizes)
    except (AssertionError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found, metadata


@given(_TEXTS)
@settings(max_examples=500)
@example(f'{{"a":{USUAL},"a":{USUAL}}}')
@example(f'{{"a":{USUAL},"\\u0061":{USUAL}}}')
@example('{"a":{"dtype":"F32","shape":[2],"data_\\u006fffsets":[0,8]},"a":' + USUAL + "}")
@example(f'{{"__metadata__":{{}},"__metadata__":{USUAL}}}')
@example('{"__metadata__":{"format":"pt"},}')
@example('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}')
def test_a_header_says_what_its_json_says_or_is_refused(text: str) -> None:
    wanted = expected(text)
    try:
        content = text.encode()
        entries, metadata = read_entries(content)
    except UnreadableFile:
        assert wanted is None
        return
    assert wanted is not None
    assert metadata == wanted[1]
    assert list(entries) == list(wanted[0])
    for name, entry in entries.items():
        found = wanted[0][name]
        assert (entry.dtype, entry.shape, entry.data_offsets) == (
            found["dtype"], tuple(found["shape"]), tuple(found["data_offsets"]),
        )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        save({"a": np.zeros(3, np.float32), "b": np.zeros((2, 2), np.int8)}),
        save({"a": np.zeros(3, np.float32)}, metadata={"format": "pt", "more": 'with "quotes"'}),
        b"\0" * 8 + b'{ "__metadata__" : {"format": "mlx"} , "a": ' + USUAL.encode() + b"}    ",
    ],
)
def test_headers_as_writers_write_them_are_read_the_quick_way(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    end = content.rindex(b"}") + 1
    careful = safetensors_json._careful(content[8:end].decode())
    monkeypatch.setattr(safetensors_json, "_careful", None)
    assert read_entries(content[8:end]) == careful


@pytest.mark.parametrize("number", [0, 1, 5_000, 9_999])
def test_one_name_that_stands_twice_among_thousands_is_found(number: int) -> None:
    pairs = [f'"t{count}":{USUAL}' for count in range(10_000)]
    pairs.insert(5_001, f'"t{number}":{USUAL}')
    with pytest.raises(DuplicateName, match=f"'t{number}' twice"):
        read_entries(f"{{{','.join(pairs)}}}".encode())
