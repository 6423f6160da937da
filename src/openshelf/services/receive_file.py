"""A file that arrives at the hub itself, not at a client that knows what goes where: from a form, or typed."""

from __future__ import annotations

from dataclasses import dataclass, field

from openshelf.domain.access import Access
from openshelf.domain.names import check_path
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.domain.tree import AddBlob, Change
from openshelf.errors import TooLarge
from openshelf.services import push, repos
from openshelf.services.accept import check_quota
from openshelf.services.hub import Hub
from openshelf.services.sizes import readable_size
from openshelf.services.stored import record_whole
from openshelf.storage.blobs import BlobWriter

SAMPLE_BYTES = 4096


@dataclass(slots=True)
class ReceivedFile:
    """``write`` its bytes, then ``change`` makes what a commit needs of them; ``discard`` does no harm afterwards.

    At most ``max_inline_bytes`` are held in memory; a longer file goes to disk and is hashed as it arrives.
    """

    hub: Hub
    repo: Repo
    size: int = 0
    _head: bytearray = field(default_factory=bytearray)
    _writer: BlobWriter | None = None

    def write(self, data: bytes, /) -> None:
        """Raises TooLarge, QuotaExceeded."""
        self.size += len(data)
        limit = self.hub.settings.max_file_bytes
        if limit and self.size > limit:
            raise TooLarge(f"One of the files has more than the {readable_size(limit)} that this hub takes.")
        if self._writer is None and self.size > self.hub.settings.max_inline_bytes:
            self._open()
        if self._writer is None:
            self._head += data
        else:
            self._writer.write(data)

    def change(self, actor: Actor, revision: str, path: str) -> Change:
        """The change that puts the file at ``path``: into git, or outside it where the repo's rules say so.

        Raises InvalidPath, QuotaExceeded, Forbidden, RevisionNotFound.
        """
        repos.check(actor, self.repo, Access.WRITE, self.repo.full_name)
        check_path(path)
        planned = push.PlannedFile(path, self.size, bytes(self._head[:SAMPLE_BYTES]))
        if self._writer is None and push.plan_upload(self.hub, self.repo, revision, [planned])[0].mode == "regular":
            return push.inline_store(self.hub, self.repo)(path, bytes(self._head))
        writer = self._open()
        check_quota(self.hub, self.repo, self.size)
        blob = writer.keep()
        record_whole(self.hub, self.repo, blob)
        return AddBlob(path, blob.sha256, blob.size)

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()

    def _open(self) -> BlobWriter:
        if self._writer is None:
            self.hub.check_writable()
            check_quota(self.hub, self.repo, max(self.size, 1))
            self._writer = self.hub.storage.blobs.writer()
            self._writer.write(bytes(self._head))
            del self._head[SAMPLE_BYTES:]
        return self._writer
