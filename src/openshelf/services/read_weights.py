"""The job that reads the headers of weights, so that lists and cards know the number of parameters."""

from __future__ import annotations

import structlog

from openshelf.analysis.checkpoints.safetensors_header import read_safetensors_header
from openshelf.analysis.files.ranges import BoundedReader, UnreadableFile
from openshelf.domain.tree import Blob
from openshelf.services.accept import record_head
from openshelf.services.describe import describe
from openshelf.services.fetch import blob_content
from openshelf.services.hub import Hub
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
    counted = {blob.sha256: _count(hub, repo.id, blob) for blob in missing}
    with hub.storage.locks.hold(f"repo-{repo_id}"), hub.storage.catalogue.write() as tx:
        for sha256, parameters in counted.items():
            weights.save(tx, sha256, parameters)
        current = repos.by_id(tx, repo_id)
        if counted and current and current.head:
            record_head(tx, current, git, current.head)
    return len(counted)


def _count(hub: Hub, repo_id: str, blob: Blob) -> dict[str, int]:
    with hub.storage.catalogue.read() as tx:
        repo = repos.by_id(tx, repo_id)
    if repo is None:
        return {}
    content = blob_content(hub, repo, blob.sha256)
    try:
        header = read_safetensors_header(
            BoundedReader(content.size, lambda start, end: b"".join(content.read(start, end)))
        )
        if header.parameters > _MOST_PARAMETERS:
            raise UnreadableFile("it claims more parameters than any file has")
    except UnreadableFile as error:
        log.info("header of weights cannot be read", sha256=blob.sha256, reason=str(error))
        return {}
    return {dtype: parameters for dtype, (_, parameters, _) in header.by_dtype().items()}
