"""Bytes made by damaging right ones: cut, flipped, doubled, put together otherwise, with counts beyond all sense."""

from __future__ import annotations

from hypothesis import strategies as st

_COUNTS = [0, 1, 2**7, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of ``seeds``, damaged up to six times."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        end = draw(st.integers(place, min(len(data), place + 200)))
        match draw(st.sampled_from(("flip", "cut", "drop", "double", "count", "splice", "bytes"))):
            case "flip":
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[place:]
            case "drop":
                del data[place:end]
            case "double":
                data[place:place] = data[place:end] * draw(st.integers(1, 20))
            case "count":
                width = draw(st.sampled_from((1, 2, 4, 8)))
                order = draw(st.sampled_from(("little", "big")))
                count = draw(st.sampled_from(_COUNTS)) % 256**width
                data[place : place + width] = count.to_bytes(width, "little" if order == "little" else "big")
            case "splice":
                other = draw(st.sampled_from(seeds))
                data[place:] = other[draw(st.integers(0, len(other))) :]
            case "bytes":
                data[place:end] = draw(st.binary(max_size=40))
    return bytes(data)
