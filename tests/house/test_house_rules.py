"""Rules about the code itself."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 500
MAX_FUNCTION_LINES = 90
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "base", "common", "misc"}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_names_say_what_is_inside() -> None:
    assert [path for path in SOURCES if FORBIDDEN_NAMES & set(path.stem.split("_"))] == []


def test_functions_stay_short() -> None:
    long = []
    for path in SOURCES:
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        path for path in SOURCES if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [path for path in silent if "versions/__init__" not in str(path)] == []


def test_only_settings_reads_the_environment() -> None:
    readers = [
        path.relative_to(ROOT)
        for path in SOURCES
        if re.search(r"os\.environ\.get|os\.environ\[[^\]]+\](?! =)|os\.getenv", path.read_text(encoding="utf-8"))
        and path.name != "settings.py"
    ]
    assert readers == []


def test_nothing_uploaded_is_unpickled_or_run() -> None:
    dangerous = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "torch", "tensorflow"}
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id] if node.func.id in ("eval", "exec") else []
            if {name.split(".")[0] for name in names} & (dangerous | {"eval", "exec"}):
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def test_lock_files_name_no_addresses() -> None:
    locks = [path for path in _tracked() if path.suffix == ".lock" or path.name == "package-lock.json"]
    assert locks
    assert [path for path in locks if "://" in path.read_text(encoding="utf-8")] == []


def test_no_large_file_is_tracked() -> None:
    assert [path for path in _tracked() if path.exists() and path.stat().st_size > 500_000] == []
