"""git-lfs: which objects to send or fetch, and by which signed addresses (git-lfs specification, docs/api).

A ticket is a signed value that stands in an address in place of credentials: clients send none with the bytes. It
names one blob and one repo, and is good for one purpose and a limited time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from openshelf.domain.access import Access, access_to, may_propose, read_scope
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import BlobNotFound, DamagedBytes, Forbidden, InvalidUpload, NotSignedIn, OpenshelfError, TooLarge
from openshelf.services import signing
from openshelf.services.accept import check_quota
from openshelf.services.fetch import Content, blob_content
from openshelf.services.hub import Hub
from openshelf.services.sizes import readable_size
from openshelf.services.stored import record_whole
from openshelf.storage.blobs import BlobWriter
from openshelf.storage.catalogue import blobs, repos
from openshelf.storage.parts import PartWriter

MAX_OBJECTS = 1000
MAX_PARTS = 1000
MIN_PART_BYTES = 1024 * 1024
FINISH_SECONDS = 3600.0
# Nobody is held to more than this speed: a ticket for a large file is good for longer.
_SLOWEST_BYTES_PER_SECOND = 100_000
_LONGEST_SECONDS = 14 * 24 * 3600


class Purpose(StrEnum):
    """What a ticket is good for."""

    UPLOAD = "lfs-upload"
    DOWNLOAD = "lfs-download"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do for one blob: nothing, use ``ticket`` for ``seconds``, or read ``error``.

    ``part_bytes`` is not 0 where the upload goes in parts of that size.
    """

    blob: Blob
    ticket: str = ""
    seconds: int = 0
    part_bytes: int = 0
    error: OpenshelfError | None = None

    @property
    def parts(self) -> int:
        return -(-self.blob.size // self.part_bytes) if self.part_bytes else 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says, with the repo as it is now."""

    repo: Repo
    blob: Blob
    account_id: str
    part_bytes: int = 0

    @property
    def upload(self) -> str:
        """The name under which parts are gathered: nobody writes into the upload of somebody else."""
        return f"{self.repo.id}{self.account_id}-{self.blob.sha256}"

    def part_size(self, number: int) -> int:
        """The bytes of part ``number``, counted from 1. Raises InvalidUpload where there is no such part."""
        offset = (number - 1) * self.part_bytes
        if not self.part_bytes or number < 1 or offset >= self.blob.size:
            raise InvalidUpload(f"This upload has no part {number}.")
        return min(self.part_bytes, self.blob.size - offset)


def check_may_upload(hub: Hub, actor: Actor, repo: Repo) -> None:
    """Raises unless ``actor`` may send blobs for ``repo``: who may propose a change must be able to send its files."""
    hub.check_writable()
    if access_to(actor, repo) >= Access.WRITE or may_propose(actor, repo):
        return
    if actor.is_anonymous:
        raise NotSignedIn
    raise Forbidden(f"Your token may read {repo.full_name}, but not upload to it; use one that may write.")


def plan_uploads(
    hub: Hub, actor: Actor, repo: Repo, wanted: Sequence[Blob], *, in_parts: bool, part_bytes: int = 0
) -> list[Step]:
    """What to send, each in one piece or, where ``in_parts`` is possible and one of them is large, in parts.

    ``part_bytes``: the size of parts that the client asks for, in bytes; 0 leaves it to the hub, whose own size is
    the most that is granted.
    """
    check_may_upload(hub, actor, repo)
    with hub.storage.catalogue.read() as tx:
        known = blobs.visible(tx, read_scope(actor), repo.id, [blob.sha256 for blob in wanted])
    part = min(max(part_bytes, MIN_PART_BYTES), hub.settings.lfs_part_bytes) if part_bytes else 0
    part = part or hub.settings.lfs_part_bytes
    if not in_parts or not any(blob.size > part for blob in wanted):
        part = 0
    steps, added = [], 0
    for blob in wanted:
        row = known.get(blob.sha256)
        if row is not None and row.damage is None:
            error = None if row.size == blob.size else InvalidUpload(f"Object {blob.sha256} has {row.size} bytes.")
            steps.append(Step(blob, error=error))
            continue
        try:
            _check_size(hub, blob)
            if row is None:
                check_quota(hub, repo, added + blob.size)
        except OpenshelfError as error:
            steps.append(Step(blob, error=error))
            continue
        added += blob.size
        steps.append(_upload_step(hub, actor, repo, blob, part))
    return steps


def plan_downloads(hub: Hub, repo: Repo, wanted: Sequence[Blob]) -> list[Step]:
    """Where to fetch what the repo may use; the rest with a BlobNotFound each."""
    with hub.storage.catalogue.read() as tx:
        known = blobs.linked(tx, repo.id, [blob.sha256 for blob in wanted])
    steps = []
    for blob in wanted:
        row = known.get(blob.sha256)
        if row is None:
            steps.append(Step(blob, error=BlobNotFound(blob.sha256)))
            continue
        if row.damage is not None:
            steps.append(Step(blob, error=DamagedBytes(f"blob {blob.sha256}", row.damage)))
            continue
        seconds = _seconds(hub, row.blob)
        data = {"repo": repo.id, "oid": row.sha256, "size": row.size, "by": ""}
        steps.append(Step(row.blob, signing.sign(hub, Purpose.DOWNLOAD, data, seconds), seconds))
    return steps


def read_ticket(hub: Hub, purpose: Purpose, text: str, sha256: str) -> Ticket:
    """Raises BadCredentials for a ticket that is not ours, has expired or is for another blob."""
    data = signing.verify(hub, purpose, text)
    if data["oid"] != sha256:
        raise InvalidUpload("This address is for another object.")
    with hub.storage.catalogue.read() as tx:
        repo = repos.by_id(tx, data["repo"])
    if repo is None:
        raise BlobNotFound(sha256)
    return Ticket(repo, Blob(sha256, data["size"]), data["by"], data.get("part", 0))


def download(hub: Hub, ticket: Ticket) -> Content:
    """The bytes that a download ticket is for. Raises BlobNotFound where they are gone from the repo."""
    if not is_stored(hub, ticket.repo, ticket.blob):
        raise BlobNotFound(ticket.blob.sha256)
    return blob_content(hub, ticket.repo, ticket.blob.sha256)


def is_stored(hub: Hub, repo: Repo, blob: Blob) -> bool:
    """Whether ``repo`` may use ``blob``, and it has this size and is not damaged."""
    with hub.storage.catalogue.read() as tx:
        row = blobs.linked(tx, repo.id, [blob.sha256]).get(blob.sha256)
    return row is not None and row.size == blob.size and row.damage is None


@dataclass(slots=True)
class WholeUpload:
    """A blob in one request: ``write``, then ``finish`` or ``discard``."""

    hub: Hub
    ticket: Ticket
    _writer: BlobWriter = field(init=False)

    def __post_init__(self) -> None:
        self.hub.check_writable()
        check_quota(self.hub, self.ticket.repo, self.ticket.blob.size)
        self._writer = self.hub.storage.blobs.writer()

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    def finish(self) -> None:
        """Verify, keep and record the blob. Raises InvalidUpload where the bytes are not those announced."""
        record_whole(self.hub, self.ticket.repo, self._writer.keep(self.ticket.blob))

    def discard(self) -> None:
        self._writer.discard()


@dataclass(slots=True)
class PartUpload:
    """One part of a blob, counted from 1: ``write``, then ``finish`` in every case."""

    hub: Hub
    ticket: Ticket
    number: int
    size: int = field(init=False)
    _writer: PartWriter = field(init=False)

    def __post_init__(self) -> None:
        self.hub.check_writable()
        self.size = self.ticket.part_size(self.number)
        offset = (self.number - 1) * self.ticket.part_bytes
        self._writer = self.hub.storage.parts.part_writer(self.ticket.upload, offset)

    def write(self, data: bytes, /) -> None:
        self._writer.write(data)

    def finish(self) -> str:
        """The part's ETag."""
        return self._writer.close(whole=self._writer.size == self.size)


def received_parts(hub: Hub, ticket: Ticket) -> list[int]:
    """Numbers of the parts that have arrived whole in this account's upload of the blob, in order."""
    if not ticket.part_bytes:
        return []
    there = hub.storage.parts.received(ticket.upload)
    count = -(-ticket.blob.size // ticket.part_bytes)
    return [
        number
        for number in range(1, count + 1)
        if ((number - 1) * ticket.part_bytes, ticket.part_size(number)) in there
    ]


def complete(hub: Hub, ticket: Ticket, numbers: Sequence[int]) -> None:
    """Make a blob of its parts; ``numbers`` are those that the client has sent. Repeating it does no harm.

    Raises InvalidUpload where parts are missing or wrong.
    """
    hub.check_writable()
    last = -(-ticket.blob.size // ticket.part_bytes) if ticket.part_bytes else 0
    if sorted(numbers) != list(range(1, last + 1)):
        raise InvalidUpload(f"This upload has the parts 1 to {last}; send each, and name each once.")
    with hub.storage.locks.hold(f"parts-{ticket.blob.sha256[:2]}", timeout=FINISH_SECONDS):
        if is_stored(hub, ticket.repo, ticket.blob):
            return
        check_quota(hub, ticket.repo, ticket.blob.size)
        record_whole(hub, ticket.repo, hub.storage.parts.finish(ticket.upload, ticket.blob, hub.storage.blobs))


def _upload_step(hub: Hub, actor: Actor, repo: Repo, blob: Blob, part_bytes: int) -> Step:
    part = max(part_bytes, -(-blob.size // MAX_PARTS)) if part_bytes and blob.size else 0
    seconds = _seconds(hub, blob)
    account_id = actor.account.id if actor.account else ""
    data = {"repo": repo.id, "oid": blob.sha256, "size": blob.size, "by": account_id, "part": part}
    return Step(blob, signing.sign(hub, Purpose.UPLOAD, data, seconds), seconds, part)


def _seconds(hub: Hub, blob: Blob) -> int:
    # The size is what a client claims: without an end, a ticket for a huge file would be good for ever.
    return hub.settings.signed_url_seconds + min(blob.size // _SLOWEST_BYTES_PER_SECOND, _LONGEST_SECONDS)


def _check_size(hub: Hub, blob: Blob) -> None:
    limit = hub.settings.max_file_bytes
    if limit and blob.size > limit:
        raise TooLarge(
            f"This file has {readable_size(blob.size)}; this hub takes files of up to {readable_size(limit)}."
        )
