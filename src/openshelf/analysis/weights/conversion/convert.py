"""From a checkpoint of any format that is read to one of a format that is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from errno import ENOSPC
from pathlib import Path

from blake3 import blake3

from openshelf.analysis.checkpoints import dtypes
from openshelf.analysis.checkpoints.checkpoint import Checkpoint, Role, Tensor
from openshelf.analysis.checkpoints.headers.shard_index import ENDING
from openshelf.analysis.checkpoints.opening import Model, open_checkpoint, opened
from openshelf.analysis.checkpoints.writers import gguf
from openshelf.analysis.checkpoints.writers.safetensors import MAX_SHARD_BYTES
from openshelf.analysis.checkpoints.writers.unfinished import NotWritable, PlannedTensor
from openshelf.analysis.weights.conversion.losses import ConversionRefused, Loss, Losses
from openshelf.analysis.weights.conversion.targets import TARGETS, Target, Wanted, Writer, is_graph
from openshelf.analysis.weights.conversion.values import STEP, keeps_values, parts

Progress = Callable[[str, int, int], None]
FLOAT_TYPES = ("float64", "float32", "float16", "bfloat16")
_NO_NUMBERS = ("string", "object")


@dataclass(frozen=True, slots=True)
class Converted:
    """``kept`` are tensors that stay in their type where another was asked for, ``tied`` names that share values."""

    files: tuple[Path, ...]
    tensors: int
    nbytes: int
    lost: Mapping[Loss, tuple[str, ...]]
    kept: tuple[str, ...] = ()
    tied: tuple[tuple[str, ...], ...] = ()
    verified: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    tensor: Tensor
    planned: PlannedTensor


def convert(
    source: Model,
    to: str,
    out: str | Path,
    *,
    dtype: str | None = None,
    names: Mapping[str, str] | None = None,
    metadata: Mapping[str, gguf.Value] | None = None,
    like: Model | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    allowed: Collection[Loss] = (),
    verify: bool = True,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write the tensors of ``source`` as ``to`` (safetensors, npz, gguf, onnx): a file, or for safetensors a folder.

    ``source`` and ``like`` are checkpoints, or paths, references (of the hub ``endpoint``) or addresses to open.
    ``dtype`` is for tensors of floating-point numbers and block types; the others keep theirs. ``names`` maps names of
    tensors, those that it lacks stay. A tensor that has several names is written under each. Non-contiguous tensors
    become contiguous. Memory is bounded, save for tensors that are stored compressed, of which one is held at a time.
    All files appear at once and whole, after they were read back where ``verify`` is set. Raises ConversionRefused,
    UnreadableCheckpoint, OSError.
    """
    target, out = TARGETS[to], Path(out)
    with ExitStack() as stack:
        found = stack.enter_context(opened(source, endpoint=endpoint, token=token))
        template = stack.enter_context(opened(like, endpoint=endpoint, token=token)) if like is not None else None
        losses = Losses()
        if is_graph(found):
            losses.add(Loss.GRAPH, found.format)
        jobs, kept = _plan(found, target, dtype, names or {}, template, losses)
        planned = tuple(job.planned for job in jobs)
        folder, name = _place(out, target)
        wanted = Wanted(found, folder, name, planned, max_shard_bytes, dtype, metadata or {}, template)
        making = _Making(target, wanted, jobs, losses, allowed, verify, progress or (lambda *_: None))
        return Converted(
            making.files(out), len(jobs), wanted.nbytes,
            {loss: tuple(names) for loss, names in losses.found.items()}, tuple(kept), found.facts.tied, verify,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Making:
    """A conversion that was planned."""

    target: Target
    wanted: Wanted
    jobs: list[_Job]
    losses: Losses
    allowed: Collection[Loss]
    verify: bool
    progress: Progress

    def files(self, out: Path) -> tuple[Path, ...]:
        """All files, at once and whole, or none."""
        folder = self.wanted.folder
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}.", suffix=".part", dir=folder))
        try:
            return _moved(part, folder, self._written(part))
        except NotWritable as error:
            raise ConversionRefused(str(error)) from None
        except OSError as error:
            if error.errno != ENOSPC:
                raise
            raise OSError(ENOSPC, f"no room for {self.wanted.nbytes:,} bytes; nothing was written", str(out)) from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if is_new:
                with suppress(OSError):
                    folder.rmdir()  # Only where nothing came to be in it.

    def _written(self, part: Path) -> tuple[str, ...]:
        opening = self.target.open(replace(self.wanted, folder=part), self.losses)
        self.losses.check(self.allowed)
        with opening() as writer:
            sums = _write(self.wanted.source, self.jobs, writer, self.progress)
            written = writer.finish()
        if self.verify:
            _verify(part, written, self.wanted.tensors, sums)
        return written


