"""Names of the rows of a vocabulary, where a tokenizer beside the weights, or in their file, tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from posixpath import dirname, join
from typing import Any

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Tensor
from openshelf.analysis.files.ranges import UnreadableFile

MOST_BYTES = 64_000_000
_IN_GGUF = "tokenizer.ggml.tokens"
_LONGEST = 200


def tokens_of(checkpoint: Checkpoint, tensor: Tensor, rows: Iterable[int]) -> dict[int, str]:
    """The tokens of these rows; none where no tokenizer is there or it is not understood. Raises nothing."""
    wanted = set(rows)
    listed = checkpoint.metadata.get(_IN_GGUF)
    if isinstance(listed, list | tuple):
        return _listed(listed, wanted)
    try:
        file = checkpoint.source.open(join(dirname(tensor.file), "tokenizer.json"))
        found = json.loads(file.read(0, file.size)) if file.size <= MOST_BYTES else None
    except (UnreadableFile, OSError, ValueError, RecursionError):
        return {}
    return _in_tokenizer(found, wanted) if isinstance(found, dict) else {}


def _in_tokenizer(found: dict[str, Any], wanted: set[int]) -> dict[int, str]:
    """As the library ``tokenizers`` writes it: a map or a list of (token, score), and added tokens apart."""
    model, added = found.get("model"), found.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    tokens: dict[int, str] = {}
    if isinstance(vocabulary, dict):
        tokens = {row: token[:_LONGEST] for token, row in vocabulary.items() if type(row) is int and row in wanted}
    elif isinstance(vocabulary, list):
        tokens = _listed([one[0] if isinstance(one, list) and one else None for one in vocabulary], wanted)
    for one in added if isinstance(added, list) else []:
        row, token = (one.get("id"), one.get("content")) if isinstance(one, dict) else (None, None)
        if type(row) is int and row in wanted and isinstance(token, str):
            tokens[row] = token[:_LONGEST]
    return tokens


def _listed(tokens: list[Any] | tuple[Any, ...], wanted: set[int]) -> dict[int, str]:
    return {row: tokens[row][:_LONGEST] for row in wanted if row < len(tokens) and isinstance(tokens[row], str)}
