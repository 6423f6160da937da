"""Real Chromium on a real hub."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from openshelf.services import accounts
from tests.browser.watched import Watched
from tests.hubs import PASSWORD
from tests.served import Served, serve

HERE = Path(__file__).parent
FLAGS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed and could not be: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hub with alice, its administrator."""
    with serve(tmp_path_factory.mktemp("browsed"), rate_limit_sign_in=0, registration="open") as served:
        accounts.create_user(served.hub, "alice", PASSWORD, full_name="Alice Adeyemi")
        yield served


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[type[Watched]]:
    """Makes pages, and looks at the end whether each of them behaved."""
    Watched.browser = chromium
    Watched.made = []
    yield Watched
    for watched in Watched.made:
        watched.close()
    for watched in Watched.made:
        assert watched.complaints == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which checks pages for barriers."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed and could not be: apt-get install npm")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
