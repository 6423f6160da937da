"""How many numbers a safetensors file holds, by dtype: from its header alone, without reading a tensor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

MAX_HEADER_BYTES = 16_000_000
MAX_TENSORS = 200_000
_MAX_DIMENSIONS = 32
_MAX_ELEMENTS = 1 << 53


class UnreadableHeader(ValueError):
    """The file is no safetensors file, or its header is larger than is read; the message says which."""


def count_elements(read: Callable[[int, int], bytes], size: int) -> dict[str, int]:
    """Number of elements by dtype (``F32``, ``BF16`` ...); ``read(start, end)`` gives bytes of a file of ``size``.

    Raises UnreadableHeader.
    """
    length = int.from_bytes(read(0, 8), "little") if size >= 8 else 0
    if not 2 <= length <= size - 8:
        raise UnreadableHeader("the first 8 bytes do not give the length of a header within the file")
    if length > MAX_HEADER_BYTES:
        raise UnreadableHeader(f"the header has {length} bytes; at most {MAX_HEADER_BYTES} are read")
    try:
        header = json.loads(read(8, 8 + length))
    except (ValueError, RecursionError):
        raise UnreadableHeader("the header is not JSON") from None
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise UnreadableHeader(f"the header is not a mapping of at most {MAX_TENSORS} tensors")
    counts: Counter[str] = Counter()
    for name, tensor in header.items():
        if name != "__metadata__":
            dtype, elements = _tensor(name, tensor)
            counts[dtype] += elements
    if counts.total() > _MAX_ELEMENTS:
        raise UnreadableHeader("the header claims more elements than any file has")
    return dict(counts)


def _tensor(name: str, tensor: object) -> tuple[str, int]:
    dtype = tensor.get("dtype") if isinstance(tensor, dict) else None
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if not isinstance(dtype, str) or len(dtype) > 16 or not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        raise UnreadableHeader(f"the tensor {name[:100]!r} has no dtype and shape")
    elements = 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise UnreadableHeader(f"the shape of the tensor {name[:100]!r} is not made of numbers")
        elements = min(elements * length, _MAX_ELEMENTS + 1)
    return dtype, elements
