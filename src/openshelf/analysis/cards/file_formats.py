"""What the names of a repo's files say: formats of weights, formats of data, and the library that wrote them.

Names only: nothing is opened, so these are hints for filters, and the inspector of checkpoints has the last word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

WEIGHTS_BY_ENDING: Mapping[str, str] = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".h5": "tf",
    ".keras": "keras",
    ".msgpack": "jax",
    ".orbax": "jax",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".mlmodel": "coreml",
    ".mlpackage": "coreml",
    ".tflite": "tflite",
    ".nemo": "nemo",
    ".skops": "sklearn",
    ".params": "mxnet",
    ".npz": "numpy",
    ".joblib": "joblib",
    ".pdparams": "paddlepaddle",
    ".engine": "tensorrt",
}
WEIGHTS_BY_NAME: Mapping[str, str] = {
    "saved_model.pb": "tf",
    "flax_model.msgpack": "jax",
    "tf_model.h5": "tf",
    "openvino_model.xml": "openvino",
    "rust_model.ot": "rust",
}
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
_SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a")
_FILMS = (".mp4", ".mkv", ".webm", ".mov", ".avi")
DATA_BY_ENDING: Mapping[str, str] = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".txt": "text",
    ".xml": "xml",
    ".tar": "webdataset",
    ".lance": "lance",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    **dict.fromkeys(_IMAGES, "imagefolder"),
    **dict.fromkeys(_SOUNDS, "audiofolder"),
    **dict.fromkeys(_FILMS, "videofolder"),
}
_PYTORCH_NAMES = ("pytorch_model", "adapter_model", "diffusion_pytorch")
_MODALITY_OF_FORMAT: Mapping[str, str] = {
    "imagefolder": "image",
    "audiofolder": "audio",
    "videofolder": "video",
    "text": "text",
    "csv": "tabular",
}
_NOT_DATA = frozenset(
    "dataset_infos.json dataset_info.json state.json dataset_dict.json metadata.json .gitattributes readme.txt "
    "license.txt requirements.txt croissant.json package.json".split()
)


def weight_formats(paths: Iterable[str]) -> tuple[str, ...]:
    """Formats of weights among ``paths``, most common first: ``safetensors``, ``gguf``, ``pytorch`` ..."""
    found: Counter[str] = Counter()
    for path in paths:
        name = _name(path)
        known = WEIGHTS_BY_NAME.get(name) or WEIGHTS_BY_ENDING.get(_ending(name))
        if known is None and name.startswith(_PYTORCH_NAMES) and name.endswith(".bin"):
            known = "pytorch"
        if known is not None:
            found[known] += 1
    return tuple(name for name, _ in found.most_common())


def data_formats(paths: Iterable[str]) -> tuple[str, ...]:
    """Formats of data among ``paths``, most common first: ``parquet``, ``json``, ``imagefolder`` ..."""
    found: Counter[str] = Counter()
    for path in paths:
        name = _name(path)
        if name in _NOT_DATA or path.startswith((".", "assets/", "images/readme")):
            continue
        ending = _ending(name.removesuffix(".gz").removesuffix(".zst").removesuffix(".bz2").removesuffix(".xz"))
        if ending in DATA_BY_ENDING:
            found[DATA_BY_ENDING[ending]] += 1
    return tuple(name for name, _ in found.most_common())


def modality_of(data_format: str) -> str | None:
    """What a format of data holds by itself (``image`` for ``imagefolder``); None for containers such as Parquet."""
    return _MODALITY_OF_FORMAT.get(data_format)


def library_of(paths: Iterable[str], config: Mapping[str, Any] | None) -> str | None:
    """The library that the files of a model are made for, by the files that it alone writes; None if unsure."""
    names = {path.lower() for path in paths}
    if "modules.json" in names and "config_sentence_transformers.json" in names:
        return "sentence-transformers"
    for marker, library in _LIBRARY_BY_FILE:
        if marker in names:
            return library
    if config and config.get("architectures") and config.get("model_type"):
        return "transformers"
    for ending, library in _LIBRARY_BY_ENDING:
        if any(name.endswith(ending) for name in names):
            return library
    return None


_LIBRARY_BY_FILE = (
    ("model_index.json", "diffusers"),
    ("adapter_config.json", "peft"),
    ("config_setfit.json", "setfit"),
    ("meta.cfg", "spacy"),
    ("hyperparams.yaml", "speechbrain"),
    ("open_clip_config.json", "open_clip"),
    ("mlc-chat-config.json", "mlc-llm"),
    ("espnet.yaml", "espnet"),
    ("mlmodel", "mlflow"),
    ("saved_model.pb", "tf-keras"),
)
_LIBRARY_BY_ENDING = (
    (".gguf", "gguf"),
    (".nemo", "nemo"),
    (".skops", "sklearn"),
    (".joblib", "sklearn"),
    (".keras", "keras"),
    (".mlpackage", "coreml"),
    (".mlmodel", "coreml"),
    ("-symbol.json", "mxnet"),
    (".onnx", "onnx"),
)


def _name(path: str) -> str:
    return path.rpartition("/")[2].lower()


def _ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return dot + ending if stem else ""
