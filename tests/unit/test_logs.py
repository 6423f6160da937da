"""Logs hold no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from openshelf.interfaces import logs
from openshelf.settings import Settings

SECRET = "osh_0123456789abcdef"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_fields_that_are_named_like_secrets_are_blank(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger("test").info("asked", access_token=SECRET, Authorization=SECRET, password=SECRET, size=3)
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["request_id"], said["size"], said["level"]) == ("asked", "abc", 3, "info")
    assert SECRET not in json.dumps(said)


def test_libraries_speak_through_the_same_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json", log_level="info"))
    logging.getLogger("dbos").info("of no interest")
    logging.getLogger("dbos").warning("of interest")
    logging.getLogger("some.library").info("hello")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["logger"], line["event"]) for line in lines] == [("dbos", "of interest"), ("some.library", "hello")]


def test_text_is_for_people_and_tracebacks_show_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_level="warning"))
    logger = structlog.get_logger("test")
    logger.info("too quiet to be said")

    def fail(password: str) -> None:
        raise ValueError("it failed")

    try:
        fail(SECRET)
    except ValueError:
        logger.exception("fault")
    said = capsys.readouterr().err
    assert "it failed" in said
    assert "Traceback" in said
    assert SECRET not in said
    assert "too quiet" not in said
