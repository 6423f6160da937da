"""Requests made from the API description, right ones and wrong ones, and what must hold of every answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SECONDS_FOR_AN_ANSWER = 60.0
# Never answered with success here: what the description says of them is checked all the same.
_DELIBERATE = (501,)
URI_TOO_LONG = 414
_CONFORMANCE = [content_type_conformance, response_schema_conformance, status_code_conformance]


@schemathesis.serializer(
    "application/x-ndjson",
    "application/x-git-upload-pack-request",
    "application/x-git-receive-pack-request",
)
def as_it_is(_context: Any, value: Any) -> bytes:
    """Bodies that are no JSON value are sent as they were made up."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@dataclass
class Walk:
    """What was asked, and what went wrong: one text for each operation and kind of failure."""

    asked: int = 0
    operations: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """Values that exist on the hub, by the name of a parameter; requests use them more often than not."""

    values: dict[str, list[Any]]
    bodies: dict[str, list[Any]] = field(default_factory=dict)

    def replace(self, draw: Callable[[Any], Any], case: Any) -> Any:
        for container in (case.path_parameters, case.query):
            for name in list(container or ()):
                if name in self.values and draw(st.integers(0, 4)):
                    container[name] = draw(st.sampled_from(self.values[name]))
        body = case.body
        if isinstance(body, dict):
            for name in list(body):
                if name in self.values and draw(st.integers(0, 2)):
                    body[name] = draw(st.sampled_from(self.values[name]))
        return case


def walk(url: str, token: str, known: Known, *, examples: int, seconds: float | None = None, seed: bool = True) -> Walk:
    """Ask every operation with up to ``examples`` requests of each kind; ``seconds`` bounds the whole in rounds.

    With ``seed`` the requests are the same each time. Operations that need no token are asked as well.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    done, deadline = Walk(), time.monotonic() + (seconds or 0)
    found = [cast(Any, result).ok() for result in schema.get_all_operations()]
    done.operations = len(found)
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        while True:
            for operation in found:
                for mode in _modes(operation):
                    _ask(operation, mode, known, session, done, examples, seed)
                if seconds and time.monotonic() > deadline:
                    return done
            if not seconds:
                return done
            seed = False


def _modes(operation: Any) -> list[GenerationMode]:
    """Wrong requests only where the description says what would be wrong; else the search for one takes seconds."""
    definition = operation.definition.raw
    schemas = [media.get("schema", {}) for media in definition.get("requestBody", {}).get("content", {}).values()]
    has_shape = any("$ref" in schema or schema.get("properties") for schema in schemas)
    has_query = any(parameter.get("in") == "query" for parameter in definition.get("parameters", []))
    wrong = [GenerationMode.NEGATIVE] if has_shape or has_query else []
    return [GenerationMode.POSITIVE, *wrong]


def _ask(
    operation: Any,
    mode: GenerationMode,
    known: Known,
    session: requests.Session,
    done: Walk,
    examples: int,
    seed: bool,
) -> None:
    @settings(
        max_examples=examples,
        derandomize=seed,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = known.replace(data.draw, data.draw(operation.as_strategy(generation_mode=mode)))
        response = case.call(session=session, timeout=SECONDS_FOR_AN_ANSWER, allow_redirects=False)
        done.asked += 1
        done.statuses[response.status_code] = done.statuses.get(response.status_code, 0) + 1
        for failure in _failures(case, response):
            what = f"{operation.label}: {type(failure).__name__}: {failure.title} ({response.status_code})"
            told = f"{failure.message}\n{case.as_curl_command()}\n{response.text[:500]}"
            done.failures.setdefault(what, told)

    try:
        ask()
    except Exception as error:
        kind = type(error).__name__
        if kind not in ("Unsatisfiable",):
            done.failures.setdefault(f"{operation.label}: {kind}", str(error)[:2000])


def _failures(case: Any, response: Any) -> Iterator[Failure]:
    if response.status_code == URI_TOO_LONG:
        return  # said by the HTTP library, before any route is looked for
    checks = list(_CONFORMANCE)
    if response.status_code not in _DELIBERATE:
        checks.append(not_a_server_error)
    try:
        case.validate_response(response, checks=checks)
    except FailureGroup as group:
        for found in group.exceptions:
            if isinstance(found, Failure):
                yield found
    except Failure as found:
        yield found
