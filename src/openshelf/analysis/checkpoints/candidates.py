"""Which files of a folder could be its checkpoint, by their names and sizes alone, the likeliest first.

Names only give an order and keep files from being opened in vain; content decides what a file is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from posixpath import basename, splitext

from openshelf.analysis.checkpoints.headers.shard_index import ENDING, KERAS_ENDING

# Of several files that hold the whole model each, the first by this order is it.
_LIKELY = (
    (".safetensors",), (".gguf",), (".bin", ".pt", ".pth", ".ckpt", ".jit", ".tar"), (".pb",), (".index",),
    (".keras",), (".h5", ".hdf5"), (".onnx",), (".tflite",), (".msgpack",), (".params",), (".npz",), (".npy",),
    (".skops",), (".pkl", ".pickle", ".joblib"),
)  # fmt: skip
_RANKS = {ending: rank for rank, endings in enumerate(_LIKELY) for ending in endings}
_UNLIKELY = len(_LIKELY)
_STEMS = ("model", "pytorch_model", "saved_model", "diffusion_pytorch_model", "tf_model", "flax_model", "adapter_model")
_METADATA = ("_METADATA", "_CHECKPOINT_METADATA")
# Files that hold no tensors, whatever else is in them; they are not opened to find that out.
_NO_WEIGHTS = frozenset(
    ".json .jsonl .md .txt .rst .py .pyc .ipynb .sh .js .ts .css .html .xml .yaml .yml .toml .cfg .ini .log .lock"
    " .jinja .csv .tsv .parquet .arrow .png .jpg .jpeg .gif .webp .svg .bmp .ico .pdf .wav .mp3 .flac .ogg .mp4 .webm"
    " .tiktoken .model .meta .onnx_data .sha256 .asc .sig .c .h .cc .cpp .rs .go .java .proto".split()
)
_DATA = re.compile(r"\.data-\d{5}-of-\d{5}\Z")
_NUMBERED = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<of>\d{5})(?P<ending>\.\w+)\Z")
_STEP = re.compile(r"[-_](\d{1,18})(?=[/.]|\Z)")
# What the usual trainers keep to go on later (Trainer, Accelerate, DeepSpeed): not the model.
_TRAINING = re.compile(
    r"(?:optimizer|scheduler|scaler|training_args|trainer_state|rng_state|random_states|zero_pp_rank)[\w.-]*\Z"
    r"|.*optim_states\.pt\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file, parts of one by their numbers, or an index of parts. ``is_likely`` by its name."""

    files: tuple[str, ...]
    size: int
    is_likely: bool
    is_index: bool = False

    @property
    def first(self) -> str:
        return self.files[0]


def is_likely(name: str) -> bool:
    """Whether a file bears the name of a format that is read."""
    return _rank(name) < _UNLIKELY


def is_training_state(name: str) -> bool:
    """Whether a file holds the state of a training (optimizer, schedule, random numbers) by the name it bears."""
    return _TRAINING.match(basename(name)) is not None


def candidates(sizes: Mapping[str, int], newest: Collection[str] = ()) -> tuple[Candidate, ...]:
    """The likeliest first: near the top, of a format that is read without doubt, by a usual name, large, late.

    ``newest`` are files that the folder itself names as the ones to take.
    """
    groups: dict[str, list[str]] = {}
    for name in sizes:
        ending = splitext(name)[1].lower()
        hidden = name.startswith(".", name.rfind("/") + 1)
        if name.endswith((ENDING, KERAS_ENDING)) or not (hidden or ending in _NO_WEIGHTS or _DATA.search(name)):
            numbered = _NUMBERED.match(name)
            group = f"{numbered['stem']}-of-{numbered['of']}{ending}" if numbered else name
            groups.setdefault(group, []).append(name)
    found = [_candidate(names, sizes) for names in groups.values()]
    return tuple(sorted(found, key=lambda one: _order(one, newest)))


def _candidate(names: list[str], sizes: Mapping[str, int]) -> Candidate:
    size = sum(sizes[name] for name in names)
    return Candidate(tuple(names), size, is_likely(names[0]), names[0].endswith((ENDING, KERAS_ENDING)))


def _rank(name: str) -> int:
    if basename(name) in _METADATA:
        return 0
    if name.endswith(KERAS_ENDING):
        return _RANKS[".h5"]
    stem, ending = splitext(name.removesuffix(ENDING))
    if ending == ".bin" and not basename(stem).startswith(_STEMS):
        # The ending says nothing: data of another file as often as a model.
        return _UNLIKELY - 1
    return _RANKS.get(ending.lower(), _UNLIKELY)


def _order(one: Candidate, newest: Collection[str]) -> tuple[object, ...]:
    name = one.first
    stem = splitext(basename(name.removesuffix(ENDING)))[0]
    usual = _STEMS.index(stem) if stem in _STEMS else len(_STEMS)
    steps = _STEP.findall(name)
    late = -int(steps[-1]) if steps and len(one.files) == 1 else 0
    return (
        is_training_state(name), name.count("/"), _rank(name), not one.is_index, name not in newest, usual, -one.size,
        late, name,
    )  # fmt: skip


def has_index(one: Candidate, sizes: Mapping[str, int]) -> bool:
    """Whether an index beside the parts names them."""
    numbered = _NUMBERED.match(one.first)
    return numbered is not None and f"{numbered['stem']}{numbered['ending']}{ENDING}" in sizes


def missing_part(one: Candidate) -> int | None:
    """The number of a part that is not there; parts are counted from 1, or from 0."""
    numbered = [found for name in one.files if (found := _NUMBERED.match(name))]
    if not numbered:
        return None
    there, count = {int(found["number"]) for found in numbered}, int(numbered[0]["of"])
    missing = set(range(1, count + 1)) - there
    return min(missing) if missing and there != set(range(count)) else None
