"""The inputs of a merge, open: their tensors by name, and the identity of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from blake3 import blake3

from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role
from openshelf.analysis.checkpoints.files import Files
from openshelf.analysis.checkpoints.opening import Place, find, open_place
from openshelf.analysis.checkpoints.remote.references import Pin, is_address, shown_address
from openshelf.analysis.checkpoints.remote.spool import Spool
from openshelf.analysis.weights.merging import adapters
from openshelf.analysis.weights.merging.conflicts import Conflict, MergeError
from openshelf.analysis.weights.merging.operands import Operand, Stored
from openshelf.analysis.weights.merging.recipe import FileIdentity, Identity, Recipe, Source
from openshelf.analysis.weights.merging.tiles import Threads

SHA256_UP_TO = 64 * 1024 * 1024
_PIECE = 8 * 1024 * 1024


@dataclass(slots=True)
class Input:
    """One input. ``tensors`` are its weights; ``left_out`` counts what is none (optimiser state, graph constants)."""

    source: Source
    checkpoint: Checkpoint
    tensors: dict[str, Operand]
    is_adapter: bool = False
    is_folder: bool = True
    left_out: int = 0
    problems: list[Conflict] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.source.path

    @property
    def files(self) -> Files:
        return self.checkpoint.source

    def same(self, name: str, other: Input) -> bool:
        """Whether a tensor is the same here and there, to the byte; told by the files' hashes where they say so."""
        ours, theirs = self.tensors[name], other.tensors[name]
        if not isinstance(ours, Stored) or not isinstance(theirs, Stored):
            return ours is theirs
        if ours is theirs or self._place(ours) == other._place(theirs):
            return True
        return ours.same_as(theirs)

    def _place(self, held: Stored) -> tuple[object, ...]:
        tensor = held.tensor
        known = self.digests.get(tensor.file)
        return (known, tensor.offset, tensor.dtype, tensor.shape, tensor.strides) if known else (id(held),)


@dataclass(slots=True)
class Inputs:
    """Everything that a recipe names, open. ``base`` is None where there is none."""

    base: Input | None
    sides: list[Input]
    statistics: list[Input | None]
    stack: ExitStack

    def all(self) -> Iterator[Input]:
        if self.base is not None:
            yield self.base
        yield from self.sides
        yield from (found for found in self.statistics if found is not None)

    def close(self) -> None:
        self.stack.close()

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Access:
    """How inputs are reached: paths lead from ``folder``, references to ``endpoint``, which alone sees ``token``.

    What is fetched is kept in ``spool``, as a merge reads its inputs more than once.
    """

    folder: Path
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    spool: Spool | None = None

    def place(self, source: Source) -> Place:
        """Where an input is. Raises UnreadableCheckpoint."""
        is_elsewhere = source.commit is not None or is_address(source.path)
        where = source.path if is_elsewhere else located(source.path, self.folder)
        pin = Pin(source.endpoint, source.commit)
        return find(where, endpoint=self.endpoint, token=self.token, pin=pin, spool=self.spool)


def open_inputs(recipe: Recipe, access: Access) -> Inputs:
    """Open what the recipe names. Raises UnreadableCheckpoint, MergeError."""
    with ExitStack() as stack:
        base = _open(recipe.base, access.place(recipe.base), stack) if recipe.base is not None else None
        sides = [_side(side.source, base, access, stack) for side in recipe.sides]
        statistics = [
            _open(side.statistics, access.place(side.statistics), stack) if side.statistics is not None else None
            for side in recipe.sides
        ]
        return Inputs(base, sides, statistics, stack.pop_all())


def _open(source: Source, place: Place, stack: ExitStack) -> Input:
    checkpoint = stack.enter_context(open_place(place))
    weights = [tensor for tensor in checkpoint if tensor.role is Role.WEIGHT]
    tensors: dict[str, Operand] = {tensor.name: Stored(checkpoint, tensor) for tensor in weights}
    left_out = len(checkpoint) - len(weights)
    return Input(_found(source, place), checkpoint, tensors, False, place.first is None, left_out)


