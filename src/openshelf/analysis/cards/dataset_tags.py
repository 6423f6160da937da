"""Tags of a dataset: what its card declares, and what its ``dataset_info`` and files show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from openshelf.analysis.cards.file_formats import modality_of

_DECLARED = (
    *("task_categories", "task_ids", "annotations_creators", "language_creators", "multilinguality"),
    *("source_datasets", "language"),
)
_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B")),
    *((10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)
_MODALITY_OF_DTYPE = {
    "string": "text",
    "large_string": "text",
    "image": "image",
    "audio": "audio",
    "video": "video",
    "pdf": "document",
}
_MAX_ITEMS = 100


def tags(card: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """Prefixed tags (``language:en``, ``size_categories:1K<n<10K``, ``format:parquet``, ``modality:text`` ...)."""
    found = [f"{name}:{value}" for name in _DECLARED for value in _strings(card.get(name))]
    found += [f"size_categories:{size}" for size in _strings(card.get("size_categories")) or _counted(card)]
    found += [f"format:{name}" for name in formats[:1]]
    found += [f"modality:{name}" for name in sorted(_modalities(card, formats))]
    return [*found, "library:datasets"] if formats else found


def _counted(card: Mapping[str, Any]) -> list[str]:
    counts = [
        split["num_examples"]
        for info in _infos(card)
        for split in _mappings(info.get("splits"))
        if type(split.get("num_examples")) is int and split["num_examples"] >= 0
    ]
    if not counts:
        return []
    return [next((name for limit, name in _SIZES if sum(counts) < limit), "n>1T")]


def _modalities(card: Mapping[str, Any], formats: Sequence[str]) -> set[str]:
    features = [feature for info in _infos(card) for feature in _mappings(info.get("features"))]
    # A nested feature has a mapping where a plain one has the name of its type.
    dtypes = {dtype for feature in features if isinstance(dtype := feature.get("dtype"), str)}
    found = {_MODALITY_OF_DTYPE[dtype] for dtype in dtypes if dtype in _MODALITY_OF_DTYPE}
    shown = modality_of(formats[0]) if formats else None
    return found | {shown} if shown else found


def _infos(card: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    info = card.get("dataset_info")
    yield from _mappings(info if isinstance(info, list) else [info])


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    for item in value[:_MAX_ITEMS] if isinstance(value, list) else []:
        if isinstance(item, Mapping):
            yield item


def _strings(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items[:_MAX_ITEMS] if isinstance(item, str) and item]
