"""What new commits bring: every path that they change, in bounded memory.

A commit is compared with all its parents at once; what it has in common with any of them is either old or was looked
at with that parent. Trees are read as bytes, so that names that are not text are seen as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pygit2
from pygit2.enums import FileMode, ObjectType, SortMode

from openshelf.domain.names import MAX_PATH_BYTES, MAX_PATH_DEPTH, check_path
from openshelf.errors import InvalidPath, InvalidUpload, TooLarge
from openshelf.storage.repositories.repository import GitRepository

MAX_CHANGES = 2_000_000
_CACHED_ITEMS = 200_000
# Below these, a path is neither too long nor too deep, whatever its characters.
_SHORT = MAX_PATH_BYTES // 4
_SHALLOW = MAX_PATH_DEPTH
# The modes that git has, with the zeros that old tools put before them. Of others each reader thinks something else,
# so that a folder could pass for a file here.
_ITEM = re.compile(rb"(0{0,8}(?:40000|100[0-7]{3}|120000|160000)) ([^\0]*)\0([\s\S]{20})")
_ITEM_BYTES = 22

_Item = tuple[bytes, bytes, bytes]
_Tree = frozenset[_Item]


@dataclass(frozen=True, slots=True)
class ChangedPath:
    """A file that a new commit adds or changes. ``wrong`` says why the path may not be; no git id is given then."""

    commit: str
    path: str
    oid: str = ""
    is_submodule: bool = False
    wrong: str = ""


def changed_paths(repository: GitRepository, tips: Sequence[str], known: Sequence[str]) -> Iterator[ChangedPath]:
    """All files that the commits bring which ``tips`` reach and ``known`` do not.

    Raises InvalidUpload where an object is missing, TooLarge past ``MAX_CHANGES``.
    """
    walk = _Walk(repository)
    try:
        for commit in _new_commits(repository, tips, known):
            parents = [repository.git[parent].peel(pygit2.Tree).id.raw for parent in commit.parent_ids]
            yield from walk.compare(str(commit.id), commit.tree_id.raw, parents, "")
    except (KeyError, pygit2.GitError) as error:
        raise InvalidUpload(f"The push is incomplete: object {error} is missing.") from None


def _new_commits(repository: GitRepository, tips: Sequence[str], known: Sequence[str]) -> Iterator[pygit2.Commit]:
    walker = repository.git.walk(None, SortMode.NONE)
    for tip in tips:
        walker.push(pygit2.Oid(hex=tip))
    for commit in known:
        walker.hide(pygit2.Oid(hex=commit))
    return iter(walker)


class _Walk:
    def __init__(self, repository: GitRepository) -> None:
        self._odb = repository.git.odb
        self._changes = 0
        self._cache: dict[bytes, _Tree] = {}
        self._cached = 0

    def compare(self, commit: str, tree: bytes, parents: list[bytes], prefix: str) -> Iterator[ChangedPath]:
        items = self._items(tree)
        gone: list[dict[bytes, bytes]] = []
        new = items
        for parent in parents:
            theirs = self._items(parent)
            new -= theirs
            gone.append({name: oid for mode, name, oid in theirs - items if _is_tree(mode)})
        self._count(len(new))
        for mode, name, oid in sorted(new, key=lambda item: item[1]):
            path, wrong = _path(prefix, name)
            if wrong:
                yield ChangedPath(commit, path, wrong=wrong)
            elif _is_tree(mode):
                below = [folders[name] for folders in gone if name in folders]
                yield from self.compare(commit, oid, below, f"{path}/")
            else:
                yield ChangedPath(commit, path, oid.hex(), int(mode, 8) == FileMode.COMMIT)

    def _items(self, oid: bytes) -> _Tree:
        found = self._cache.get(oid)
        if found is None:
            found = self._read(oid)
            self._cached += len(found)
            if self._cached > _CACHED_ITEMS:
                self._cache, self._cached = {}, len(found)
            self._cache[oid] = found
        return found

    def _read(self, oid: bytes) -> _Tree:
        kind, content = self._odb.read(pygit2.Oid(raw=oid))
        if kind != ObjectType.TREE:
            raise KeyError(oid.hex())
        items: list[_Item] = _ITEM.findall(content)
        if sum(len(mode) + len(name) + _ITEM_BYTES for mode, name, _ in items) != len(content):
            raise InvalidUpload(f"The folder {oid.hex()} has an entry that is neither file, link nor folder to git.")
        return frozenset(items)

    def _count(self, number: int) -> None:
        self._changes += number
        if self._changes > MAX_CHANGES:
            raise TooLarge(f"This push changes more than {MAX_CHANGES} files; push fewer commits at a time.")


def _is_tree(mode: bytes) -> bool:
    return int(mode, 8) == FileMode.TREE


def _path(prefix: str, name: bytes) -> tuple[str, str]:
    try:
        path = prefix + name.decode()
    except UnicodeDecodeError:
        path = prefix + name.decode("utf-8", "backslashreplace")
        return path, f"{path!r} cannot be the path of a file: it is not UTF-8."
    fits = len(path) < _SHORT and path.count("/") < _SHALLOW
    return path, "" if fits and _may_be_a_name(name, not prefix) else _wrong(path)


@lru_cache(maxsize=100_000)
def _may_be_a_name(name: bytes, is_top: bool) -> bool:
    """Whether ``name`` may be in a folder whose path is known to be right. Names come again and again."""
    return not _wrong(("" if is_top else "folder/") + name.decode())


def _wrong(path: str) -> str:
    try:
        check_path(path)
    except InvalidPath as error:
        return error.message
    return ""
