"""Hash strings, keyed hashes and the Merkle tree."""

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from openshelf.xet import hashes
from openshelf.xet.errors import XetFormatError
from openshelf.xet.hashes import MerkleTree, from_hex, merkle_root, to_hex

COUNTING = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"


def test_a_hash_is_printed_as_four_little_endian_words() -> None:
    assert to_hex(bytes(range(32))) == COUNTING
    assert from_hex(COUNTING) == bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_hex_round_trip(value: bytes) -> None:
    assert from_hex(to_hex(value)) == value


@pytest.mark.parametrize(
    "text", ["", "ab", COUNTING.upper(), COUNTING[:-1] + "g", COUNTING + "00", COUNTING + "\n", " " + COUNTING[1:]]
)
def test_other_text_is_no_hash(text: str) -> None:
    with pytest.raises(XetFormatError, match="64 lowercase hex digits"):
        from_hex(text)


@given(st.text(max_size=70))
def test_from_hex_raises_nothing_else(text: str) -> None:
    with pytest.raises(XetFormatError):
        from_hex(text)


def test_to_hex_refuses_another_length() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        to_hex(bytes(31))


def _reference_root(nodes: list[hashes.Node]) -> bytes:
    """Section 3 word for word: level by level, with the whole list in memory."""
    while len(nodes) > 1:
        above, at = [], 0
        while at < len(nodes):
            rest = nodes[at:]
            cut = min(9, len(rest))
            if len(rest) > 2:
                for i in range(2, cut):
                    if int.from_bytes(rest[i][0][24:], "little") % 4 == 0:
                        cut = i + 1
                        break
            group = rest[:cut]
            text = "".join(f"{to_hex(value)} : {length}\n" for value, length in group)
            key = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
            above.append((blake3(text.encode(), key=key).digest(), sum(length for _, length in group)))
            at += cut
        nodes = above
    return nodes[0][0] if nodes else bytes(32)


@given(st.integers(0, 400), st.integers(0, 2**32), st.sampled_from([0, 1, 3, 255]))
def test_the_streaming_tree_equals_the_level_by_level_rule(count: int, seed: int, mask: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = []
    for length in rng.integers(1, 131072, count).tolist():
        value = bytearray(rng.bytes(32))
        value[24] &= mask
        nodes.append((bytes(value), length))
    assert merkle_root(nodes) == _reference_root(nodes)


def test_a_tree_may_be_fed_in_pieces() -> None:
    nodes = [(bytes([i]) * 32, i + 1) for i in range(100)]
    tree = MerkleTree()
    tree.extend(nodes[:31])
    tree.extend(iter(nodes[31:]))
    assert tree.root() == merkle_root(nodes)


def test_one_chunk_names_the_xorb_but_not_the_file() -> None:
    node = (hashes.chunk_hash(b"x"), 1)
    assert hashes.xorb_hash([node]) == node[0]
    assert to_hex(hashes.file_hash([node])) == "ee8f129a399d20f10cae506c65e70831a63945b2cf619d39bb4eae90736fd8d7"


def test_an_empty_file_is_all_zero() -> None:
    assert hashes.file_hash([]) == bytes(32)


def test_keying_with_zero_changes_nothing() -> None:
    value = bytes(range(32))
    assert hashes.hmac_hash(bytes(32), value) == value
    assert hashes.hmac_hash(b"k" * 32, value) == blake3(value, key=b"k" * 32).digest()


def test_truncation_and_eligibility_read_the_right_words() -> None:
    value = (7).to_bytes(8, "little") + bytes(16) + (2048).to_bytes(8, "little")
    assert hashes.truncated(value) == 7
    assert hashes.is_dedup_eligible(value)
    assert not hashes.is_dedup_eligible(value[:24] + (2049).to_bytes(8, "little"))
