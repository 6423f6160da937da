"""Answers to the facets of a list, out of the facts of a repo and the names of its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORMAT_BY_ENDING: Mapping[str, str] = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".keras": "keras",
    ".msgpack": "msgpack",
    ".orbax": "orbax",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".ckpt": "pytorch",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "joblib",
    ".skops": "skops",
    ".params": "mxnet-params",
    ".npz": "numpy",
    ".npy": "numpy",
    ".tflite": "tflite",
    ".mlmodel": "coreml",
    ".mlpackage": "coreml",
    ".nemo": "nemo",
    ".pdparams": "paddle",
    ".engine": "tensorrt",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".xml": "xml",
    ".tar": "tar",
    ".zip": "zip",
    ".lance": "lance",
    ".ipynb": "notebook",
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"), "images"),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"), "audio"),
    **dict.fromkeys((".mp4", ".mkv", ".webm", ".mov", ".avi"), "video"),
}
_FORMAT_BY_NAME = {
    "saved_model.pb": "saved-model",
    "openvino_model.xml": "openvino",
    "rust_model.ot": "rust",
}
_PYTORCH_NAMES = ("pytorch_model", "adapter_model", "diffusion_pytorch", "model-")
_NOT_CONTENT = frozenset(
    "readme.txt license.txt notice.txt requirements.txt vocab.txt merges.txt .gitattributes".split()
)
_WRAPPINGS = (".gz", ".zst", ".bz2", ".xz")
_FRAMEWORK_OF_FORMAT: Mapping[str, str] = {
    "safetensors": "safetensors",
    "gguf": "gguf",
    "onnx": "onnx",
    "pytorch": "pytorch",
    "saved-model": "tensorflow",
    "tflite": "tensorflow",
    "keras": "keras",
    "msgpack": "flax",
    "orbax": "flax",
    "mxnet-params": "mxnet",
    "numpy": "numpy",
    "skops": "sklearn",
    "joblib": "sklearn",
    "coreml": "coreml",
    "openvino": "openvino",
    "paddle": "paddlepaddle",
    "tensorrt": "tensorrt",
    "nemo": "pytorch",
}
_FRAMEWORK_OF_LIBRARY: Mapping[str, str] = {
    **dict.fromkeys(
        "transformers diffusers peft timm sentence-transformers setfit adapters speechbrain open_clip espnet fastai "
        "nemo".split(),
        "pytorch",
    ),
    **{name: name for name in "pytorch tensorflow keras mxnet onnx gguf flax numpy sklearn".split()},
    "tf-keras": "keras",
    "scikit-learn": "sklearn",
    "jax": "flax",
    "gluonnlp": "mxnet",
    "gluoncv": "mxnet",
    "spacy": "spacy",
    "mlx": "mlx",
}
_KERAS_LIBRARIES = ("keras", "tf-keras", "keras-hub", "keras-nlp")
_MOST_VALUES = 50
_MOST_CHARACTERS = 96


def describe(kind: str, facts: Mapping[str, Any], tags: Sequence[str], paths: Iterable[str]) -> dict[str, list[str]]:
    """Facet to its values, for the facets that come out of the card and the files; those without a value are absent.

    ``facts`` and ``tags`` are those of ``facts.describe``. Never raises on values of an unexpected shape.
    """
    formats = formats_of(paths)
    library = facts.get("library_name") or (facts.get("sdk") if kind == "space" else None)
    tasks = _texts(facts.get("pipeline_tag")) or _tagged(tags, "task_categories")
    found = {
        "task": tasks,
        "library": [name.lower() for name in _texts(library)],
        "framework": frameworks(formats, library, facts) if kind == "model" else [],
        "format": formats,
        "license": [name.lower() for name in _texts(facts.get("licenses"))],
        "language": [name.lower() for name in _texts(facts.get("languages"))],
        "base_model": _texts(facts.get("base_models")) or (_texts(facts.get("models")) if kind == "space" else []),
        "dataset": _texts(facts.get("datasets")) if kind != "dataset" else [],
    }
    return {facet: kept for facet, values in found.items() if (kept := _kept(values))}


def formats_of(paths: Iterable[str]) -> list[str]:
    """The formats of the files of a repo, each once, in order of name; cards and code are none."""
    found = set()
    for path in paths:
        name = path.rpartition("/")[2].lower()
        if name in _NOT_CONTENT or path.startswith("."):
            continue
        for wrapping in _WRAPPINGS:
            name = name.removesuffix(wrapping)
        stem, dot, ending = name.rpartition(".")
        known = _FORMAT_BY_NAME.get(name) or (FORMAT_BY_ENDING.get(dot + ending) if stem else None)
        if known is None and ending == "bin" and name.startswith(_PYTORCH_NAMES):
            known = "pytorch"
        if known is not None:
            found.add(known)
    return sorted(found)


def frameworks(formats: Sequence[str], library: object, facts: Mapping[str, Any]) -> list[str]:
    """The frameworks that can load a model, by its files and by what its card says."""
    found = {_FRAMEWORK_OF_FORMAT[name] for name in formats if name in _FRAMEWORK_OF_FORMAT}
    name = library.lower() if isinstance(library, str) else ""
    if name in _FRAMEWORK_OF_LIBRARY and not {"flax", "tensorflow", "keras"} & found:
        found.add(_FRAMEWORK_OF_LIBRARY[name])
    if "hdf5" in formats:
        found.add("keras" if name in _KERAS_LIBRARIES else "tensorflow")
    if "pickle" in formats and name in ("sklearn", "scikit-learn"):
        found.add("sklearn")
    for said in _texts(facts.get("framework")):
        found.add(said.lower())
    return sorted(found)


def _kept(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if 0 < len(value) <= _MOST_CHARACTERS))[:_MOST_VALUES]


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else [value]
    return [item.strip() for item in items if isinstance(item, str) and item.strip()]


def _tagged(tags: Iterable[str], prefix: str) -> list[str]:
    return [tag.partition(":")[2] for tag in tags if tag.startswith(f"{prefix}:")]
