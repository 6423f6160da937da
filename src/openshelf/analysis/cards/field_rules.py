"""What each field of a card's metadata may hold. A rule yields what is wrong with a value, most serious first.

Errors are kept for what makes clients fail (a wrong type, a ``model-index`` that cannot be parsed) and for licences
that nobody knows; what is merely doubtful is a warning, so that an upload is not refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.cards import known_licences
from openshelf.analysis.cards.tasks import TASKS

SPACE_SDKS = ("gradio", "streamlit", "docker", "static")

_MAX_ITEMS_TOLD = 20
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}\Z")
_LANGUAGE_WORDS = frozenset({"code", "multilingual", "other"})
_REPO_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*\Z", re.ASCII)
_RELATIONS = ("finetune", "adapter", "quantized", "merge")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a field; ``error`` when it must be mended before the card is taken."""

    text: str
    error: bool = True


Rule = Callable[[str, Any], Iterator[Fault]]


def _text(name: str, value: Any) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(f'"{name}" must be a string, not {_kind(value)}; put quotes around it')


def _texts(name: str, value: Any) -> Iterator[Fault]:
    if isinstance(value, str):
        return
    yield from _list_of_texts(name, value)


def _list_of_texts(name: str, value: Any) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield Fault(f'"{name}" must be a list of strings, not {_kind(value)}; write it as "{name}: [a, b]"')
        return
    wrong = [(place, item) for place, item in enumerate(value) if not isinstance(item, str)]
    for place, item in wrong[:_MAX_ITEMS_TOLD]:
        yield Fault(f'"{name}[{place}]" must be a string, not {_kind(item)}; put quotes around it')


def _licence(name: str, value: Any) -> Iterator[Fault]:
    faults = list(_texts(name, value))
    yield from faults
    if faults:
        return
    for licence in _as_list(value):
        if not known_licences.is_known(licence):
            known = ", ".join(known_licences.HUB_IDS)
            yield Fault(
                f'"license" must be one of [{known}], an SPDX id such as "MIT" or an SPDX expression; '
                f'"{_short(licence)}" is none of these. For a licence of your own write "license: other" with '
                f'"license_name" and "license_link"'
            )


def _languages(name: str, value: Any) -> Iterator[Fault]:
    yield from _texts(name, value)
    for language in _as_list(value)[:_MAX_ITEMS_TOLD]:
        if isinstance(language, str) and language not in _LANGUAGE_WORDS and not _LANGUAGE.match(language):
            yield Fault(f'"{name}": "{_short(language)}" is not an ISO 639 code such as "en" or "yor"', error=False)


def _repo_ids(name: str, value: Any) -> Iterator[Fault]:
    yield from _texts(name, value)
    for repo in _as_list(value)[:_MAX_ITEMS_TOLD]:
        if isinstance(repo, str) and not _REPO_ID.match(repo):
            yield Fault(f'"{name}": "{_short(repo)}" is not a repo id; write "owner/name"', error=False)


def _task(name: str, value: Any) -> Iterator[Fault]:
    yield from _text(name, value)
    if isinstance(value, str) and value not in TASKS:
        yield Fault(f'"{name}": "{_short(value)}" is not a known task; filters will not find it', error=False)


def _relation(name: str, value: Any) -> Iterator[Fault]:
    if value not in _RELATIONS:
        yield Fault(f'"{name}" must be one of [{", ".join(_RELATIONS)}]', error=False)


def _sdk(name: str, value: Any) -> Iterator[Fault]:
    if value not in SPACE_SDKS:
        yield Fault(f'"{name}" must be one of [{", ".join(SPACE_SDKS)}]')


def _model_index(name: str, value: Any) -> Iterator[Fault]:
    """The shape that ``model_index_to_eval_results`` of ``huggingface_hub`` reads without failing."""
    if not isinstance(value, list):
        yield Fault(f'"{name}" must be a list, not {_kind(value)}')
        return
    for place, model in enumerate(value[:_MAX_ITEMS_TOLD]):
        where = f"{name}[{place}]"
        if not isinstance(model, dict):
            yield Fault(f'"{where}" must have "name" and "results"')
            continue
        if not isinstance(model.get("name"), str):
            yield Fault(f'"{where}.name" must be a string; write the name of the model')
        if not isinstance(model.get("results"), list):
            yield Fault(f'"{where}.results" must be a list')
            continue
        for number, result in enumerate(model["results"][:_MAX_ITEMS_TOLD]):
            yield from _result(f"{where}.results[{number}]", result)


def _result(where: str, result: Any) -> Iterator[Fault]:
    if not isinstance(result, dict):
        yield Fault(f'"{where}" must have "task", "dataset" and "metrics"')
        return
    for part, keys in (("task", ("type",)), ("dataset", ("name", "type"))):
        given = result.get(part)
        for key in keys:
            if not isinstance(given, dict) or not isinstance(given.get(key), str):
                yield Fault(f'"{where}.{part}.{key}" must be a string')
    metrics = result.get("metrics")
    if not isinstance(metrics, list):
        yield Fault(f'"{where}.metrics" must be a list')
        return
    for number, metric in enumerate(metrics[:_MAX_ITEMS_TOLD]):
        if not isinstance(metric, dict) or not isinstance(metric.get("type"), str) or "value" not in metric:
            yield Fault(f'"{where}.metrics[{number}]" must have "type" and "value"')


EVERYWHERE: Mapping[str, Rule] = {
    "license": _licence,
    "license_name": _text,
    "license_link": _text,
    "language": _languages,
    "tags": _list_of_texts,
    "thumbnail": _text,
}
MODEL: Mapping[str, Rule] = {
    **EVERYWHERE,
    "datasets": _repo_ids,
    "base_model": _repo_ids,
    "base_model_relation": _relation,
    "pipeline_tag": _task,
    "library_name": _text,
    "metrics": _texts,
    "model-index": _model_index,
}
DATASET: Mapping[str, Rule] = {**EVERYWHERE, "pretty_name": _text, "task_categories": _texts, "size_categories": _texts}
SPACE: Mapping[str, Rule] = {
    **EVERYWHERE,
    "title": _text,
    "sdk": _sdk,
    "models": _repo_ids,
    "datasets": _repo_ids,
}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _kind(value: Any) -> str:
    names = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), "nothing")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
