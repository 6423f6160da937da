"""The card page: lineage, results, licence file, table of contents, and lines to copy that name real things."""

from __future__ import annotations

import ast
import re
from html import unescape

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Visibility
from openshelf.interfaces.web import snippets
from openshelf.services.hub import Hub
from tests.interfaces.web.visitors import Visitor, make_repo

RESULTS = """---
license: mit
base_model: alice/base
library_name: transformers
pipeline_tag: text-generation
model-index:
- name: x
  results:
  - task: {type: text-generation, name: Writing}
    dataset: {type: words, name: "<b>Words</b>"}
    metrics:
    - {type: accuracy, value: 0.91239, name: Accuracy}
    - {type: broken}
---
# One
## Two
## Three
# Four

$a^2$ ![sound](calm.mp3)
"""
FILES = (
    "model.gguf model.onnx model.safetensors model.keras model.skops flax_model.msgpack net.params a.npz m.joblib "
    "m.pkl w.pt saved_model.pb"
).split()
LIBRARIES = sorted(snippets._BY_LIBRARY)


def test_lineage_shows_readable_repos_alone(hub: Hub, stranger: Visitor, alice: Visitor) -> None:
    make_repo(hub, "alice", "base", {"README.md": b"# Base\n", "LICENSE": b"words"})
    make_repo(hub, "alice", "child", {"README.md": RESULTS.encode()})
    make_repo(hub, "alice", "hidden-child", {"README.md": RESULTS.encode()}, visibility=Visibility.PRIVATE)
    page = stranger.text("/alice/base")
    assert 'Made from this <span class="total">1</span>' in page
    assert 'href="/alice/child"' in page
    assert "hidden-child" not in page
    assert 'Made from this <span class="total">2</span>' in alice.text("/alice/base")
    assert 'href="/alice/base/blob/main/LICENSE"' in page


def test_a_card_with_everything(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "child", {"README.md": RESULTS.encode()})
    page = stranger.text("/alice/child")
    assert "0.9124" in page
    assert "&lt;b&gt;Words&lt;/b&gt;" in page
    assert "<b>Words" not in page
    assert '<li class="level-2"><a href="#user-content-two">' in page
    assert "<math" in page
    assert '<audio src="/alice/child/resolve/main/calm.mp3" controls' in page
    assert page == re.sub("nothing", "", stranger.text("/alice/child"))


def test_a_changed_card_and_a_renamed_repo_are_laid_out_anew(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "here", {"README.md": b"[a](x.txt)"})
    assert 'href="/alice/here/blob/main/x.txt"' in alice.text("/alice/here")
    answer = alice.submit("/alice/here/settings/name", "/alice/here/settings", owner="alice", name="there")
    assert answer.status_code == 303
    assert 'href="/alice/there/blob/main/x.txt"' in alice.text("/alice/there")


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("library", [*LIBRARIES, ""])
def test_lines_for_models_compile(hub: Hub, library: str, private: bool) -> None:
    card = f"---\nlibrary_name: {library}\npipeline_tag: text-generation\n---\n".encode()
    visibility = Visibility.PRIVATE if private else Visibility.PUBLIC
    repo = make_repo(hub, "alice", "model", {"README.md": card}, visibility=visibility)
    _check(snippets.of(repo, "https://hub.example", FILES), private)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_lines_for_datasets_compile(hub: Hub, ending: str) -> None:
    repo = make_repo(hub, "alice", "data", kind=RepoKind.DATASET)
    found = snippets.of(repo, "https://hub.example", [f"rows.{ending}"])
    assert [snippet.label for snippet in found[:4]] == ["datasets", "pandas", "polars", "DuckDB"]
    _check(found, False)


def _check(found: list[snippets.Snippet], private: bool) -> None:
    labels = [snippet.label for snippet in found]
    assert len(labels) == len(set(labels))
    assert labels[-4:] == ["hf", "huggingface_hub", "git, git-lfs", "curl"]
    for snippet in found:
        assert "https://hub.example" in snippet.text
        if snippet.is_python:
            ast.parse(snippet.text)
            assert ("HF_TOKEN" in snippet.text) == private
        assert snippet.is_pickle == ("joblib.load" in snippet.text or "pickle.loads" in snippet.text)


def test_pickles_come_with_a_word_of_warning(hub: Hub, stranger: Visitor) -> None:
    make_repo(hub, "alice", "pickled", {"model.pkl": b"x"})
    assert "Load it only if you trust alice." in unescape(stranger.text("/alice/pickled"))
    make_repo(hub, "alice", "safe", {"model.npz": b"x"})
    assert "Load it only if you trust" not in stranger.text("/alice/safe")
