"""Whether the nginx in front really sends what the hub hands over to it, as ``openshelf doctor`` finds out."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from openshelf.services import signing
from openshelf.services.lfs import Purpose
from openshelf.services.xet_download import data_purpose
from openshelf.storage import inspection
from openshelf.xet.hashes import to_hex

_SECONDS = 10.0
_TRIED_BYTES = 100_000
_GUARD = "X-Content-Type-Options"
"""A header of the hub that must reach clients, or an uploaded file could run as a script."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one download; ``problem`` is empty where all was right, None where there was nothing to try."""

    problem: str | None
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Sample:
    """An address with the beginning of what must come from it."""

    path: str
    expected: bytes


def try_download(root: Path, public_url: str, place: str) -> Trial:
    """Fetch the beginning of something stored through the proxy, and compare it. Raises StorageFault, OSError."""
    sample = _whole_blob(root) or _xorb(root)
    if sample is None:
        return Trial(None)
    request = urllib.request.Request(  # noqa: S310 - the operator's own public_url, http or https
        public_url.rstrip("/") + sample.path, headers={"Range": f"bytes=0-{len(sample.expected) - 1}"}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            body, headers = response.read(_TRIED_BYTES + 1), response.headers
    except urllib.error.HTTPError as error:
        error.close()
        return Trial(f"a stored file is answered with status {error.code}", _advice(error.code, place))
    except (OSError, ValueError) as error:
        return Trial(
            f"a stored file cannot be fetched: {getattr(error, 'reason', error)}", "See the line about address."
        )
    if "X-Accel-Redirect" in headers:
        advice = "Let clients reach the hub through nginx alone, or empty accel_location."
        return Trial("the hub hands files over, and no nginx takes them: clients get empty files", advice)
    if body != sample.expected:
        return Trial("nginx sends other bytes than those stored", f"Let {place} mean the data folder {root}.")
    if _GUARD not in headers:
        advice = "Take the add_header lines of the how-to page over into the internal location."
        return Trial(f"nginx drops the header {_GUARD}", advice)
    return Trial("")


def _whole_blob(root: Path) -> _Sample | None:
    found = inspection.smallest_whole_blob(root)
    if found is None:
        return None
    data = {"repo": found.repo_id, "oid": found.sha256, "size": found.size, "by": ""}
    ticket = signing.sign_by(inspection.secret(root), Purpose.DOWNLOAD, data, 60)
    path = root / "blobs" / found.sha256[:2] / found.sha256[2:4] / found.sha256
    return _Sample(f"/api/lfs/objects/{found.sha256}?ticket={ticket}", _beginning(path))


def _xorb(root: Path) -> _Sample | None:
    found = inspection.smallest_xorb(root)
    if found is None:
        return None
    xorb_hash, path = found
    expected = _beginning(path)
    spans = {"r": f"0-{len(expected)}"}
    signature = signing.sign_by(inspection.secret(root), data_purpose(xorb_hash), spans, 60)
    return _Sample(f"/xet/g1/data/{to_hex(xorb_hash)}?s={signature}", expected)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_TRIED_BYTES)


def _advice(status: int, place: str) -> str:
    if status == 403:
        return "Let the user of nginx's workers read the folders blobs and xorbs; the how-to page shows the commands."
    if status == 404:
        return f"Let nginx have an internal location {place} that means the data folder, as the how-to page shows."
    return "Look into nginx's error log."
