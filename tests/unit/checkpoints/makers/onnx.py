"""Small ONNX models, written by the onnx library: every way in which values can stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)
INTS = np.array([-1, 2**62, 3], np.int64)


def model(graph: Any, **more: Any) -> Any:
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("made.here", 1)]
    return helper.make_model(graph, producer_name="openshelf tests", producer_version="1", opset_imports=opsets, **more)


def graph(name: str, nodes: list[Any], initializers: list[Any], **more: Any) -> Any:
    shown = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])]
    return helper.make_graph(nodes, name, shown, shown, initializers, **more)


def constants() -> list[Any]:
    sparse = sparse_initializer(np.array([1, 5], np.int64))
    forms: dict[str, Any] = {
        "value": numpy_helper.from_array(INTS), "sparse_value": sparse, "value_float": 0.5, "value_floats": [1.5, 2.5],
        "value_int": -3, "value_ints": [4, -5, 6], "value_string": "one", "value_strings": ["one", "two"],
    }  # fmt: skip
    return [helper.make_node("Constant", [], [f"of_{name}"], **{name: value}) for name, value in forms.items()]


def branches() -> list[Any]:
    """Two If nodes, the second without a name, whose graphs use the same names; one more graph inside."""
    inner = graph("inner", constants()[:1], [numpy_helper.from_array(FLOATS, "w")])
    nested = helper.make_node("If", ["c"], ["deep"], then_branch=inner, else_branch=inner)
    outer = graph("outer", [nested], [numpy_helper.from_array(FLOATS, "w")])
    return [
        helper.make_node("If", ["c"], ["y"], "choice", then_branch=inner, else_branch=outer),
        helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=outer),
    ]


def sparse_initializer(indices: np.ndarray) -> Any:
    return helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([5, 7], np.float32), "thin"), numpy_helper.from_array(indices, "at"), [2, 3]
    )


def whole() -> bytes:
    held = [numpy_helper.from_array(FLOATS, "w"), helper.make_tensor("typed", TensorProto.INT64, [3], INTS.tolist())]
    held += [helper.make_tensor("half", TensorProto.FLOAT16, [2], [0.5, -2])]
    words: Any = [b"one", "zwölf".encode()]
    held += [helper.make_tensor("words", TensorProto.STRING, [2], words)]
    sparse = [sparse_initializer(np.array([[0, 1], [1, 2]], np.int64))]
    main = graph("main", [*constants(), *branches()], held, sparse_initializer=sparse)
    function = helper.make_function("made.here", "Fun", ["x"], ["y"], constants()[:2], [helper.make_opsetid("", 21)])
    made = model(main, functions=[function])
    helper.set_model_props(made, {"task": "tests"})
    content: bytes = made.SerializeToString()
    return content


def external(location: str = "weights.bin", offset: int | None = 4, length: int | None = 24) -> bytes:
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            outside.external_data.add(key=key, value=str(value))
    content: bytes = model(graph("main", [helper.make_node("Relu", ["x"], ["y"])], [outside])).SerializeToString()
    return content


def every_type(*, raw: bool) -> dict[str, Any]:
    """A tensor of each type that ONNX has, by name."""
    made = {}
    for name, number in TensorProto.DataType.items():
        if name in ("UNDEFINED", "STRING"):
            continue
        dtype = helper.tensor_dtype_to_np_dtype(number)
        values = np.array([0, 1, 1, 0, 1], np.float32).astype(dtype)
        if raw:
            made[name] = numpy_helper.from_array(values, name)
        else:
            made[name] = helper.make_tensor(name, number, [5], values.tolist())
        assert made[name].data_type == number
    return made


def of_types(*, raw: bool) -> bytes:
    content: bytes = model(graph("main", [], list(every_type(raw=raw).values()))).SerializeToString()
    return content


MAKERS: dict[str, Callable[[], dict[str, bytes]]] = {
    "onnx": lambda: {"model.onnx": whole()},
    "onnx with external data": lambda: {"model.onnx": external(), "weights.bin": bytes(4) + FLOATS.tobytes()},
    "onnx of every type": lambda: {"model.onnx": of_types(raw=True)},
    "onnx of every type as numbers": lambda: {"model.onnx": of_types(raw=False)},
}
assert onnx.__version__
