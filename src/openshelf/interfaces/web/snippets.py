"""Lines to copy that use a repo of this hub, with its address in them."""

from __future__ import annotations

from dataclasses import dataclass

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo


@dataclass(frozen=True, slots=True)
class Snippet:
    """What it is for, and the text to copy."""

    label: str
    text: str


_AUTO_MODEL = "AutoModel"
# Library to what loads a model with it; {id} is owner/name.
_MODEL_LINES: dict[str, str] = {
    "transformers": 'from transformers import {auto}\nmodel = {auto}.from_pretrained("{id}")',
    "sentence-transformers": (
        'from sentence_transformers import SentenceTransformer\nmodel = SentenceTransformer("{id}")'
    ),
    "diffusers": 'from diffusers import DiffusionPipeline\npipeline = DiffusionPipeline.from_pretrained("{id}")',
    "peft": 'from peft import AutoPeftModel\nmodel = AutoPeftModel.from_pretrained("{id}")',
    "timm": 'import timm\nmodel = timm.create_model("hf_hub:{id}", pretrained=True)',
    "keras": 'import keras\nmodel = keras.saving.load_model("hf://{id}")',
    "span-marker": 'from span_marker import SpanMarkerModel\nmodel = SpanMarkerModel.from_pretrained("{id}")',
    "setfit": 'from setfit import SetFitModel\nmodel = SetFitModel.from_pretrained("{id}")',
    "adapters": 'from adapters import AutoAdapterModel\nmodel = AutoAdapterModel.from_pretrained("{id}")',
}


def of(repo: Repo, base_url: str) -> list[Snippet]:
    """Ways to use a repo, the most fitting first; never empty."""
    found = []
    if repo.kind is RepoKind.MODEL:
        library = str(repo.facts.get("library_name") or "")
        if library in _MODEL_LINES:
            found.append(Snippet(library, _python(base_url, _MODEL_LINES[library], repo)))
    elif repo.kind is RepoKind.DATASET:
        lines = 'from datasets import load_dataset\ndataset = load_dataset("{id}")'
        found.append(Snippet("datasets", _python(base_url, lines, repo)))
    elif repo.kind is RepoKind.KERNEL:
        found.append(
            Snippet("kernels", _python(base_url, 'from kernels import get_kernel\nkernel = get_kernel("{id}")', repo))
        )
    kind = "" if repo.kind is RepoKind.MODEL else f', repo_type="{repo.kind.value}"'
    option = "" if repo.kind is RepoKind.MODEL else f" --repo-type {repo.kind.value}"
    download = 'from huggingface_hub import snapshot_download\nfolder = snapshot_download("{id}"' + kind + ")"
    found.append(Snippet("hf", f"export HF_ENDPOINT={base_url}\nhf download {repo.full_name}{option}"))
    found.append(Snippet("huggingface_hub", _python(base_url, download, repo)))
    found.append(Snippet("git, git-lfs", f"git lfs install\ngit clone {base_url}/{repo.url_path}"))
    return found


def upload(repo: Repo, base_url: str) -> str:
    """The lines that upload a folder into ``repo``."""
    option = "" if repo.kind is RepoKind.MODEL else f" --repo-type {repo.kind.value}"
    return f"export HF_ENDPOINT={base_url}\nhf auth login\nhf upload {repo.full_name} ./my-folder{option}"


def _python(base_url: str, lines: str, repo: Repo) -> str:
    info = repo.facts.get("transformersInfo")
    auto = str(info.get("auto_model") or _AUTO_MODEL) if isinstance(info, dict) else _AUTO_MODEL
    setting = f'import os\nos.environ["HF_ENDPOINT"] = "{base_url}"  # before the next import\n\n'
    return setting + lines.format(id=repo.full_name, auto=auto)
