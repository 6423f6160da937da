"""Checkpoints on hubs and at addresses, as sets of files that are read by ranges.

A hub is asked by the protocol of ``huggingface_hub``: the commit of a revision, the tree of that commit (in pages), and
its files at ``/resolve/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from posixpath import dirname
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.files import MAX_FILES, OpenFile
from openshelf.analysis.checkpoints.remote import settings
from openshelf.analysis.checkpoints.remote.chunk_lists import ChunkLists
from openshelf.analysis.checkpoints.remote.http_client import HttpClient, Unreachable
from openshelf.analysis.checkpoints.remote.http_files import BLOCK, BlockCache, HttpFile
from openshelf.analysis.checkpoints.remote.references import (
    Pin,
    Reference,
    is_address,
    origin_of,
    parse_address,
    parse_reference,
    shown_address,
)
from openshelf.analysis.checkpoints.remote.spool import Spool

_MOST_JSON = 64 * 1024 * 1024
_MOST_PAGES = 10_000
_AT_ONCE = 8
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_COMMIT = re.compile(r"[0-9a-f]{40,64}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class NoSuchRepo(UnreadableCheckpoint):
    """A hub that answers, and has no such repo, revision or file for who asks."""


class NotAHub(Unreachable):
    """A server that answers, but not as a hub does."""


@dataclass(slots=True)
class RemoteFiles:
    """Files of a repo at one commit, or one file at an address; ``chosen`` is the file that was asked for, if any.

    ``hashes`` are the SHA-256 of files as the hub states them, with the hub: another one may state what it likes.
    ``spool`` keeps what is fetched, for those who read it more than once.
    """

    label: str
    client: HttpClient
    addresses: Mapping[str, str]
    known: Mapping[str, int]
    chosen: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    endpoint: str | None = None
    commit: str | None = None
    chunk_lists: ChunkLists | None = None
    spool: Spool | None = None
    _cache: BlockCache = field(default_factory=BlockCache, init=False)
    _open: dict[str, OpenFile] = field(default_factory=dict, init=False)

    def sizes(self) -> Mapping[str, int]:
        if self.chosen is not None:
            return {self.chosen: self.open(self.chosen).size}
        return self.known

    def open(self, name: str) -> OpenFile:
        if name not in self._open:
            if name not in self.addresses:
                raise UnreadableCheckpoint(name, f"there is no such file in {self.label}")
            key = self.hashes.get(name) or self.addresses[name]
            kept = self.spool and self.spool.keep(key, lambda: self._http(name))
            self._open[name] = kept or self._http(name)
        return self._open[name]

    def _http(self, name: str) -> HttpFile:
        size, sha256 = self.known.get(name), self.hashes.get(name)
        return HttpFile(name, self.addresses[name], self.client, self._cache, size, sha256, self.chunk_lists)

    def fetch_beginnings(self, names: Iterable[str], /) -> None:
        """Ask for the first block of many files, several at a time. What goes wrong is said when they are read."""
        files = [self.open(name) for name in names if name in self.addresses]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(_begin, files))

    @property
    def fetched(self) -> int:
        """Bytes that came over the line so far."""
        return self.client.fetched

    def close(self) -> None:
        self.client.close()
        self._open.clear()


def _begin(file: OpenFile) -> None:
    with suppress(UnreadableCheckpoint):
        file.read(0, min(file.size, BLOCK))


def open_remote(
    where: str,
    endpoint: str | None = None,
    token: str | None = None,
    *,
    pin: Pin | None = None,
    spool: Spool | None = None,
) -> RemoteFiles:
    """The files behind a reference or an address.

    ``endpoint`` and ``token`` default to what the environment says; that token is sent to that endpoint alone, and a
    ``token`` given here to the hub that ``where`` names. With a ``pin`` any token goes to that endpoint alone: who
    wrote a record is to get nobody's token. Raises UnreadableCheckpoint, which says what was tried.
    """
    own = (endpoint or settings.endpoint()).rstrip("/")
    reference = parse_address(where, own) if is_address(where) else parse_reference(where)
    if reference is None and not is_address(where):
        raise UnreadableCheckpoint(
            where,
            "there is no such file or folder, and it is neither a reference (owner/name@main:file) nor an address",
        )
    if settings.is_offline():
        raise UnreadableCheckpoint(where, "there is no such file or folder, and HF_HUB_OFFLINE forbids to ask a hub")
    named = reference.endpoint if reference is not None and token is not None and pin is None else None
    client = HttpClient(named or own, settings.token() if token is None else token)
    if reference is not None and pin is not None:
        reference = _pinned(reference, pin, endpoint)
    try:
        found = _files(client, own, reference, where)
        found.spool = spool
        return found
    except BaseException:
        client.close()
        raise


def _pinned(reference: Reference, pin: Pin, endpoint: str | None) -> Reference:
    """The reference as it was recorded; a hub that the caller names goes before that of the record."""
    if reference.endpoint is None and endpoint is None:
        reference = replace(reference, endpoint=pin.endpoint)
    return reference if pin.commit is None else replace(reference, revision=pin.commit)


def _files(client: HttpClient, own: str, reference: Reference | None, where: str) -> RemoteFiles:
    if reference is None:
        return _one_file(client, where)
    try:
        return _repo(client, reference.endpoint or own, reference, where)
    except Unreachable as error:
        if reference.address is None or not (error.status or isinstance(error, NotAHub)):
            raise
        return _one_file(client, where)


def _one_file(client: HttpClient, address: str) -> RemoteFiles:
    name = unquote(urlsplit(address).path.rpartition("/")[2]) or "file"
    return RemoteFiles(shown_address(address), client, {name: address}, {}, name)


def _repo(client: HttpClient, endpoint: str, reference: Reference, where: str) -> RemoteFiles:
    commit = _commit(client, endpoint, reference, where)
    folder, chosen = "", None
    if reference.path:
        folder = dirname(reference.path)
    entries = dict(_tree(client, f"{endpoint}{reference.api}/tree/{commit}", folder))
    if reference.path in entries:
        chosen = reference.path[len(folder) + 1 if folder else 0 :]
    elif reference.path:
        folder = reference.path
        if not any(path.startswith(folder + "/") for path in entries):
            raise NoSuchRepo(where, f"{endpoint} has no file or folder {folder} in {reference.repo}")
    start = len(folder) + 1 if folder else 0
    inside = sorted(path for path in entries if not folder or path.startswith(folder + "/"))
    addresses = {path[start:]: endpoint + reference.resolve(commit, path) for path in inside}
    sizes = {path[start:]: entries[path].size for path in inside}
    hashes = {path[start:]: f"{endpoint} {entries[path].sha256}" for path in inside if entries[path].sha256}
    xet = {path[start:]: entries[path].xet for path in inside if entries[path].xet}
    chunk_lists = ChunkLists(client, endpoint, f"{endpoint}{reference.api}/xet-read-token/{commit}", xet)
    return RemoteFiles(str(reference), client, addresses, sizes, chosen, hashes, endpoint, commit, chunk_lists)


def _commit(client: HttpClient, endpoint: str, reference: Reference, where: str) -> str:
    address = f"{endpoint}{reference.api}/revision/{quote(reference.revision, safe='')}"
    try:
        said, _ = _json(client, address)
    except Unreachable as error:
        if error.status in (401, 403, 404) and (error.code or reference.address is None):
            raise NoSuchRepo(where, _absent(endpoint, reference, error)) from None
        raise
    commit = said.get("sha") if isinstance(said, dict) else None
    if not isinstance(commit, str) or not _COMMIT.match(commit):
        raise NotAHub(address, "this is not the answer of a hub")
    return commit


def _absent(endpoint: str, reference: Reference, error: Unreachable) -> str:
    what = f"{reference.kind.removesuffix('s')} {reference.repo}"
    if error.code == "RevisionNotFound":
        return f"{endpoint} has the {what}, but no revision {reference.revision} of it"
    if error.code == "GatedRepo":
        return f"{endpoint} gives the {what} only to those whom its owner let in"
    local = "" if reference.address else "there is no such file or folder, and "
    return (
        f"{local}{endpoint} has no {what} that can be read ({error.status}); "
        "for a private one, set HF_TOKEN, or sign in with `hf auth login`"
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in the list of a hub; ``sha256`` and the hash of Xet are empty where the hub does not state them."""

    size: int
    sha256: str
    xet: str


