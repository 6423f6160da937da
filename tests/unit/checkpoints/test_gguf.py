"""GGUF files: made ones of each version and byte order, those of the gguf library, real ones, damaged ones."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given, settings
from hypothesis import strategies as st

from openshelf.analysis.checkpoints.checkpoint import Checkpoint
from openshelf.analysis.checkpoints.dtypes import of_ggml
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint, UnreadableValues
from openshelf.analysis.checkpoints.files import HeldFiles
from openshelf.analysis.checkpoints.headers.gguf import TYPES
from openshelf.analysis.checkpoints.opening import open_checkpoint, open_files
from tests.unit.checkpoints.makers.gguf import MAKERS, PAIRS, Made, every_type, split, whole
from tests.unit.checkpoints.samples import ROOT, needs_samples

SAMPLES = ROOT / "gguf"
FLOATS = struct.pack("<4f", *range(4))


def opened(content: bytes) -> Checkpoint:
    return open_files(HeldFiles({"model.gguf": content}), is_folder=False)


def test_the_table_of_types_is_that_of_the_library() -> None:
    for number, sizes in GGML_QUANT_SIZES.items():
        assert TYPES[int(number)] == (number.name, *sizes)


@pytest.mark.parametrize(("version", "order"), [(1, "<"), (2, "<"), (3, "<"), (3, ">"), (2, ">")])
def test_every_version_and_byte_order(version: int, order: str) -> None:
    found = opened(whole(version, order))
    assert [(one.name, one.dtype, one.shape, one.nbytes) for one in found] == [
        ("w", "float32", (2, 3), 24), ("q", "Q8_0", (2, 32), 68), ("b", "int8", (3,), 3)
    ]  # fmt: skip
    assert np.array_equal(found.array("w"), np.arange(6, dtype=np.float32).reshape(2, 3))
    assert found.array("b").tolist() == [1, 2, 3]
    assert found.facts.architecture == "llama"
    assert found.facts.has_tokenizer
    assert found.facts.has_chat_template
    assert found.facts.versions == {"gguf": str(version)}
    assert found.metadata["llama.rope.freq_base"] == 10000.0
    assert found.metadata["general.quantization_version"] == 2
    assert found.metadata["llama.causal"] is True
    assert found.metadata["tokenizer.ggml.tokens"] == {"length": 100, "first": [f"t{n}" for n in range(8)]}
    if order == ">":
        with pytest.raises(UnreadableValues, match="big-endian"):
            found.array("q")


def test_every_type_is_listed_and_decoded_as_the_library_decodes_it(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(every_type())
    found = open_checkpoint(tmp_path / "model.gguf")
    assert len(found) == len(TYPES)
    for number, (name, elements, nbytes) in TYPES.items():
        tensor = found[f"blk.{number}.{name}"]
        assert (tensor.dtype, tensor.nbytes) == (of_ggml(name), 2 * nbytes)
        if number not in GGML_QUANT_SIZES or not _is_decoded(GGMLQuantizationType(number)):
            with pytest.raises(UnreadableValues, match="cannot be dequantised"):
                found.array(tensor)
            continue
        values = found.array(tensor)
        assert values.shape == (2, elements)
        if not found.can_stream(tensor):
            with np.errstate(all="ignore"):
                expected = quants.dequantize(np.frombuffer(found.raw(tensor), "u1"), GGMLQuantizationType(number))
            assert np.array_equal(values.reshape(-1), expected, equal_nan=True)


def _is_decoded(kind: GGMLQuantizationType) -> bool:
    return kind.name in ("F32", "F16", "F64", "I8", "I16", "I32", "I64") or kind in quants._type_traits


@given(st.data())
@settings(max_examples=40)
def test_what_the_library_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    order = data.draw(st.sampled_from([gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG]))
    writer = gguf.GGUFWriter(path, "llama", endianess=order)
    text = st.text(st.characters(codec="utf-8"), max_size=9)
    pairs = data.draw(
        st.dictionaries(text.map("k.".__add__), st.integers(0, 2**32 - 1) | text.filter(bool), max_size=5)
    )
    for key, value in pairs.items():
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    names = data.draw(st.lists(text.filter(bool), unique=True, max_size=6))
    made: dict[str, tuple[str, Any]] = {}
    for name in names:
        kind = data.draw(st.sampled_from(["float32", "float16", "int8", "int32", "int64", "float64", "Q8_0", "Q4_0"]))
        shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
        random = np.random.default_rng(len(made))
        if kind.startswith("Q") and order is gguf.GGUFEndian.LITTLE:
            packed = quants.quantize(
                random.standard_normal((*shape, 32)).astype(np.float32), GGMLQuantizationType[kind]
            )
            writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType[kind])
            made[name] = (kind, quants.dequantize(packed, GGMLQuantizationType[kind]))
        elif not kind.startswith("Q"):
            plain = (random.standard_normal(shape) * 50).astype(kind)
            writer.add_tensor(name, plain.copy())
            made[name] = (kind, plain)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = open_checkpoint(path)
    assert {one.name: one.dtype for one in found} == {name: kind for name, (kind, _) in made.items()}
    for name, (_, expected) in made.items():
        assert np.array_equal(found.array(name), expected)
    assert {key: found.metadata[key] for key in pairs} == pairs


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Made(tensors=[("a", (4,), 0, FLOATS), ("b", (4,), 0, FLOATS)], offsets={"b": 0}), "overlap"),
        (Made(tensors=[("a", (4,), 0, FLOATS), ("b", (4,), 0, FLOATS)], offsets={"b": 33}), "multiple of 32"),
        (Made(tensors=[("a", (4,), 0, FLOATS), ("a", (4,), 0, FLOATS)]), "the tensor 'a' stands twice"),
        (Made(pairs=[PAIRS[0], PAIRS[0]]), "the key 'general.architecture' stands twice"),
        (Made(tensors=[("a", (9,), 0, FLOATS)]), "is to end at byte"),
        (Made(tensors=[("a", (4,), 999, FLOATS)]), "type 999, which is not known"),
        (Made(tensors=[("a", (3, 20), 8, bytes(68))]), "whole number of blocks of Q8_0"),
        (Made(tensors=[("a", (2**62, 2**62), 0, b"")]), "no tensor can have the shape"),
        (Made(tensors=[("a", (1,) * 9, 0, FLOATS)]), "9 dimensions"),
        (Made(pairs=[("general.alignment", "u32", 0)]), "alignment is 0"),
        (Made(pairs=[("general.alignment", "text", "8")]), "alignment is '8'"),
        (Made(version=4), "version 4"),
        (Made(version=0), "version 0"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(made: Made, words: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=words) as caught:
        opened(made.content())
    assert caught.value.file == "model.gguf"
    assert caught.value.offset is not None


def test_a_count_that_cannot_be_costs_no_time() -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**40)
    with pytest.raises(UnreadableCheckpoint, match="more than can follow"):
        opened(head + bytes(100))
    with pytest.raises(UnreadableCheckpoint, match="too many"):
        opened(b"GGUF" + struct.pack("<IQQ", 3, 2**40, 1))


def test_every_cut_is_refused() -> None:
    content = whole()
    for end in range(4, len(content) - 29):
        with pytest.raises(UnreadableCheckpoint):
            opened(content[:end])


def test_parts_of_a_split_model() -> None:
    files = MAKERS["gguf split"]()
    found = open_files(HeldFiles(files), is_folder=True)
    assert [(one.name, one.file) for one in found] == [(f"w{n}", name) for n, name in enumerate(files)]
    assert found.files == tuple(files)
    assert found.problems == ()
    alone = open_files(HeldFiles(files), is_folder=False)
    assert len(alone) == 1
    assert "part 0 (from 0) of 2" in alone.problems[0]
    first, second = files
    for wrong in ({first: files[first]}, {**files, second: split(1, 3, 2)}, {**files, second: split(1, 2, 9)}):
        with pytest.raises(UnreadableCheckpoint, match=r"missing|split"):
            open_files(HeldFiles(wrong), is_folder=True)


@needs_samples
def test_real_vocabularies() -> None:
    found = open_checkpoint(SAMPLES / "ggml-vocab-gpt-2.gguf")
    assert (len(found), found.facts.architecture, found.facts.has_tokenizer) == (0, "gpt2", True)
    reader = gguf.GGUFReader(SAMPLES / "ggml-vocab-gpt-2.gguf")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            value, ours = field.contents(), found.metadata[key]
            assert ours == ({"length": len(value), "first": value[:8]} if isinstance(value, list) else value)
    with pytest.raises(UnreadableCheckpoint, match="at byte 4"):
        open_checkpoint(SAMPLES / "ollama_bad_test.gguf")


def test_a_large_vocabulary_is_walked_quickly() -> None:
    tokens = [("tokenizer.ggml.tokens", "text", [f"token {number}" for number in range(150_000)])]
    tensors = [(f"blk.{number}.weight", (4,), 0, FLOATS) for number in range(1000)]
    content = Made([*PAIRS[:3], *tokens], tensors).content()
    start = time.process_time()
    assert len(opened(content)) == 1000
    assert time.process_time() - start < 0.5
