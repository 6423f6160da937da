"""The job that reads the headers of weights, so that lists and cards know the number of parameters."""

from __future__ import annotations

from itertools import islice

import structlog

from openshelf.analysis.checkpoints.checkpoint import ModelFacts, with_counts
from openshelf.analysis.checkpoints.headers.safetensors import read_safetensors_header
from openshelf.analysis.checkpoints.opening import open_files
from openshelf.analysis.files.ranges import UnreadableFile
from openshelf.domain.tree import Blob
from openshelf.services.accept import record_head
from openshelf.services.describe import MAX_FILES, WEIGHT_ENDING, describe
from openshelf.services.hub import Hub
from openshelf.services.hub_files import HubFiles
from openshelf.storage.catalogue import repos, weights

_MOST_PARAMETERS = 1 << 53

log = structlog.get_logger("openshelf.weights")


def read_weights(hub: Hub, repo_id: str) -> int:
    """Read the headers at the head of a repo that were not read before; returns how many. Raises StorageFault."""
    with hub.storage.catalogue.read() as tx:
        repo = repos.by_id(tx, repo_id)
    if repo is None or repo.head is None or not hub.storage.repositories.exists(repo_id):
        return 0
    git = hub.storage.repositories.open(repo_id)
    found = describe(repo.kind, git, repo.head)
    with hub.storage.catalogue.read() as tx:
        known = weights.counted(tx, [blob.sha256 for blob in found.weights])
    missing = [blob for blob in found.weights if blob.sha256 not in known]
    if not missing:
        return 0
    files = HubFiles(hub, repo, git, {entry.path: entry for entry in islice(git.files(repo.head), MAX_FILES)})
    paths = {entry.blob.sha256: path for path, entry in files.entries.items() if entry.blob}
    parts = frozenset(paths[blob.sha256] for blob in found.weights)
    counted = {blob.sha256: _count(files, paths[blob.sha256], parts, blob) for blob in missing}
    with hub.storage.locks.hold(f"repo-{repo_id}"), hub.storage.catalogue.write() as tx:
        for sha256, parameters in counted.items():
            weights.save(tx, sha256, parameters)
        current = repos.by_id(tx, repo_id)
        if current and current.head:
            record_head(tx, current, git, current.head)
    return len(counted)


def _count(files: HubFiles, path: str, parts: frozenset[str], blob: Blob) -> dict[str, int]:
    """Numbers of elements by type, in the words of safetensors for those; empty where the header cannot be read."""
    try:
        if path.lower().endswith(WEIGHT_ENDING):
            header = read_safetensors_header(files.open(path))
            found = {name: count for name, (_, count, _) in header.by_dtype().items()}
        else:
            found = _elements(files, path, parts)
        if sum(found.values()) > _MOST_PARAMETERS:
            raise UnreadableFile("it claims more parameters than any file has")
    except UnreadableFile as error:
        log.info("header of weights cannot be read", sha256=blob.sha256, reason=str(error))
        return {}
    return found


def _elements(files: HubFiles, path: str, parts: frozenset[str]) -> dict[str, int]:
    """Those of one file, and of files that only it names; other ``parts`` are counted by themselves."""
    with open_files(files, is_folder=False, first=path) as checkpoint:
        own = tuple(tensor for tensor in checkpoint if tensor.file == path or tensor.file not in parts)
        return dict(with_counts(ModelFacts(0, {}), own).dtypes)
