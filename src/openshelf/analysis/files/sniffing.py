"""What a file is: by its first bytes, then by its name; and whether the two disagree.

Magic numbers are from the formats' own specifications: PNG (ISO/IEC 15948), JPEG (ITU T.81), GIF89a, RIFF, ISO/IEC
14496-12 (``ftyp``), EBML, Ogg (RFC 3533), FLAC (RFC 9639), ZIP (APPNOTE), gzip (RFC 1952), PDF (ISO 32000),
Apache Parquet and Arrow, NumPy NEP 1, GGUF, HDF5, SQLite.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from openshelf.analysis.files.texts import looks_like_text

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """``view``: the viewer for it, ``facts`` where there is none. ``name``: as a person calls it."""

    view: str
    name: str
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Sniffed:
    """``kind`` is what the bytes are; ``claimed`` what the name says, where that is something else."""

    kind: Kind
    claimed: Kind | None = None


TEXT = Kind("text", "text")
EMPTY = Kind("empty", "empty file")
UNKNOWN = Kind("facts", "binary data")
MARKDOWN = Kind("markdown", "Markdown")
NOTEBOOK = Kind("notebook", "Jupyter notebook")
JSON = Kind("json", "JSON")
JSON_LINES = Kind("json_lines", "JSON Lines")
CSV = Kind("delimited", "CSV")
TSV = Kind("delimited", "TSV")
SVG = Kind("image", "SVG image", "image/svg+xml")
PARQUET = Kind("columnar", "Parquet")
ARROW = Kind("columnar", "Arrow")
ARROW_STREAM = Kind("columnar", "Arrow stream")
SAFETENSORS = Kind("safetensors", "safetensors")
GGUF = Kind("gguf", "GGUF")
NPY = Kind("npy", "NumPy array")
ZIP = Kind("zip", "ZIP archive")
TAR = Kind("tar", "tar archive")
PNG = Kind("image", "PNG image", "image/png")
JPEG = Kind("image", "JPEG image", "image/jpeg")
GIF = Kind("image", "GIF image", "image/gif")
WEBP = Kind("image", "WebP image", "image/webp")
AVIF = Kind("image", "AVIF image", "image/avif")
BMP = Kind("image", "BMP image", "image/bmp")
WAV = Kind("audio", "WAV audio", "audio/wav")
MP3 = Kind("audio", "MP3 audio", "audio/mpeg")
FLAC = Kind("audio", "FLAC audio", "audio/flac")
OGG = Kind("audio", "Ogg audio", "audio/ogg")
M4A = Kind("audio", "MPEG-4 audio", "audio/mp4")
MP4 = Kind("video", "MPEG-4 video", "video/mp4")
WEBM = Kind("video", "WebM or Matroska video", "video/webm")
QUICKTIME = Kind("video", "QuickTime video", "video/quicktime")
HDF5 = Kind("facts", "HDF5")
PICKLE = Kind("facts", "Python pickle")
GZIP = Kind("facts", "data packed with gzip")
ZSTD = Kind("facts", "data packed with Zstandard")
BZIP2 = Kind("facts", "data packed with bzip2")
XZ = Kind("facts", "data packed with xz")
SEVEN_ZIP = Kind("facts", "7-Zip archive")
PDF = Kind("facts", "PDF document", "application/pdf")
ELF = Kind("facts", "program for Linux (ELF)")
WINDOWS = Kind("facts", "program for Windows")
SQLITE = Kind("facts", "SQLite database")
TFLITE = Kind("facts", "TensorFlow Lite")
TIFF = Kind("facts", "TIFF image")

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", PNG), (0, b"\xff\xd8\xff", JPEG), (0, b"GIF87a", GIF), (0, b"GIF89a", GIF),
    (0, b"PAR1", PARQUET), (0, b"ARROW1\0\0", ARROW), (0, b"GGUF", GGUF), (0, b"\x93NUMPY", NPY),
    (0, b"PK\x03\x04", ZIP), (0, b"PK\x05\x06", ZIP), (0, b"\x89HDF\r\n\x1a\n", HDF5), (0, b"fLaC", FLAC),
    (0, b"OggS", OGG), (0, b"ID3", MP3), (0, b"\x1a\x45\xdf\xa3", WEBM), (0, b"%PDF-", PDF), (0, b"\x1f\x8b", GZIP),
    (0, b"\x28\xb5\x2f\xfd", ZSTD), (0, b"BZh", BZIP2), (0, b"\xfd7zXZ\0", XZ), (0, b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (0, b"\x7fELF", ELF), (0, b"SQLite format 3\0", SQLITE), (4, b"TFL3", TFLITE), (257, b"ustar", TAR),
    (0, b"II*\0", TIFF), (0, b"MM\0*", TIFF),
)  # fmt: skip
_RIFF = {b"WEBP": WEBP, b"WAVE": WAV}
_BRANDS = {b"avif": AVIF, b"avis": AVIF, b"M4A ": M4A, b"M4B ": M4A, b"qt  ": QUICKTIME}
_BY_ENDING: dict[str, Kind] = {
    "md": MARKDOWN, "markdown": MARKDOWN, "ipynb": NOTEBOOK, "json": JSON, "jsonl": JSON_LINES, "ndjson": JSON_LINES,
    "csv": CSV, "tsv": TSV, "tab": TSV, "svg": SVG, "parquet": PARQUET, "arrow": ARROW, "feather": ARROW, "png": PNG,
    "safetensors": SAFETENSORS, "gguf": GGUF, "npy": NPY, "npz": ZIP, "zip": ZIP, "tar": TAR, "jpg": JPEG,
    "jpeg": JPEG, "gif": GIF, "webp": WEBP, "avif": AVIF, "bmp": BMP, "wav": WAV, "mp3": MP3, "flac": FLAC,
    "ogg": OGG, "oga": OGG, "opus": OGG, "m4a": M4A, "mp4": MP4, "m4v": MP4, "webm": WEBM, "mkv": WEBM,
    "mov": QUICKTIME, "h5": HDF5, "hdf5": HDF5, "pdf": PDF, "gz": GZIP, "tgz": GZIP, "zst": ZSTD, "xz": XZ,
    "bz2": BZIP2, "7z": SEVEN_ZIP, "keras": ZIP, "pkl": PICKLE, "pickle": PICKLE, "tflite": TFLITE, "py": TEXT,
    "txt": TEXT, "yaml": TEXT, "yml": TEXT, "toml": TEXT, "xml": TEXT, "html": TEXT, "js": TEXT, "sh": TEXT,
    "cfg": TEXT, "ini": TEXT, "rst": TEXT, "tex": TEXT, "c": TEXT, "cpp": TEXT, "h": TEXT, "rs": TEXT, "go": TEXT,
}  # fmt: skip
_TEXTS = frozenset({TEXT, MARKDOWN, NOTEBOOK, JSON, JSON_LINES, CSV, TSV})
# Containers that carry sound or pictures alike, formats that wrap another one, and pictures that differ in name only.
_ALIKE = (
    frozenset({MP4, M4A, QUICKTIME}), frozenset({OGG, WEBM}), frozenset({ARROW, ARROW_STREAM, PARQUET}),
    frozenset({PICKLE, GZIP, ZIP, ZSTD, XZ, BZIP2}),
)  # fmt: skip


def ending_of(name: str) -> str:
    """What comes after the last dot of a file's name, in small letters."""
    stem, _, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if stem else ""


