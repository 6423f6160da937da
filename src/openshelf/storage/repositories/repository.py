"""One git repository: revisions, refs, entries, and new commits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import FileMode, ObjectType

from openshelf.domain.names import is_commit_id
from openshelf.domain.repos import DEFAULT_BRANCH, Ref, Revision
from openshelf.domain.tree import MAX_POINTER_BYTES, Blob, Change, Entry
from openshelf.errors import AlreadyExists, EntryNotFound, RevisionNotFound, StaleParent, StorageFault
from openshelf.storage.durable import sync_file_system, sync_files, sync_path, told
from openshelf.storage.repositories.edits import TreeEdit
from openshelf.storage.repositories.folder_cache import FolderCache

_SHORTEST_ID = 7
# The commit that is described when it comes in is the one that is listed next.
_listings = FolderCache()


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a commit."""

    name: str
    email: str


class GitRepository:
    """An open repository. Use one per thread; opening is cheap."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.git = pygit2.Repository(str(path), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)
        except pygit2.GitError as error:
            raise StorageFault(f"{path} cannot be opened as a git repository: {error}") from error

    # Revisions and refs

    def resolve(self, revision: str) -> Revision:
        """The commit that ``revision`` means: a branch, a tag, a full ref, or a commit id of 7 digits or more.

        Raises RevisionNotFound.
        """
        for ref in _candidates(revision):
            commit = self._ref_commit(ref)
            if commit is not None:
                return Revision(commit, revision, ref)
        commit = self._commit_by_id(revision)
        if commit is None:
            raise RevisionNotFound(revision)
        return Revision(commit, revision)

    def refs(self) -> list[Ref]:
        """All branches, tags and pull refs, in order of name; tags are peeled to commits."""
        found = []
        for name in sorted(self.git.listall_references()):
            if name.startswith(("refs/heads/", "refs/tags/", "refs/pr/")):
                commit = self._ref_commit(name)
                if commit is not None:
                    found.append(Ref(name, commit))
        return found

    def targets(self) -> dict[str, str]:
        """Each branch, tag and pull ref, and the object that it names itself: for an annotated tag, the tag."""
        found = {}
        for name in sorted(self.git.listall_references()):
            if name.startswith(("refs/heads/", "refs/tags/", "refs/pr/")):
                target = self._target(name)
                if target is not None:
                    found[name] = target
        return found

    def existing(self, oids: Iterable[str | None]) -> list[str]:
        """Those of the objects that are there."""
        return [oid for oid in oids if oid is not None and oid in self.git]

    def commit_of(self, oid: str) -> str:
        """The commit that an object is or, if it is a tag, names. Raises RevisionNotFound."""
        try:
            return str(self.git[oid].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            raise RevisionNotFound(oid) from None

    def set_ref(self, name: str, target: str | None, expected: str | None) -> None:
        """Move a ref from ``expected`` to ``target`` (None: it is not there, or shall not be), durably.

        Both are ids of commits or annotated tags. The caller holds the repo's lock. Raises StaleParent where the ref
        does not stand at ``expected``, AlreadyExists where another ref's name is in the way.
        """
        self._move_ref(name, target, expected)
        self._sync_ref(name)

    def set_refs(self, moves: Sequence[tuple[str, str | None, str | None]]) -> None:
        """``set_ref(name, target, expected)`` for each of ``moves``; all of them, or none if one cannot be done."""
        if len(moves) == 1:
            self.set_ref(*moves[0])
            return
        done: list[tuple[str, str | None, str | None]] = []
        try:
            # Deleted names first: they may be in the way of new ones.
            for name, target, expected in sorted(moves, key=lambda move: move[1] is not None):
                before = self._target(name)
                self._move_ref(name, target, expected)
                done.append((name, before, target))
        except BaseException:
            for name, before, target in reversed(done):
                self._move_ref(name, before, target)
            raise
        sync_file_system(self.path)

    def _move_ref(self, name: str, target: str | None, expected: str | None) -> None:
        self.discard_locks(name)
        standing = self._target(name)
        if expected != standing and (expected is None or expected != self._ref_commit(name)):
            raise StaleParent
        if target is None:
            self.git.references.delete(name)
            return
        try:
            with told(pygit2.GitError):
                self.git.references.create(name, pygit2.Oid(hex=target), force=expected is not None)
        except (pygit2.GitError, ValueError, OSError) as error:
            raise AlreadyExists(f"Reference {name} cannot be created: {error}.") from error

    def discard_locks(self, *names: str) -> None:
        """Remove the lock files that a killed process left of these refs; git would wait for them for ever.

        The caller holds the repo's lock, so nobody else has them.
        """
        for name in (*names, "packed-refs"):
            with suppress(FileNotFoundError, NotADirectoryError):
                (self.path / f"{name}.lock").unlink()

    def _target(self, name: str) -> str | None:
        try:
            return str(self.git.references[name].resolve().target)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def _sync_ref(self, name: str) -> None:
        path = self.path / name
        if path.is_file():
            sync_path(path)
        packed = self.path / "packed-refs"
        if packed.is_file():
            sync_path(packed)
        folder = path.parent
        while folder != self.path and not folder.is_dir():
            folder = folder.parent
        while folder != self.path:
            sync_path(folder)
            folder = folder.parent
        sync_path(self.path)

    def _ref_commit(self, name: str) -> str | None:
        """The commit that a ref names; None where there is no such ref. Raises StorageFault where the commit is gone.

        A damaged repository must not pass for one without refs: garbage collection and the reconciler ask here.
        """
        target = self._target(name)
        if target is None:
            return None
        try:
            return str(self.git[target].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise StorageFault(f"{name} in {self.path} is at {target}, which is missing or damaged: {error}") from error

    def _commit_by_id(self, text: str) -> str | None:
        if not _SHORTEST_ID <= len(text) <= 40 or not all(c in "0123456789abcdef" for c in text):
            return None
        try:
            return str(self.git[text].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    # Entries

    def entry(self, commit: str, path: str) -> Entry:
        """The file or folder at ``path``; the empty path is the root. Raises EntryNotFound."""
        tree = self._tree(commit)
        if path in ("", "/"):
            return Entry("", str(tree.id), 0, is_folder=True)
        try:
            item = tree[path]
        except (KeyError, ValueError):
            raise EntryNotFound(f"Entry not found: {path}", commit) from None
        return self.entry_of(path, str(item.id), int(item.filemode))

    def some_entries(self, commit: str, paths: Iterable[str]) -> dict[str, Entry]:
        """The entries at those of ``paths`` that are there. Each folder is read once, however many paths are in it."""
        folders: dict[str, Any] = {"": self._tree(commit)}
        found = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            tree = self._subtree(folders, folder)
            item = tree[name] if tree is not None and name and "\0" not in name and name in tree else None
            if item is not None:
                found[path] = self.entry_of(path, str(item.id), int(item.filemode))
            elif not path:
                found[path] = Entry("", str(folders[""].id), 0, is_folder=True)
        return found

    def _subtree(self, known: dict[str, Any], folder: str) -> Any | None:
        if folder not in known:
            above, _, name = folder.rpartition("/")
            parent = self._subtree(known, above)
            item = parent[name] if parent is not None and name and "\0" not in name and name in parent else None
            known[folder] = item if isinstance(item, pygit2.Tree) else None
        return known[folder]

    def entries(self, commit: str, folder: str = "", *, recursive: bool = False) -> Iterator[Entry]:
        """What lies in ``folder``, in git's order; folders come before what is in them. Raises EntryNotFound."""
        top = self.entry(commit, folder)
        if not top.is_folder:
            raise EntryNotFound(f"{folder} is a file, not a folder", commit)
        prefix = f"{folder}/" if folder else ""
        yield from self._walk(top.oid, prefix, recursive)

    def folder(self, tree_id: str, prefix: str) -> Iterator[Entry]:
        """What lies in the tree with this git id; ``prefix`` goes before each name to make its path."""
        for item in self._object(tree_id, pygit2.Tree):
            yield self.entry_of(prefix + str(item.name), str(item.id), int(item.filemode))

    def listing(self, tree_id: str, prefix: str) -> list[Entry]:
        """Like ``folder``, but remembered in this process, so not a proof that the tree is there. Do not change it."""
        return _listings.get((str(self.path), tree_id, prefix), lambda: list(self.folder(tree_id, prefix)))

    def files(self, commit: str) -> Iterator[Entry]:
        """Every file of a commit, in git's order, by ``listing``."""
        return self._files(str(self._tree(commit).id), "")

    def _files(self, tree_id: str, prefix: str) -> Iterator[Entry]:
        for entry in self.listing(tree_id, prefix):
            if entry.is_folder:
                yield from self._files(entry.oid, f"{entry.path}/")
            else:
                yield entry

    def _walk(self, tree_id: str, prefix: str, recursive: bool) -> Iterator[Entry]:
        for entry in self.folder(tree_id, prefix):
            yield entry
            if recursive and entry.is_folder:
                yield from self._walk(entry.oid, entry.path + "/", recursive)

    def entry_of(self, path: str, oid: str, mode: int) -> Entry:
        """The entry that a tree with this git id and mode at ``path`` has."""
        if mode == FileMode.TREE:
            return Entry(path, oid, 0, is_folder=True)
        if mode == FileMode.COMMIT:
            return Entry(path, oid, 0, is_submodule=True)
        _type, size = self.git.odb.read_header(oid)
        blob = Blob.from_pointer(self.read(oid)) if 100 < size <= MAX_POINTER_BYTES else None
        return Entry(
            path,
            oid,
            blob.size if blob else size,
            blob=blob,
            is_executable=mode == FileMode.BLOB_EXECUTABLE,
            is_symlink=mode == FileMode.LINK,
        )

    def read(self, oid: str) -> bytes:
        """The bytes of a git blob."""
        try:
            kind, content = self.git.odb.read(oid)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise StorageFault(f"git object {oid} cannot be read from {self.path}: {error}") from error
        if kind != ObjectType.BLOB:
            raise StorageFault(f"git object {oid} in {self.path} is not a blob")
        return bytes(content)

    def header(self, oid: str) -> tuple[str, int]:
        """The type, in git's word, and the size in bytes of any object, without reading it. Raises StorageFault."""
        try:
            kind, size = self.git.odb.read_header(pygit2.Oid(hex=oid))
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise StorageFault(f"git object {oid} is missing from {self.path}: {error}") from error
        return ObjectType(kind).name.lower(), int(size)

    def read_path(self, commit: str, path: str, limit: int) -> bytes | None:
        """The content of a file kept in git, or None where there is none or it has over ``limit`` bytes."""
        try:
            entry = self.entry(commit, path)
        except EntryNotFound:
            return None
        if entry.is_folder or entry.blob or entry.size > limit:
            return None
        return self.read(entry.oid)

    def _tree(self, commit: str) -> Any:
        return self._object(commit, pygit2.Commit).tree

    def _object(self, oid: str, kind: type[Any]) -> Any:
        try:
            found = self.git[oid]
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise StorageFault(f"git object {oid} is missing from {self.path}: {error}") from error
        return found.peel(kind)

    # Writing

    def store(self, content: bytes) -> str:
        """Write a git blob that no tree names yet; the commit that names it puts it on disk."""
        with told(pygit2.GitError):
            return str(self.git.create_blob(content))

    def write_commit(
        self, parent: str | None, changes: Iterable[Change], author: Author, message: str, *, at: float | None = None
    ) -> str:
        """Write a commit and all its objects durably, without moving any ref; returns its id.

        A commit that changes nothing is ``parent`` itself. Raises InvalidChange and EntryNotFound.
        """
        with told(pygit2.GitError):
            edit = TreeEdit(self.git, self._tree(parent) if parent else None, parent)
            for change in changes:
                edit.apply(change, self)
            tree = edit.write()
            if parent and tree == str(self._tree(parent).id):
                return parent
            commit = self._commit(tree, parent, author, message, at)
            self.sync_objects([*edit.written, commit])
            return commit

    def squash(self, commit: str, author: Author, message: str) -> str:
        """Write a commit with the files of ``commit`` and no past, durably; returns its id."""
        squashed = self._commit(str(self._tree(commit).id), None, author, message, None)
        self.sync_objects([squashed])
        return squashed

    def _commit(self, tree: str, parent: str | None, author: Author, message: str, at: float | None) -> str:
        signature = pygit2.Signature(author.name, author.email, int(at if at is not None else time.time()), 0)
        parents = [pygit2.Oid(hex=parent)] if parent else []
        return str(self.git.create_commit(None, signature, signature, message, pygit2.Oid(hex=tree), parents))

    def write_tag(self, name: str, commit: str, author: Author, message: str) -> str:
        """Write an annotated tag durably, without a ref; returns its id."""
        tagger = pygit2.Signature(author.name, author.email, int(time.time()), 0)
        lines = (
            f"object {commit}",
            "type commit",
            f"tag {name}",
            f"tagger {tagger.name} <{tagger.email}> {tagger.time} +0000",
        )
        content = "\n".join((*lines, "", message.strip(), "")).encode()
        tag = str(self.git.odb.write(ObjectType.TAG, content))
        self.sync_objects([tag])
        return tag

    def loose_objects(self) -> int:
        """About how many objects lie outside packs, judged by one of their 256 folders, as git gc does."""
        try:
            return 256 * sum(1 for _ in (self.path / "objects" / "17").iterdir())
        except FileNotFoundError:
            return 0

    def packs(self) -> int:
        """How many packs there are."""
        return sum(1 for _ in (self.path / "objects" / "pack").glob("*.idx"))

    def sync_objects(self, oids: Iterable[str]) -> None:
        """Put the loose objects among ``oids`` on disk."""
        paths = (self.path / "objects" / oid[:2] / oid[2:] for oid in oids)
        sync_files(path for path in paths if path.exists())


def _candidates(revision: str) -> list[str]:
    if revision == "HEAD":
        return [f"refs/heads/{DEFAULT_BRANCH}"]
    if is_commit_id(revision):
        return []
    if revision.startswith("refs/"):
        return [revision] if revision.startswith(("refs/heads/", "refs/tags/", "refs/pr/")) else []
    return [f"refs/heads/{revision}", f"refs/tags/{revision}"]
