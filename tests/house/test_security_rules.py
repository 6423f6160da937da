"""Rules about the code that keep whole kinds of weaknesses out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "openshelf"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEMPLATES = sorted(PACKAGE.rglob("*.html"))


def _calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Where, the dotted name of what is called, and the call."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", ast.unparse(node.func), node


def _imports() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                yield str(path.relative_to(PACKAGE)), name


def test_no_program_is_started_through_a_shell() -> None:
    bad = [where for where, name, call in _calls() if any(k.arg == "shell" for k in call.keywords)]
    bad += [where for where, name, _ in _calls() if name in ("os.system", "os.popen", "subprocess.getoutput")]
    assert bad == []


def test_no_parser_that_runs_or_fetches() -> None:
    forbidden = ("pickle", "marshal", "shelve", "xml", "lxml", "xmlrpc", "code", "runpy", "ctypes.util")
    assert [(where, name) for where, name in _imports() if name.split(".")[0] in forbidden] == []
    loaders = [where for where, name, _ in _calls() if name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")]
    assert loaders == []


def test_only_the_doctor_asks_other_machines() -> None:
    """The library and its commands read models at addresses that a person gives them; no part of the server does."""
    clients = ("urllib.request", "http.client", "httpx", "requests", "aiohttp", "ftplib", "smtplib", "urllib3")
    asking = {where for where, name in _imports() if name.startswith(clients)}
    reading = {f"analysis/checkpoints/remote/{name}.py" for name in ("http_client", "http_files")}
    assert asking == {"services/doctor.py", "services/handing_over.py"} | reading
    openers = {where for where, name in _imports() if "checkpoints.remote" in name or name.endswith("open_checkpoint")}
    allowed = ("__init__.py", "analysis/checkpoints/", "analysis/weights/", "interfaces/cli/")
    assert [where for where in openers if not where.startswith(allowed)] == []
    users = {where for where, name in _imports() if name.endswith("services.handing_over") or "handing_over." in name}
    assert users == {"services/doctor.py"}


def test_no_query_is_made_of_text() -> None:
    """``text()`` takes a constant, or is built of constants of ours."""
    made = [
        (where, ast.unparse(call.args[0]))
        for where, name, call in _calls()
        if name in ("sa.text", "sqlalchemy.text", "text", "exec_driver_sql") and call.args and "storage/" in where
        if not isinstance(call.args[0], ast.Constant)
    ]
    assert made == []


def test_templates_switch_no_escaping_off() -> None:
    assert len(TEMPLATES) > 20
    bad = [path.name for path in TEMPLATES if re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text())]
    assert bad == []
    made = [where for where, name, _ in _calls() if name.endswith(("from_string", "Template"))]
    assert made == []


def test_randomness_is_for_secrets() -> None:
    assert [where for where, name in _imports() if name.split(".")[0] == "random"] == []


def test_no_broken_hash_is_used() -> None:
    broken = ("hashlib.md5", "md5", "hashlib.sha1", "sha1")
    used = [(where, ast.unparse(call)) for where, name, call in _calls() if name in broken]
    assert [where for where, text in used if "usedforsecurity=False" not in text] == []


def test_every_dependency_is_pinned_by_hash() -> None:
    for name in ("runtime.lock", "dev.lock"):
        blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements" / name).read_text())
        packages = [block for block in blocks if re.match(r"[A-Za-z0-9]", block)]
        assert len(packages) > 20
        assert [block.split()[0] for block in packages if "==" not in block or "--hash=sha256:" not in block] == []
