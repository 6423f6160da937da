"""Reports of a diff: JSON, text, picture and page, with names that want to break them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.weights.blocks import place_of
from openshelf.analysis.weights.comparing import diff
from openshelf.analysis.weights.difference import ModelDifference
from openshelf.analysis.weights.headline import percent
from openshelf.analysis.weights.reports import page, picture, text
from openshelf.analysis.weights.reports.wording import printable
from tests.unit.weights.models import BFLOAT16, checkpoint

ONES = np.ones((2, 2), np.float32)
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>", "&amp;", "\x1b[31mred", "a\u202eb",
    "\x00\x01", "n" * 5000, "layers.99999999999999999999.w", "model.layers.0.</title></svg>", "\ud7ff\ufffe",
    "طبقة.3.w", "", "..", "/",
)  # fmt: skip


def hostile() -> ModelDifference:
    before = dict.fromkeys(HOSTILE, ONES)
    after = dict.fromkeys(HOSTILE, ONES * 2) | {name + "+": ONES * 3 for name in HOSTILE}
    return diff(checkpoint(before, "<a>"), checkpoint(after, "\x1b]0;title\x07"))


def tuned() -> ModelDifference:
    rng = np.random.default_rng(1)
    shape = (128, 100)
    before = {f"model.layers.{n}.{kind}.weight": rng.standard_normal(shape).astype(BFLOAT16)
              for n in range(12) for kind in ("q", "v")}  # fmt: skip
    before["model.embed_tokens.weight"] = rng.standard_normal(shape).astype(BFLOAT16)
    before["steps"] = np.array([3])
    after = dict(before, steps=np.array([5]))
    for number in (5, 6):
        moved = before[f"model.layers.{number}.q.weight"].astype(np.float32) * 1.1
        after[f"model.layers.{number}.q.weight"] = moved.astype(BFLOAT16)
    return diff(checkpoint(before, "base"), checkpoint(after, "tuned"))


class _Checked(HTMLParser):
    """Fails on elements left open or closed twice; gathers names of elements and attributes."""

    VOID = frozenset({"meta", "rect", "path", "br", "wbr"})

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_picture_is_xml_whatever_the_names_are() -> None:
    found = ElementTree.fromstring(picture.report(hostile()))
    space = "{http://www.w3.org/2000/svg}"
    assert found.find(f"{space}title") is not None
    assert found.find(f"{space}desc") is not None
    assert found.attrib["role"] == "img"
    assert not [one for one in found.iter() if one.tag in (f"{space}script", f"{space}img")]
    assert "href" not in picture.report(hostile())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=6, unique=True))
def test_any_names_at_all(names: list[str]) -> None:
    plain = [name for name in names if name != "__metadata__" and name.isprintable()]
    found = diff(checkpoint(dict.fromkeys(plain, ONES)), checkpoint(dict.fromkeys(plain, ONES * 2)))
    ElementTree.fromstring(picture.report(found))
    _Checked(page.report(found))
    text.report(found)


@pytest.mark.parametrize("make", [hostile, tuned])
def test_the_page_stands_alone_and_holds_no_script(make: object) -> None:
    content = page.report(make())  # type: ignore[operator]
    found = _Checked(content)
    assert not found.tags & {"script", "img", "link", "iframe", "object", "base", "form"}
    assert not [name for name in found.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"url\((?!#)|@import", content)
    assert {"title", "desc", "h1", "th"} <= found.tags
    assert "default-src 'none'" in content


def test_text_cannot_steer_a_terminal() -> None:
    found = text.report(hostile())
    assert [letter for letter in found if not letter.isprintable() and letter != "\n"] == []
    assert max(map(len, found.splitlines())) < 400


def test_text_says_what_changed_at_a_glance() -> None:
    lines = text.report(tuned()).splitlines()
    assert lines[3].startswith("3 of 26 tensors changed")
    strip = next(line for line in lines if "0 to 11" in line)
    assert re.search(r"·····[▁-█]{2}·····", strip)
    assert "\x1b" not in "\n".join(lines)
    assert "\x1b[1m" in text.report(tuned(), paint=text.coloured)


def test_long_lists_are_cut_and_said_to_be() -> None:
    before = {f"layers.{number}.w": ONES for number in range(60)}
    after = {name: values * 2 for name, values in before.items()} | {f"new.{n}.w": ONES * 3 for n in range(20)}
    found = diff(checkpoint(before), checkpoint(after))
    said = text.report(found)
    assert "and 40 more; --all shows them" in said
    assert "and 12 more" in said
    assert text.report(found, everything=True).count("layers.") >= 60


def test_the_json_keeps_its_shape() -> None:
    """Fields may come; one that goes or changes its meaning raises SCHEMA."""
    found = json.loads(json.dumps(tuned().as_json(), allow_nan=False))
    assert found["schema"] == 1
    assert {
        "before", "after", "is_equal", "headline", "structure", "totals", "blocks", "tensors", "left_out", "notes",
    } <= found.keys()  # fmt: skip
    assert {
        "format_before", "format_after", "files_before", "files_after", "parameters_before", "parameters_after",
        "architecture_before", "architecture_after", "is_resharded", "added", "removed", "renamed", "reshaped",
        "resized", "cast", "retyped", "tied", "untied",
    } <= found["structure"].keys()  # fmt: skip
    assert {
        "tensors", "equal", "changed", "added", "removed", "not_compared", "elements", "changed_elements",
        "changed_share", "relative_l2", "nan_after", "inf_after",
    } <= found["totals"].keys()  # fmt: skip
    one = next(one for one in found["tensors"] if one["name"] == "model.layers.5.q.weight")
    assert {
        "name", "former_name", "status", "role", "block", "kind", "dtype_before", "dtype_after", "shape_before",
        "shape_after", "is_reshaped", "is_cast", "settled_by", "values", "rows", "low_rank", "note",
    } <= one.keys()  # fmt: skip
    assert {
        "elements", "changed", "changed_share", "max_abs", "relative_l2", "l2", "norm_before", "norm_after", "cosine",
        "sign_flips", "mean_shift", "nan_before", "nan_after", "inf_before", "inf_after",
    } == one["values"].keys()  # fmt: skip
    assert one["values"]["relative_l2"] == pytest.approx(0.1, abs=0.005)
    assert [block["number"] for block in found["blocks"] if block["changed_tensors"] and block["number"]] == [5, 6]


@pytest.mark.parametrize(
    ("name", "block", "number", "kind"),
    [
        ("model.layers.12.self_attn.q_proj.weight", "model.layers.12", 12, "self_attn.q_proj.weight"),
        ("blk.3.attn_q.weight", "blk.3", 3, "attn_q.weight"),
        ("model.layers.2.experts.7.w1.weight", "model.layers.2", 2, "experts.*.w1.weight"),
        ("layer4.1.conv2.weight", "layer4.1", 1, "conv2.weight"),
        ("conv2d_3/kernel:0", "conv2d_3", 3, "kernel:0"),
        ("lm_head.weight", "lm_head", None, "weight"),
        ("weight", "weight", None, ""),
    ],
)
def test_where_a_tensor_stands(name: str, block: str, number: int | None, kind: str) -> None:
    found = place_of(name)
    assert (found.block, found.number, found.kind) == (block, number, kind)


def test_percent_is_never_0_or_100_where_it_is_not() -> None:
    given = (0, 1e-9, 0.00031, 0.0123, 0.5, 0.99999999, 1, 2.5, 40)
    shown = ["0 %", "1.0e-07 %", "0.031 %", "1.2 %", "50.0 %", "99.99 %", "100 %", "250 %", "40 times"]
    assert [percent(share) for share in given] == shown


def test_printable_names_keep_both_ends() -> None:
    assert printable("a\x1bb\u202e") == "a\\x1bb\\u202e"
    assert printable("x" * 300 + "end", 20) == "x" * 9 + "…" + "x" * 7 + "end"