def _sha256(entry: dict[str, Any]) -> str:
    stored = entry.get("lfs")
    found = stored.get("oid") if isinstance(stored, dict) else None
    return found if isinstance(found, str) and _SHA256.match(found) else ""


def _tree(client: HttpClient, root: str, folder: str) -> Iterator[tuple[str, _Entry]]:
    """Path and facts of every file below ``folder``, page after page."""
    address = f"{root}{'/' + quote(folder, safe='') if folder else ''}?recursive=true"
    count = 0
    for _ in range(_MOST_PAGES):
        entries, following = _json(client, address)
        for entry in entries if isinstance(entries, list) else [None]:
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                raise NotAHub(address, "this is not the list of files that a hub gives")
            size, parts = entry.get("size"), entry["path"].split("/")
            if entry.get("type") == "file" and isinstance(size, int) and size >= 0 and not {"", ".", ".."} & {*parts}:
                count += 1
                yield entry["path"], _Entry(size, _sha256(entry), str(entry.get("xetHash") or ""))
        if count > MAX_FILES:
            raise UnreadableCheckpoint(address, f"the repo has more than {MAX_FILES:,} files; name a folder of it")
        if not following:
            return
        if origin_of(following) != origin_of(address):
            raise Unreachable(address, "the list of files goes on at another host")
        address = following
    raise Unreachable(address, "the list of files does not end")


def _json(client: HttpClient, address: str) -> tuple[Any, str]:
    """What an address answers, and the address of the next page or ``""``."""
    with client.get(address) as response:
        content = b"".join(client.take(response, _MOST_JSON))
        link = _NEXT.search(response.headers.get("link", ""))
    try:
        return json.loads(content), urljoin(address, link[1]) if link else ""
    except (ValueError, RecursionError):
        raise NotAHub(address, "the server does not answer with JSON") from None
