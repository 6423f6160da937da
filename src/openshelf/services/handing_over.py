"""Whether the nginx in front really sends what the hub hands over to it, as ``openshelf doctor`` finds out."""

from __future__ import annotations

import hashlib
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from openshelf.services import signing
from openshelf.services.lfs import Purpose
from openshelf.storage import inspection

_SECONDS = 10.0
_MOST_BYTES = 50_000_000
GUARDS = ("X-Content-Type-Options",)
"""Headers of the hub that must reach clients, or an uploaded file could run as a script."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one download; ``problem`` is empty where all was right, None where there was nothing to try."""

    problem: str | None
    advice: str = ""


def try_download(root: Path, public_url: str, place: str) -> Trial:
    """Download the smallest stored blob through the proxy and compare its hash."""
    sample = inspection.smallest_whole_blob(root)
    if sample is None or sample.size > _MOST_BYTES:
        return Trial(None)
    data = {"repo": sample.repo_id, "oid": sample.sha256, "size": sample.size, "by": ""}
    ticket = signing.sign_by(inspection.secret(root), Purpose.DOWNLOAD, data, 60)
    url = f"{public_url.rstrip('/')}/api/lfs/objects/{sample.sha256}?ticket={ticket}"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(url, timeout=_SECONDS) as response:
            body, headers = response.read(_MOST_BYTES + 1), response.headers
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
    if hashlib.sha256(body).hexdigest() != sample.sha256:
        return Trial("nginx sends other bytes than those stored", f"Let {place} mean the data folder {root}.")
    if missing := [name for name in GUARDS if name not in headers]:
        advice = "Take the add_header lines of the how-to page over into the internal location."
        return Trial(f"nginx drops the header {missing[0]}", advice)
    return Trial("")


def _advice(status: int, place: str) -> str:
    if status == 403:
        return "Let the user of nginx's workers read the folders blobs and xorbs; the how-to page shows the commands."
    if status == 404:
        return f"Let nginx have an internal location {place} that means the data folder, as the how-to page shows."
    return "Look into nginx's error log."
