"""Changes applied to a git tree; only the folders on the way to a change are read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pygit2
from pygit2.enums import FileMode

from openshelf.domain.tree import AddBlob, AddInline, AddStored, Blob, Change, CopyFile, DeleteFile, DeleteFolder
from openshelf.errors import EntryNotFound, InvalidChange

if TYPE_CHECKING:
    from openshelf.storage.repositories.repository import GitRepository

_File = tuple[str, int]


class _Folder:
    """A folder being changed: names to files (git id, mode) or folders; read when first looked into."""

    def __init__(self, git: pygit2.Repository, tree: Any | None) -> None:
        self.git = git
        self.was_empty = tree is None
        self.items: dict[str, _File | _Folder] = {}
        for item in tree or ():
            self.items[item.name] = (str(item.id), int(item.filemode))

    def folder(self, name: str) -> _Folder | None:
        """The sub-folder ``name``, opened for change; None where there is none or it is a file."""
        item = self.items.get(name)
        if isinstance(item, tuple):
            if item[1] != FileMode.TREE:
                return None
            item = self.items[name] = _Folder(self.git, self.git[item[0]])
        return item

    def is_empty(self) -> bool:
        """Whether no file is left in it or below; git keeps no such folder."""
        return all(isinstance(item, _Folder) and item.is_empty() for item in self.items.values())

    def write(self, written: list[str]) -> str | None:
        """Write this folder and those below; the tree's id, or None where nothing is left in it."""
        builder = self.git.TreeBuilder()
        for name, item in self.items.items():
            if isinstance(item, _Folder):
                oid = item.write(written)
                if oid is not None:
                    builder.insert(name, pygit2.Oid(hex=oid), FileMode.TREE)
            else:
                builder.insert(name, pygit2.Oid(hex=item[0]), FileMode(item[1]))
        if len(builder) == 0:
            return None
        tree = str(builder.write())
        written.append(tree)
        return tree


class TreeEdit:
    """A tree in the making. ``written`` collects the ids of new objects, so that they can be synced."""

    def __init__(self, git: pygit2.Repository, tree: Any | None, commit: str | None) -> None:
        self._git = git
        self._commit = commit
        self._root = _Folder(git, tree)
        self.written: list[str] = []

    def apply(self, change: Change, repository: GitRepository) -> None:
        """Apply one change; later ones see it. Raises InvalidChange or EntryNotFound."""
        match change:
            case AddInline(path, content):
                self._add(path, self._blob(content))
            case AddStored(path, oid, _):
                self.written.append(oid)
                self._add(path, (oid, int(FileMode.BLOB)))
            case AddBlob(path, sha256, size):
                self._add(path, self._blob(Blob(sha256, size or 0).pointer()))
            case CopyFile(path, source_path, source_revision):
                self._copy(path, source_path, source_revision, repository)
            case DeleteFile(path):
                self._delete(path, folder=False)
            case DeleteFolder(""):
                self._root = _Folder(self._git, None)
            case DeleteFolder(path):
                self._delete(path, folder=True)

    def write(self) -> str:
        """Write all changed folders; returns the id of the root tree."""
        tree = self._root.write(self.written)
        if tree is None:
            tree = str(self._git.TreeBuilder().write())
            self.written.append(tree)
        return tree

    def _blob(self, content: bytes) -> _File:
        oid = str(self._git.create_blob(content))
        self.written.append(oid)
        return oid, int(FileMode.BLOB)

    def _add(self, path: str, file: _File) -> None:
        *folders, name = path.split("/")
        here = self._root
        for part in folders:
            below = here.folder(part)
            if below is None:
                if part in here.items:
                    raise InvalidChange(f"{path!r} cannot be added: {part!r} is a file there, not a folder.")
                below = here.items[part] = _Folder(self._git, None)
            here = below
        existing = here.items.get(name)
        if isinstance(existing, _Folder) and existing.is_empty():
            existing = None
        if isinstance(existing, _Folder) or (existing and existing[1] == FileMode.TREE):
            raise InvalidChange(f"{path!r} cannot be added as a file: there is a folder of that name.")
        if existing and existing[1] == FileMode.BLOB_EXECUTABLE:
            file = (file[0], existing[1])
        here.items[name] = file

    def _copy(self, path: str, source_path: str, source_revision: str, repository: GitRepository) -> None:
        source = repository.entry(repository.resolve(source_revision).commit, source_path)
        if source.is_folder:
            raise InvalidChange(f"{source_path!r} is a folder; copy its files one by one.")
        self._add(path, (source.oid, int(FileMode.BLOB_EXECUTABLE if source.is_executable else FileMode.BLOB)))

    def _delete(self, path: str, *, folder: bool) -> None:
        *folders, name = path.split("/")
        here: _Folder | None = self._root
        for part in folders:
            here = here.folder(part) if here else None
        item = here.items.get(name) if here else None
        is_folder = isinstance(item, _Folder) or (item is not None and item[1] == FileMode.TREE)
        if here is None or item is None or is_folder is not folder:
            what = "folder" if folder else "file"
            raise EntryNotFound(f"A {what} with this name doesn't exist: {path}", self._commit)
        del here.items[name]
