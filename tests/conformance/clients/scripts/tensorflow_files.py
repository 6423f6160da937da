"""Writes what TensorFlow and Keras write, and what they read from it: ``python tensorflow_weights.py FOLDER``.

Beside the files stand ``NAME.expected.json``: tensor name to dtype, shape and sha256 of the values (little-endian, in
C order; of texts their lengths as 8 bytes each, then the texts).
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import h5py
import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

OUT = Path(sys.argv[1])
RANDOM = np.random.default_rng(7)
TYPES = "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128"
NARROW = "int4 uint4 float8_e5m2 float8_e4m3fn"


def digest(values):
    values = np.asarray(values, object if isinstance(values, (bytes, str)) else None)
    if values.dtype == object:
        texts = [bytes(text) for text in values.reshape(-1).tolist()]
        content = b"".join(len(text).to_bytes(8, "little") for text in texts) + b"".join(texts)
    else:
        content = np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(content).hexdigest()


def expect(name, tensors):
    (OUT / f"{name}.expected.json").write_text(json.dumps(tensors))


def expect_checkpoint(prefix, name):
    reader = tf.train.load_checkpoint(str(OUT / prefix))
    types = reader.get_variable_to_dtype_map()
    listed = tf.train.list_variables(str(OUT / prefix))
    expect(name, {key: [types[key].name, shape, digest(reader.get_tensor(key))] for key, shape in listed})


def random(dtype, *shape):
    if dtype == tf.string:
        return tf.constant(RANDOM.choice([b"", b"text", "Ж".encode(), b"x" * 300], shape or None))
    values = RANDOM.normal(size=shape) if dtype.is_floating else RANDOM.integers(0, 100, shape)
    return tf.cast(tf.constant(values), dtype)


def save(prefix, names, tensors, slices=None):
    slices = slices or [""] * len(names)
    tf.raw_ops.SaveV2(prefix=str(OUT / prefix), tensor_names=names, shape_and_slices=slices, tensors=tensors)


def checkpoints():
    kinds = [getattr(tf, name) for name in TYPES.split()] + [tf.string]
    kinds += [getattr(tf.dtypes.experimental, name) for name in NARROW.split()]
    named = {f"{kind.name}/{len(shape)}": random(kind, *shape) for kind in kinds for shape in ((), (3, 5), (0, 2, 1))}
    save("dtypes", list(named), list(named.values()))
    expect_checkpoint("dtypes", "dtypes")
    for part in range(3):
        names = [f"tower/layer_{number}/kernel/{part}" for number in range(400)]
        save(f"part{part}", names, [random(tf.float32, 7, part + 1) for _ in names])
    parts = [str(OUT / f"part{part}") for part in range(3)]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(OUT / "merged"))
    expect_checkpoint("merged", "merged")
    big, wide = random(tf.float32, 300, 20000), random(tf.int64, 100)
    save(
        "partitioned",
        ["big", "big", "big", "wide", "wide", "whole"],
        [big[:70], big[70:, :9000], big[70:, 9000:], wide[:64], wide[64:], random(tf.string, 6)],
        ["300 20000 0,70:-", "300 20000 70,230:0,9000", "300 20000 70,230:9000,11000", "100 0,64", "100 64,36", ""],
    )
    expect_checkpoint("partitioned", "partitioned")


class Net(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(random(tf.float32, 4, 3), name="kernel")
        self.tables = [tf.Variable(random(tf.int32, 5)), tf.Variable(random(tf.float32, 5))]

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(self, x):
        scale = tf.constant(RANDOM.normal(size=(3, 20)).astype("float32"))
        half = tf.constant([1.5, 2.5, 3.5], tf.float16)
        same = tf.fill([3], 2.0) + tf.constant(2.0, shape=[3])
        hidden = x @ self.kernel + tf.cast(half, tf.float32) + same
        return {"y": hidden @ scale, "words": tf.constant(["a", "longer"])}


def saved_models():
    module = Net()
    tf.saved_model.save(module, str(OUT / "module"), signatures={"serve": module.serve})
    expect_checkpoint("module/variables/variables", "module-variables")
    checkpoint = tf.train.Checkpoint(net=module, optimizer=keras.optimizers.Adam(), step=tf.Variable(1))
    checkpoint.optimizer.build([module.kernel])
    for _ in range(2):
        checkpoint.save(str(OUT / "train" / "ckpt"))
    expect_checkpoint("train/ckpt-2", "train")
    v1 = tf.compat.v1
    (OUT / "v1").mkdir()
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], "x")
        weight = v1.get_variable("dense/kernel", initializer=RANDOM.normal(size=(3, 2)).astype("float32"))
        bias = tf.constant(np.arange(2, dtype="float64"), name="bias")
        tf.constant([True, False, True], name="flags")
        y = tf.add(tf.cast(x @ weight, tf.float64), bias, "y")
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(y), v1.train.get_or_create_global_step())
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(OUT / "simple"), {"x": x}, {"y": y})
        v1.train.Saver().save(session, str(OUT / "v1" / "model"))
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["y", "flags"])
    expect_checkpoint("v1/model", "v1")
    expect_checkpoint("simple/variables/variables", "simple-variables")
    (OUT / "frozen.pb").write_bytes(frozen.SerializeToString())
    expect_constants("frozen", frozen)
    for name in ("simple", "module"):
        saved = SavedModel.FromString((OUT / name / "saved_model.pb").read_bytes())
        expect_constants(f"{name}-constants", saved.meta_graphs[0].graph_def)


def expect_constants(name, graph):
    nodes = [("", node) for node in graph.node]
    for function in graph.library.function:
        nodes += [(function.signature.name + "/", node) for node in function.node_def]
    found = {}
    for where, node in nodes:
        if node.op == "Const":
            values = tf.make_ndarray(node.attr["value"].tensor)
            kind = tf.dtypes.as_dtype(node.attr["dtype"].type).name
            found[where + node.name] = [kind, list(values.shape), digest(values)]
    expect(name, found)


def keras_files():
    layers = keras.layers
    first = [keras.Input((8, 8, 1)), layers.Conv2D(3, 3, name="conv"), layers.BatchNormalization(name="norm")]
    last = [layers.Flatten(), layers.Lambda(lambda x: x * 2, name="twice"), layers.Dense(2, name="out")]
    model = keras.Sequential([*first, *last])
    model.compile("adam", "mse")
    model.fit(RANDOM.normal(size=(8, 8, 8, 1)), RANDOM.normal(size=(8, 2)), verbose=0)
    model.save(OUT / "model.h5")
    model.save(OUT / "model.keras")
    model.save_weights(OUT / "model.weights.h5")
    (OUT / "shards").mkdir()
    wide = keras.Sequential([keras.Input((50,)), layers.Dense(200), layers.Dense(200), layers.Dense(200)])
    wide.save_weights(OUT / "shards/model.weights.json", max_shard_size=0.00016)
    values = {weight.path: np.asarray(weight.value) for weight in wide.weights}
    expect("shards", {path: [v.dtype.name, list(v.shape), digest(v)] for path, v in values.items()})
    half = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype="bfloat16", name="half")])
    half.save(OUT / "half.keras")
    for name, one in (("model", model), ("half", half)):
        values = {weight.path: np.asarray(weight.value) for weight in one.weights}
        expect(f"{name}.values", {path: [v.dtype.name, list(v.shape), digest(v)] for path, v in values.items()})
    for name in ("model.h5", "model.weights.h5"):
        expect_h5(name)


def expect_h5(name):
    found = {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset):
            found[path] = [item.dtype.name, list(item.shape), digest(item[()]), item.id.get_offset()]

    with h5py.File(OUT / name) as file:
        file.visititems(visit)
    expect(name, found)


def lite_files():
    rows = RANDOM.normal(size=(32, 1, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(32)])
    model.export(OUT / "for_lite", verbose=False)
    for name in ("float", "int8", "float16", "dynamic"):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(OUT / "for_lite"))
        converter.optimizations = [] if name == "float" else [tf.lite.Optimize.DEFAULT]
        if name == "int8":
            converter.representative_dataset = lambda: ([row] for row in rows)
        if name == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
        (OUT / f"{name}.tflite").write_bytes(content)
        expect_lite(f"{name}.tflite", content)


def expect_lite(name, content):
    """Tensors of the interpreter: name to dtype, shape, values where it has them before a run, and scales."""
    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=plain)
    found = {}
    for detail in interpreter.get_tensor_details():
        try:
            values = digest(interpreter.get_tensor(detail["index"]))
        except ValueError:
            values = None
        shape = [int(side) for side in detail["shape"]]
        scales = detail["quantization_parameters"]["scales"].tolist()
        found[detail["name"]] = [np.dtype(detail["dtype"]).name, shape, values, scales]
    expect(name, found)


if __name__ == "__main__":
    for write in (checkpoints, saved_models, keras_files, lite_files):
        begun = time.monotonic()
        write()
        print(f"{write.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
