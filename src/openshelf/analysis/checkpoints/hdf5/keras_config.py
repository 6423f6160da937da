"""What the configuration of a Keras model says of it. It is parsed and never built: layers may hold code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_CONFIG = 32 * 1024 * 1024
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """``architecture`` is the class of the model. ``metadata`` has its name, the number of layers, and
    ``lambda_layers``: names of layers that hold a function, as bytecode or by name. ``problem``: why nothing is known.
    """

    architecture: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def read_config(text: str) -> ConfigFacts:
    """Facts of a configuration in JSON, whatever is in it; never raises."""
    if len(text) > MAX_CONFIG:
        return ConfigFacts(problem=f"its configuration has {len(text):,} characters; at most {MAX_CONFIG:,} are read")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        return ConfigFacts(problem=f"its configuration is not JSON ({type(error).__name__})")
    if not isinstance(config, dict):
        return ConfigFacts(problem="its configuration is not a JSON object")
    inner = config.get("config")
    inner = inner if isinstance(inner, dict) else {}
    # Lambda is the layer; __lambda__ is how Keras 3 writes a function without a name, wherever one may stand.
    found = [one for one in _objects(config) if one.get("class_name") in ("Lambda", "__lambda__")]
    names = [_name(one) for one in found if one["class_name"] == "Lambda"]
    metadata: dict[str, Any] = {"lambda_layers": list(dict.fromkeys(names))[:MAX_LISTED]}
    if len(found) > len(names):
        metadata["bytecode_functions"] = len(found) - len(names)
    if isinstance(inner.get("name"), str):
        metadata["name"] = inner["name"][:200]
    if isinstance(inner.get("layers"), list):
        metadata["layers"] = len(inner["layers"])
    kind = config.get("class_name")
    return ConfigFacts(kind[:200] if isinstance(kind, str) else None, metadata)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All objects of the configuration, in its order."""
    pending = [config]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            yield found
            pending.extend(reversed(list(found.values())))
        elif isinstance(found, list):
            pending.extend(reversed(found))


def _name(layer: dict[str, Any]) -> str:
    for place in (layer.get("config"), layer):
        if isinstance(place, dict) and isinstance(place.get("name"), str):
            return str(place["name"])[:200]
    return "Lambda"
