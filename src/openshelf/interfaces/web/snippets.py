"""Lines to copy that use a repo of this hub, with its address in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo

_AUTO_MODEL = "AutoModel"
_MOST = 8


@dataclass(frozen=True, slots=True)
class Snippet:
    """What it is for, and the text to copy; ``is_python`` or else lines for a shell.

    ``is_pickle``: the file can run code when it is loaded, and the page says so.
    """

    label: str
    text: str
    is_python: bool = True
    is_pickle: bool = False


# Library to what loads a model with it; {id} is owner/name.
_BY_LIBRARY: dict[str, str] = {
    "transformers": 'from transformers import {auto}\n\nmodel = {auto}.from_pretrained("{id}")',
    "sentence-transformers": (
        'from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer("{id}")'
    ),
    "diffusers": 'from diffusers import DiffusionPipeline\n\npipeline = DiffusionPipeline.from_pretrained("{id}")',
    "peft": 'from peft import AutoPeftModel\n\nmodel = AutoPeftModel.from_pretrained("{id}")',
    "timm": 'import timm\n\nmodel = timm.create_model("hf_hub:{id}", pretrained=True)',
    "keras": 'import keras\n\nmodel = keras.saving.load_model("hf://{id}")',
    "tf-keras": (
        "import tensorflow\nfrom huggingface_hub import snapshot_download\n\n"
        'model = tensorflow.saved_model.load(snapshot_download("{id}"))'
    ),
    "spacy": (
        'import spacy\nfrom huggingface_hub import snapshot_download\n\nnlp = spacy.load(snapshot_download("{id}"))'
    ),
    "mlx": 'from mlx_lm import load\n\nmodel, tokenizer = load("{id}")',
    "span-marker": 'from span_marker import SpanMarkerModel\n\nmodel = SpanMarkerModel.from_pretrained("{id}")',
    "setfit": 'from setfit import SetFitModel\n\nmodel = SetFitModel.from_pretrained("{id}")',
    "adapters": 'from adapters import AutoAdapterModel\n\nmodel = AutoAdapterModel.from_pretrained("{id}")',
}
_PIPELINE = 'from transformers import pipeline\n\nuse = pipeline("{task}", model="{id}")'
_PIPELINES = frozenset(
    "audio-classification automatic-speech-recognition depth-estimation feature-extraction fill-mask "
    "image-classification image-feature-extraction image-segmentation image-text-to-text object-detection "
    "table-question-answering text-classification text-generation text-to-audio token-classification "
    "video-classification zero-shot-classification zero-shot-image-classification zero-shot-object-detection".split()
)
_FILE = 'from huggingface_hub import hf_hub_download\n\npath = hf_hub_download("{id}", "{file}"{type})\n'
# Ending of a file to the label, the import and the lines that read it; {file} is in the repo, path is on disk.
_BY_ENDING: tuple[tuple[str, str, str, str, bool], ...] = (
    (".gguf", "llama.cpp", "from llama_cpp import Llama\n", "model = Llama(model_path=path)", False),
    (".onnx", "ONNX Runtime", "import onnxruntime\n", "session = onnxruntime.InferenceSession(path)", False),
    (".safetensors", "safetensors", "from safetensors.numpy import load_file\n", "tensors = load_file(path)", False),
    (".keras", "Keras", "import keras\n", "model = keras.saving.load_model(path)", False),
    (".skops", "skops", "import skops.io\n", "model = skops.io.load(path)", False),
    (
        ".msgpack",
        "Flax",
        "from pathlib import Path\n\nfrom flax import serialization\n",
        "parameters = serialization.msgpack_restore(Path(path).read_bytes())",
        False,
    ),
    (".params", "MXNet", "import mxnet\n", "parameters = mxnet.nd.load(path)", False),
    (".npz", "NumPy", "import numpy\n", "arrays = numpy.load(path, allow_pickle=False)", False),
    (".joblib", "scikit-learn", "import joblib\n", "model = joblib.load(path)", True),
    (".pkl", "pickle (fastai, scikit-learn)", "import pickle\nfrom pathlib import Path\n", "", True),
    (".pt", "PyTorch", "import torch\n", "weights = torch.load(path, weights_only=True)", False),
    (".pth", "PyTorch", "import torch\n", "weights = torch.load(path, weights_only=True)", False),
)
_PICKLE = "model = pickle.loads(Path(path).read_bytes())"
_TABLES = (
    (".parquet", "read_parquet", "read_parquet", "read_parquet"),
    (".csv", "read_csv", "read_csv", "read_csv"),
    (".jsonl", "read_json", "read_ndjson", "read_json"),
)


def of(repo: Repo, base_url: str, files: Sequence[str] = ()) -> list[Snippet]:
    """Ways to use a repo, the most fitting first; never empty. ``files``: paths in it, some are enough."""
    found: list[Snippet] = []
    write = _Writer(repo, base_url)
    if repo.kind is RepoKind.MODEL:
        found += _model(repo, write, files)
    elif repo.kind is RepoKind.DATASET:
        found += _dataset(write, files)
    elif repo.kind is RepoKind.KERNEL:
        found.append(write.python("kernels", 'from kernels import get_kernel\n\nkernel = get_kernel("{id}")'))
    return list({snippet.label: snippet for snippet in found}.values())[:_MOST] + list(_clients(repo, write, files))


def upload(repo: Repo, base_url: str) -> str:
    """The lines that upload a folder into ``repo``."""
    option = "" if repo.kind is RepoKind.MODEL else f" --repo-type {repo.kind.value}"
    return f"export HF_ENDPOINT={base_url}\nhf auth login\nhf upload {repo.full_name} ./my-folder{option}"


class _Writer:
    """Fills lines in for one repo."""

    def __init__(self, repo: Repo, base_url: str) -> None:
        self.repo = repo
        self.base_url = base_url
        info = repo.facts.get("transformersInfo")
        auto = str(info.get("auto_model") or "") if isinstance(info, dict) else ""
        is_kept = repo.kind is not RepoKind.MODEL
        self.values = {
            "id": repo.full_name,
            "auto": auto if auto.isidentifier() else _AUTO_MODEL,
            "type": f', repo_type="{repo.kind.value}"' if is_kept else "",
            "option": f" --repo-type {repo.kind.value}" if is_kept else "",
        }

    def python(self, label: str, lines: str, *, is_pickle: bool = False, **more: str) -> Snippet:
        token = 'os.environ["HF_TOKEN"] = "a token of yours"\n' if self.repo.is_private else ""
        setting = (
            "import os\n\n# First of all: libraries read it when they are imported.\n"
            f'os.environ["HF_ENDPOINT"] = "{self.base_url}"\n{token}\n'
        )
        return Snippet(label, setting + lines.format(**self.values, **more), True, is_pickle)

    def shell(self, label: str, lines: str, **more: str) -> Snippet:
        token = "export HF_TOKEN=...  # a token of yours\n" if self.repo.is_private else ""
        setting = f"export HF_ENDPOINT={self.base_url}\n{token}"
        return Snippet(label, setting + lines.format(**self.values, **more), False)

    def plain(self, label: str, lines: str) -> Snippet:
        return Snippet(label, lines, False)


def _model(repo: Repo, write: _Writer, files: Sequence[str]) -> Iterator[Snippet]:
    library, task = str(repo.facts.get("library_name") or ""), str(repo.facts.get("pipeline_tag") or "")
    if library in _BY_LIBRARY:
        yield write.python(library, _BY_LIBRARY[library])
    if library == "transformers" and task in _PIPELINES:
        yield write.python("transformers pipeline", _PIPELINE, task=task)
    if library == "transformers" and task == "text-generation":
        yield write.shell("vLLM", "vllm serve {id}")
        yield write.shell("Text Generation Inference", "text-generation-launcher --model-id {id}")
    for ending, label, imports, lines, is_pickle in _BY_ENDING:
        file = next((path for path in files if path.lower().endswith(ending) and _is_plain(path)), None)
        if file is not None:
            text = imports + _FILE + (lines or _PICKLE)
            yield write.python(label, text, is_pickle=is_pickle, file=file)
    if "saved_model.pb" in files and library != "tf-keras":
        yield write.python("TensorFlow", _BY_LIBRARY["tf-keras"])


def _dataset(write: _Writer, files: Sequence[str]) -> Iterator[Snippet]:
    yield write.python("datasets", 'from datasets import load_dataset\n\ndataset = load_dataset("{id}")')
    for ending, pandas, polars, duckdb in _TABLES:
        file = next((path for path in files if path.lower().endswith(ending) and _is_plain(path)), None)
        if file is None:
            continue
        more = ", lines=True" if pandas == "read_json" else ""
        yield write.python("pandas", f"import pandas\n{_FILE}table = pandas.{pandas}(path{more})", file=file)
        yield write.python("polars", f"import polars\n{_FILE}table = polars.{polars}(path)", file=file)
        yield write.python("DuckDB", f"import duckdb\n{_FILE}table = duckdb.{duckdb}(path)", file=file)
        return


def _clients(repo: Repo, write: _Writer, files: Sequence[str]) -> Iterator[Snippet]:
    yield write.shell("hf", "hf download {id}{option}")
    snapshot = 'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("{id}"{type})'
    yield write.python("huggingface_hub", snapshot)
    clone = f"git lfs install\ngit clone {write.base_url}/{repo.url_path}"
    asks = "\n# git asks for your name, and for a token as the password" if repo.is_private else ""
    yield write.plain("git, git-lfs", clone + asks)
    file = next((path for path in files if _is_plain(path)), "README.md")
    secret = ' -H "Authorization: Bearer $HF_TOKEN"' if repo.is_private else ""
    yield write.plain("curl", f"curl -L -O{secret} {write.base_url}/{repo.url_path}/resolve/main/{file}")


def _is_plain(path: str) -> bool:
    """Whether a path can stand in a line as it is."""
    return all(c.isascii() and (c.isalnum() or c in "-_./") for c in path)
