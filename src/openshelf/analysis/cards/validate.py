"""Say what is wrong with a card before it is committed: the answer of ``POST /api/validate-yaml``.

Clients call it with the whole README before each commit that holds one, refuse the commit on an error, and tell
warnings to the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openshelf.analysis.cards import field_rules, front_matter

MISSING_METADATA = "empty or missing yaml metadata in repo card"

_RULES = {"model": field_rules.MODEL, "dataset": field_rules.DATASET, "space": field_rules.SPACE}
_MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Validation:
    """Texts to show; the card is acceptable when ``errors`` is empty."""

    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def validate_card(content: str, kind: str) -> Validation:
    """Check the front matter in ``content``, the text of README.md of a repo of ``kind`` (``model``, ``dataset``...).

    Never raises. Problems of YAML name their line; problems of a field name the field.
    """
    card = front_matter.split(content.encode("utf-8", "replace"))
    warnings = [str(problem) for problem in card.problems if not problem.fatal]
    errors = [str(problem) for problem in card.problems if problem.fatal]
    if not errors and not card.metadata:
        warnings.append(MISSING_METADATA)
    for fault in _faults(card.metadata or {}, kind):
        (errors if fault.error else warnings).append(fault.text)
    return Validation(tuple(warnings[:_MAX_MESSAGES]), tuple(errors[:_MAX_MESSAGES]))


def _faults(metadata: Mapping[str, Any], kind: str) -> list[field_rules.Fault]:
    found: list[field_rules.Fault] = []
    for name, rule in _RULES.get(kind, field_rules.MODEL).items():
        value = metadata.get(name)
        if value is not None:
            found.extend(rule(name, value))
    if metadata.get("license") in ("other", ["other"]) and not metadata.get("license_name"):
        text = '"license: other" says little; add "license_name" and "license_link"'
        found.append(field_rules.Fault(text, error=False))
    return found