def sniff(head: bytes, size: int, name: str) -> Sniffed:
    """What a file of ``size`` bytes is; ``head`` holds its first ``HEAD_BYTES``, or all of it."""
    if size == 0:
        return Sniffed(EMPTY)
    claimed = _BY_ENDING.get(ending_of(name))
    found = _by_magic(head, size)
    if found is None and looks_like_text(head, is_whole=len(head) >= size):
        found = _text_kind(head, claimed)
    found = found or UNKNOWN
    return Sniffed(found, claimed if claimed and not _agree(found, claimed) else None)


def _by_magic(head: bytes, size: int) -> Kind | None:
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], MP4)
    if head.startswith(b"BM") and len(head) >= 26 and int.from_bytes(head[2:6], "little") in (size, 0):
        return BMP
    if head.startswith(b"MZ") and b"PE\0\0" in head[:1024]:
        return WINDOWS
    if _is_safetensors(head, size):
        return SAFETENSORS
    if head.startswith(b"\xff\xff\xff\xff") and len(head) > 16 and 0 < int.from_bytes(head[4:8], "little") < size:
        return ARROW_STREAM
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 not in (0, 0xF0):
        return MP3
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return PICKLE
    return None


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def _text_kind(head: bytes, claimed: Kind | None) -> Kind:
    if claimed in _TEXTS:
        return claimed if claimed is not NOTEBOOK or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else TEXT
    # A hub sends a file by its name, so that only what is called a picture can be shown as one.
    if claimed is SVG:
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1024].lower()
        if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in start):
            return SVG
    return JSON if claimed is None and _is_json(head) else TEXT


def _is_json(head: bytes) -> bool:
    """Whether a text without a telling name is JSON: a whole small value, or a start that hardly anything else has."""
    if head[:1] not in b"{[":
        return False
    try:
        json.loads(head)
    except RecursionError:
        return False
    except ValueError:
        return len(head) >= HEAD_BYTES and head.lstrip(b"{[ \t\r\n").startswith(b'"')
    return True


def _agree(found: Kind, claimed: Kind) -> bool:
    if found == claimed or (found in _TEXTS and claimed is TEXT):
        return True
    return any(found in group and claimed in group for group in _ALIKE)