def _found(source: Source, place: Place) -> Source:
    """The source as it is recorded: with what a reference led to, and without what an address tells no third party."""
    path = shown_address(source.path) if is_address(source.path) else source.path
    return replace(source, path=path, endpoint=place.endpoint, commit=place.commit)


def _side(source: Source, base: Input | None, access: Access, stack: ExitStack) -> Input:
    place = access.place(source)
    if not adapters.is_adapter(place):
        return _open(source, place, stack)
    checkpoint = stack.enter_context(open_place(replace(place, first=adapters.WEIGHTS)))
    if base is None:
        raise MergeError(f"{source.path} is an adapter; it can be folded only where the base is given")
    config_file = place.files.open(adapters.CONFIG)
    try:
        config = adapters.read_config(config_file.read(0, min(config_file.size, adapters.MAX_CONFIG + 1)))
    except MergeError as error:
        raise MergeError(f"{source.path}: {error}") from None
    changed, problems = adapters.fold(config, checkpoint, base.tensors)
    return Input(_found(source, place), checkpoint, {**base.tensors, **changed}, True, True, 0, problems)


def located(path: str, folder: Path) -> str:
    """Where a path of a recipe leads: from the folder of the recipe, or from here where nothing is there."""
    there = folder / path
    return str(there if there.exists() or Path(path).is_absolute() else path)


def identify(found: Input, threads: Threads, hashing: str) -> Identity:
    """The identity of an input, by reading its files once. Raises MergeError where the recipe says another.

    ``hashing``: ``blake3`` (SHA-256 too for small files), ``sha256`` for both, ``none``.
    """
    names = list(found.checkpoint.files)
    if found.is_adapter:
        names.append(adapters.CONFIG)
    known = found.source.identity
    wanted = {file.name: file for file in known.files} if known else {}
    identities = threads.map(lambda name: _identity(found, name, hashing, wanted.get(name)), names)
    identity = Identity(len(found.checkpoint) if found.is_adapter else len(found.tensors), tuple(identities))
    found.digests.update({file.name: file.blake3 for file in identity.files if file.blake3})
    if known is not None:
        _compare(found.label, known, identity)
    return identity


def _identity(found: Input, name: str, hashing: str, known: FileIdentity | None) -> FileIdentity:
    file = found.files.open(name)
    if hashing == "none" and (known is None or known.blake3 is None):
        return FileIdentity(name, file.size)
    is_small = file.size <= SHA256_UP_TO
    with_sha256 = known.sha256 is not None if known is not None else hashing == "sha256" or is_small
    fast, slow = blake3(), hashlib.sha256() if with_sha256 else None
    for start in range(0, file.size, _PIECE):
        piece = file.view(start, min(start + _PIECE, file.size))
        fast.update(piece)
        if slow is not None:
            slow.update(piece)
    return FileIdentity(name, file.size, fast.hexdigest(), slow.hexdigest() if slow is not None else None)


def _compare(label: str, known: Identity, now: Identity) -> None:
    held: Mapping[str, FileIdentity] = {file.name: file for file in now.files}
    for file in known.files:
        there = held.get(file.name)
        if there is None:
            raise MergeError(f"{label} has no file {file.name}, which the recipe was made with")
        digests = [(file.blake3, there.blake3), (file.sha256, there.sha256)]
        digests = [(then, now) for then, now in digests if then is not None]
        if there.bytes != file.bytes or any(then != now for then, now in digests):
            raise MergeError(
                f"{file.name} of {label} is not the file that the recipe was made with "
                f"(blake3 {str(there.blake3)[:16]}…, not {str(file.blake3)[:16]}…): find it, or make a new recipe"
            )
    if len(held) != len(known.files):
        extra = next(name for name in held if name not in {file.name for file in known.files})
        raise MergeError(f"{label} has the file {extra}, which it did not have when the recipe was made")
