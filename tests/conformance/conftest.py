"""One live hub per pytest worker, client environments, and the table of outcomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from .hub_view import HubView
from .live_hub import LiveHub
from .published_table import NOT_IN_THE_HUB, NOT_OFFERED, PROPERTY, Publisher
from .running import Client

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--publish-clients", action="store_true", help="rewrite docs/reference/clients.md from this run")
    group.addoption("--heavy", action="store_true", help="also run what takes minutes: 5 GB files, torch")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "heavy: takes minutes or gigabytes; run by `make conformance`")
    if not hasattr(config, "workerinput") and not config.pluginmanager.has_plugin("openshelf-clients"):
        config.pluginmanager.register(
            Publisher(bool(config.getoption("--publish-clients", default=False))), "openshelf-clients"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    heavy = config.getoption("--heavy", default=False) or os.environ.get("OPENSHELF_HEAVY") == "1"
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker("clients")
        if item.get_closest_marker("heavy") and not heavy:
            item.add_marker(pytest.mark.skip(reason="heavy: run by `make conformance`"))


def pytest_runtest_call(item: pytest.Item) -> None:
    hub = getattr(item, "funcargs", {}).get("hub")
    if isinstance(hub, LiveHub):
        hub.mark_log()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure comes with what the hub logged meanwhile."""
    report = yield
    hub = getattr(item, "funcargs", {}).get("hub")
    if report.failed and isinstance(hub, LiveHub):
        report.sections.append(("hub log", hub.complaints()))
    return report


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """A hub of this worker's own, with alice, bob and the organisation they share."""
    with LiveHub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def view(hub: LiveHub) -> Iterator[HubView]:
    """The hub as seen by no client library: plain requests as alice."""
    with HubView(hub.url, hub.people.alice) as looking:
        yield looking


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Callable[[str, Client, str], None]:
    """``row(family, client, title)`` says which cell of the published table this test fills."""

    def add(family: str, client: Client, title: str) -> None:
        record_property(PROPERTY, f"{family}\n{client.heading}\n{title}")

    return add


def check(result: dict[str, object]) -> dict[str, object]:
    """The facts of an operation that went well; else the test fails, or is skipped where the client lacks it."""
    if result["outcome"] == "not offered":
        pytest.skip(f"{NOT_OFFERED}: {result['why']}")
    if result["outcome"] != "pass":
        pytest.fail(f"{result['why']}\n{result.get('traceback', '')}\n{result.get('stderr', '')}", pytrace=False)
    facts = result["facts"]
    assert isinstance(facts, dict)
    return facts


def check_absent(result: dict[str, object], what: str) -> None:
    """The hub must say that it does not offer ``what``; the day it works, the list of what is absent is wrong."""
    if result["outcome"] == "not offered":
        check(result)
    assert result["outcome"] == "fail", f"{what} works: take it off the list of what is not in this hub"
    said = str(result["why"])
    assert "501" in said or "There is nothing at this address" in said, f"the hub must say that it lacks {what}: {said}"
    pytest.xfail(f"{NOT_IN_THE_HUB}: {what}")