def _plan(
    source: Checkpoint,
    target: Target,
    dtype: str | None,
    names: Mapping[str, str],
    like: Checkpoint | None,
    losses: Losses,
) -> tuple[list[_Job], list[str]]:
    if dtype in gguf.NOT_QUANTISED:
        raise ConversionRefused(
            f"{dtype} cannot be made here: the quantiser in Python makes {', '.join(gguf.QUANTISED)}; for the others "
            "use llama-quantize of llama.cpp"
        )
    if dtype is not None and dtype not in (*FLOAT_TYPES, *target.quantised):
        possible = ", ".join((*FLOAT_TYPES, *target.quantised))
        raise ConversionRefused(f"{dtype} is no type that {target.name} is written in; choose among {possible}")
    unknown = sorted(name for name in names if name not in source)
    if unknown:
        raise ConversionRefused(f"--names maps {unknown[0]!r}, and the source has no such tensor")
    jobs: list[_Job] = []
    kept: list[str] = []
    for tensor in source:
        if not _is_lost(tensor, losses):
            name = names.get(tensor.name, tensor.name)
            asked = dtype
            if like is not None and name in like and like[name].dtype in FLOAT_TYPES:
                asked = asked or like[name].dtype
            jobs.append(_job(tensor, name, asked, target, losses, kept))
    if not jobs:
        raise ConversionRefused(f"{source.source.label} has no tensors that could be written")
    return jobs, kept


def _is_lost(tensor: Tensor, losses: Losses) -> bool:
    if tensor.dtype in _NO_NUMBERS:
        losses.add(Loss.STRINGS, tensor.name)
    elif tensor.role is Role.OPTIMIZER:
        losses.add(Loss.OPTIMIZER, tensor.name)
    elif tensor.role is Role.STATE:
        losses.add(Loss.STATE, tensor.name)
    else:
        return False
    return True


def _job(tensor: Tensor, name: str, dtype: str | None, target: Target, losses: Losses, kept: list[str]) -> _Job:
    chosen = tensor.dtype
    if dtype is not None and (tensor.dtype in dtypes.FLOATS or tensor.dtype in dtypes.BLOCK_TYPES):
        chosen = dtype if _fits(tensor, dtype) else _beside(tensor, target)
        if chosen != dtype:
            kept.append(tensor.name)
    if not target.can_hold(chosen):
        wider = next(
            (one for one in ("float32", "float64") if keeps_values(chosen, one) and target.can_hold(one)), None
        )
        hint = f"; --dtype {wider} keeps every value" if wider else ", and no other type there holds its values"
        raise ConversionRefused(f"{tensor.name!r} is {chosen}, which {target.name} does not have{hint}")
    if not keeps_values(tensor.dtype, chosen):
        losses.add(Loss.DTYPE, f"{tensor.name}: {tensor.dtype} to {chosen}")
    return _Job(tensor, PlannedTensor(name, chosen, tensor.shape))


def _fits(tensor: Tensor, dtype: str) -> bool:
    """Rows of block types are whole blocks. Vectors are left alone: they are few, and models are sensitive to them."""
    block = dtypes.BLOCK_TYPES.get(dtype)
    return block is None or (len(tensor.shape) > 1 and tensor.shape[-1] % block.elements == 0)


def _beside(tensor: Tensor, target: Target) -> str:
    return tensor.dtype if target.can_hold(tensor.dtype) else "float32"


def _place(out: Path, target: Target) -> tuple[Path, str]:
    """The folder to write in, and the name of the file. Raises ConversionRefused where something is there already."""
    if target.name == "safetensors" and not out.name.endswith(target.ending):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConversionRefused(f"{out} is there already; give --out a folder that is not, or an empty one")
        return out, f"model{target.ending}"
    if out.exists():
        raise ConversionRefused(f"{out} is there already; give --out another name")
    return out.parent, out.name


def _write(source: Checkpoint, jobs: list[_Job], writer: Writer, progress: Progress) -> dict[str, str]:
    """Writes all values, and gives the blake3 of each tensor's bytes."""
    sums: dict[str, str] = {}
    done, total = 0, sum(job.planned.nbytes for job in jobs)
    for job in jobs:
        told, place = blake3(), 0
        for content in parts(source, job.tensor, job.planned.dtype):
            writer.write(job.planned.name, place, content)
            told.update(content)
            place += len(content)
            progress("writing", (done + place) // STEP, total // STEP)
        done += place
        sums[job.planned.name] = told.hexdigest()
    return sums


def _verify(folder: Path, files: tuple[str, ...], planned: tuple[PlannedTensor, ...], sums: Mapping[str, str]) -> None:
    """Read the files back as anybody would. Raises ConversionRefused where something is not as it was written."""
    where = folder if any(name.endswith(ENDING) for name in files) else folder / files[0]
    with open_checkpoint(where) as found:
        for tensor in planned:
            if tensor.name not in found:
                raise ConversionRefused(f"reading back failed: {tensor.name!r} is not in what was written")
            read = found[tensor.name]
            if (read.dtype, read.shape, read.is_plain) != (tensor.dtype, tensor.shape, True):
                raise ConversionRefused(f"reading back failed: {tensor.name!r} is {read.dtype} {list(read.shape)}")
            told = blake3()
            for content in parts(found, read, read.dtype):
                told.update(content)
            if told.hexdigest() != sums[tensor.name]:
                raise ConversionRefused(f"reading back failed: the values of {tensor.name!r} are not those written")


def _moved(part: Path, folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    taken = [folder / name for name in names if (folder / name).exists()]
    if taken:
        raise ConversionRefused(f"{taken[0]} is there already; nothing was written")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).replace(folder / name)
    return tuple(folder / name for name in names)
