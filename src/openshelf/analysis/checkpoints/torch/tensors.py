"""Tensors of PyTorch as its pickles describe them: a storage kept elsewhere, and a view of it.

The calls are those of ``torch/_utils.py`` (``_rebuild_tensor`` and its kin) of versions 0.1 to 2.13; the persistent ids
are those of ``torch/serialization.py``: ("storage", type, key, location, elements[, view]).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.stored_arrays import Storage, StoredArray, bits, contiguous
from openshelf.analysis.checkpoints.pickles.values import Opaque, Pairs, Reference, Token, Value
from openshelf.analysis.checkpoints.pickles.walk import Unknown

STORAGES: Mapping[str, str] = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64", "QUInt8Storage": "uint8", "QInt8Storage": "int8", "QInt32Storage": "int32",
    "QUInt4x2Storage": "uint4", "QUInt2x4Storage": "uint2", "UntypedStorage": "uint8",
}  # fmt: skip
_DTYPES: Mapping[str, str] = {
    "double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "cfloat": "complex64", "cdouble": "complex128", "quint8": "uint8", "qint8": "int8", "qint32": "int32",
    "quint4x2": "uint4", "quint2x4": "uint2", "float4_e2m1fn_x2": "uint8",
}  # fmt: skip
_MAX_DIMENSIONS = 64
MAX_REPEATED = 1 << 32
"""Bytes of a tensor that repeats elements of its storage (``expand``)."""
_PARAMETERS = ("_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_device_tensor_from_cpu_tensor")
_CLASSES = ("torch.nn.parameter.Parameter", "torch.nn.Parameter", "torch.nn.parameter.Buffer", "torch.Tensor")


Locate = Callable[[str, str, int], Storage]
"""Key, element type and number of elements of a storage to where it lies. Raises UnreadableCheckpoint."""


@dataclass(frozen=True, slots=True)
class TorchObjects:
    """Recognises tensors among the objects of a pickle of ``file``."""

    file: str
    locate: Locate
    others: Callable[[Opaque], StoredArray | Unknown | None] = lambda _: None
    is_big_endian: bool = False

    def tensor(self, node: Value) -> StoredArray | Unknown | None:
        """The tensor that ``node`` describes; None where it describes something else."""
        if not isinstance(node, Opaque):
            return None
        name, args = node.name, node.args
        if not isinstance(args, tuple):
            return None
        if name.startswith("torch."):
            short = name.rpartition(".")[2]
            if short.startswith("_rebuild") or name in _CLASSES:
                try:
                    return self._rebuilt(short, name, args, node)
                except UnreadableCheckpoint:
                    raise
                except (IndexError, TypeError, ValueError, KeyError, AttributeError, OverflowError):
                    raise UnreadableCheckpoint(
                        self.file, f"the arguments of {name} make no sense", node.place
                    ) from None
        return self.others(node)

    def _rebuilt(self, short: str, name: str, args: tuple[Value, ...], node: Opaque) -> StoredArray | Unknown | None:
        if short in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return self._dense(short, args, node.place)
        if short in _PARAMETERS or name in _CLASSES:
            return self.tensor(args[0]) if args else None
        if short in ("_rebuild_from_type", "_rebuild_from_type_v2"):
            inner = args[2] if isinstance(args[2], tuple) else ()
            return self.tensor(Opaque(args[0], inner, node.place))
        if short == "_rebuild_qtensor":
            return self._quantised(args, node.place)
        if short == "_rebuild_sparse_tensor":
            return self._sparse(args)
        if short == "_rebuild_meta_tensor_no_storage":
            return StoredArray(_dtype(args[0]), _sides(args[1]), _sides(args[2]), None, 0, "meta")
        return Unknown(f"{name} makes it, whose values cannot be told without running it")

    def _dense(self, short: str, args: tuple[Value, ...], place: int) -> StoredArray:
        storage, dtype, first = self._storage(args[0], place)
        if short == "_rebuild_tensor_v3":
            dtype = _dtype(args[6])
        found = self._view(args, storage, dtype, first, place)
        marks = args[6] if short == "_rebuild_tensor_v2" and len(args) > 6 else args[7] if len(args) > 7 else None
        if isinstance(marks, Pairs):
            kinds = [mark for mark in ("conj", "neg") if marks.get(mark) is True]
            found = replace(found, kind="-".join(kinds) or "dense")
        if short == "_rebuild_tensor_v3" and args[6].name == "float4_e2m1fn_x2":
            found = replace(found, note={"elements": "float4_e2m1fn_x2"})
        return found

    def _quantised(self, args: tuple[Value, ...], place: int) -> StoredArray:
        storage, dtype, first = self._storage(args[0], place)
        found = self._view(args, storage, dtype, first, place)
        scheme = args[4][0].name
        note: dict[str, Any] = {"scheme": scheme}
        if scheme == "per_tensor_affine":
            note |= {"scale": float(args[4][1]), "zero_point": int(args[4][2])}
        else:
            for called, value in (("scales", args[4][1]), ("zero_points", args[4][2])):
                part = self.tensor(value)
                if isinstance(part, StoredArray) and part.storage is not None:
                    offset = None if part.storage.offset is None else part.storage.offset + part.first
                    note[called] = {"dtype": part.dtype, "shape": list(part.shape), "offset": offset}
            note["axis"] = int(args[4][3])
        return replace(found, note={"quantised": note})

    def _sparse(self, args: tuple[Value, ...]) -> StoredArray | Unknown:
        layout, data = _layout(args[0]), args[1]
        names = ("indices", "values") if layout == "sparse_coo" else ("compressed", "plain", "values")
        parts = {name: self.tensor(data[number]) for number, name in enumerate(names)}
        known = {name: part for name, part in parts.items() if isinstance(part, StoredArray)}
        if len(known) < len(names):
            return Unknown(f"the parts of this {layout} tensor are not all tensors")
        shape = _sides(data[len(names)])
        note = {"sparse": {"layout": layout, "stored": list(known["values"].shape)}}
        kind = layout.replace("_", "-")
        return StoredArray(known["values"].dtype, shape, contiguous(shape), None, 0, kind, note=note, parts=known)

    def _storage(self, node: Value, place: int) -> tuple[Storage, str, int]:
        """The storage of a persistent id, the type of its elements, and the byte where a view of it begins."""
        if isinstance(node, Opaque) and node.name == "torch.storage.TypedStorage" and isinstance(node.args, tuple):
            node = next((one for one in node.args if isinstance(one, Reference)), node)
        key = node.key if isinstance(node, Reference) else node
        if not isinstance(key, tuple) or len(key) < 5 or key[0] != "storage" or not isinstance(key[1], Token):
            raise UnreadableCheckpoint(self.file, "this tensor has a storage of an unknown kind", place)
        dtype = STORAGES.get(key[1].name)
        if dtype is None or type(key[4]) is not int or key[4] < 0 or not isinstance(key[2], (str, int)):
            raise UnreadableCheckpoint(self.file, f"the storage type {key[1]} is not known", place)
        first = 0
        if len(key) > 5 and isinstance(key[5], tuple) and len(key[5]) == 3:
            first = _index(key[5][1])
        return self.locate(str(key[2])[:1000], dtype, key[4]), dtype, first * bits(dtype) // 8

    def _view(self, args: tuple[Value, ...], storage: Storage, dtype: str, first: int, place: int) -> StoredArray:
        """A view that stays in its storage."""
        shape, strides = _sides(args[2]), _sides(args[3])
        if len(shape) != len(strides):
            raise ValueError
        begin = first + _index(args[1]) * bits(dtype) // 8
        found = StoredArray(dtype, shape, strides, storage, begin, is_big_endian=self.is_big_endian)
        if found.end > storage.nbytes or found.nbytes > max(storage.nbytes, MAX_REPEATED):
            needed = max(found.end, found.nbytes)
            reason = f"a tensor needs {needed:,} bytes of its storage, which has {storage.nbytes:,}"
            raise UnreadableCheckpoint(self.file, reason, place)
        return found


def _layout(value: Value) -> str:
    """``torch.sparse_coo``, given as it is or by its name."""
    if isinstance(value, Opaque) and value.name == "torch.serialization._get_layout":
        value = value.args[0]
    name = value.name if isinstance(value, Token) else value
    return str(name).rpartition(".")[2] if isinstance(name, str) else ""


def _sides(value: Value) -> tuple[int, ...]:
    if isinstance(value, Opaque) and value.name == "torch.Size" and isinstance(value.args, tuple):
        value = value.args[0]
    if not isinstance(value, (tuple, list)) or len(value) > _MAX_DIMENSIONS:
        raise ValueError
    return tuple(_index(side) for side in value)


def _index(value: Value) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError
    return value


def _dtype(value: Value) -> str:
    if not isinstance(value, Token) or value.module != "torch":
        raise ValueError
    return _DTYPES.get(value.name, value.name)
