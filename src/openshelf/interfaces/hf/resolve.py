"""The bytes of files, at addresses that people and programs can write by hand.

These are the busiest routes: plain Starlette, one look into the catalogue, one into git.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from openshelf.domain.names import RepoId, RepoKind
from openshelf.errors import RepoNotFound
from openshelf.interfaces.hf.addresses import check_name
from openshelf.interfaces.http import routing as _convertors  # noqa: F401 - the paths of these routes name them
from openshelf.interfaces.http.bodies import file_response
from openshelf.interfaces.http.quick import quick_calls
from openshelf.interfaces.http.requests import actor_of, base_url, client_address, has_credentials, hub_of
from openshelf.services import fetch
from openshelf.services.fetch import Content, FoundFile
from openshelf.xet.hashes import to_hex

# What a browser may show as it is. Text of every kind is sent as plain text and the rest as bytes to keep, so that
# no upload runs a script under this hub's address. SVG comes as a picture, in a sandbox: pages show it with <img>,
# where no script runs, and opened by itself it has no origin, no script and nothing but its own styles.
_SHOWN = re.compile(r"(?:image/(?:png|jpeg|gif|webp|avif|bmp)|(?:audio|video)/[\w.+-]+|application/pdf)\Z")
_TEXT = re.compile(r"(?:text/[\w.+-]+|application/(?:json|xml|javascript|x-sh|toml|yaml)|[\w/.-]+\+(?:xml|json))\Z")
_TEXT_SUFFIXES = (".md", ".txt", ".yaml", ".yml", ".toml", ".py", ".jsonl", ".gitattributes", ".gitignore")
_SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"
_SVG_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
_SVG = "image/svg+xml"
_EXPOSED = "X-Repo-Commit, X-Linked-Size, X-Linked-Etag, X-Xet-Hash, X-Request-Id, ETag, Link, Content-Range"

_types = mimetypes.MimeTypes()


async def resolve(request: Request) -> Response:
    """A file, whole or in part; for HEAD all that clients want to know of it."""
    found, headers = await _found(request)
    return await file_response(request, found.content, headers)


async def raw(request: Request) -> Response:
    """A file as git has it: of one kept outside git, the pointer."""
    found, headers = await _found(request)
    for name in ("X-Linked-Etag", "X-Linked-Size", "X-Xet-Hash", "Link"):
        headers.pop(name, None)
    content = found.content
    if found.entry.blob:
        pointer = found.entry.blob.pointer()
        content = Content(len(pointer), found.entry.oid, partial(_part_of, pointer))
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return await file_response(request, content, headers)


async def _found(request: Request) -> tuple[FoundFile, dict[str, str]]:
    if has_credentials(request):
        await to_thread.run_sync(actor_of, request)  # this may note that they were used, and wait for other writers
    return await quick_calls(request).run(_find, request)


def _find(request: Request) -> tuple[FoundFile, dict[str, str]]:
    hub, actor, values = hub_of(request), actor_of(request), request.path_params
    kind, repo_id = values.get("kind", RepoKind.MODEL), RepoId(values["owner"], values["name"])
    found = fetch.find_file(hub, actor, kind, repo_id, values["rev"], values["path"])
    check_name(request, repo_id, found.repo)
    if request.method == "GET" or "x-hf-download-counter" in request.headers:
        client = actor.account.id if actor.account else client_address(request)
        hub.downloads.note(found.repo.id, client)
    return found, _headers(request, found)


def _headers(request: Request, found: FoundFile) -> dict[str, str]:
    content, entry = found.content, found.entry
    shown_as = content_type(entry.name)
    headers = {
        "X-Repo-Commit": found.revision.commit,
        "Content-Type": shown_as,
        "Content-Disposition": disposition(entry.name, as_file="download" in request.query_params),
        "Content-Security-Policy": _SVG_SANDBOX if shown_as == _SVG else _SANDBOX,
        "Cache-Control": "private, no-cache" if found.repo.is_private else "no-cache",
        "Access-Control-Expose-Headers": _EXPOSED,
    }
    if entry.blob:
        headers["X-Linked-Etag"] = f'"{entry.blob.sha256}"'
        headers["X-Linked-Size"] = str(entry.blob.size)
    if content.xet_hash:
        repo = found.repo
        token = f"{base_url(request)}/api/{repo.kind.plural}/{repo.full_name}/xet-read-token/{found.revision.commit}"
        headers["X-Xet-Hash"] = to_hex(content.xet_hash)
        headers["Link"] = f'<{token}>; rel="xet-auth"'
    return headers


def content_type(name: str) -> str:
    """The type by which a file of this name may be sent to browsers."""
    if name.lower().endswith(_TEXT_SUFFIXES):
        return "text/plain; charset=utf-8"
    guessed, encoding = _types.guess_type(name)
    if guessed == _SVG and encoding is None:
        return _SVG
    if guessed is None or encoding:
        return "application/octet-stream"
    if _TEXT.match(guessed):
        return "text/plain; charset=utf-8"
    return guessed if _SHOWN.match(guessed) else "application/octet-stream"


def disposition(name: str, *, as_file: bool) -> str:
    """The Content-Disposition of a file (RFC 6266); ``as_file`` makes browsers save it."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    how = "attachment" if as_file else "inline"
    return f"{how}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"


def _part_of(content: bytes, start: int, end: int) -> Iterator[bytes]:
    yield content[start:end]


def _without_owner(request: Request) -> Response:
    actor_of(request)
    raise RepoNotFound(request.path_params["name"])


_FILE = "/{owner:segment}/{name:segment}/%s/{rev:segment}/{path:rest}"

routes = [
    Route("/{kind:kind}" + _FILE % "resolve", resolve),
    Route(_FILE % "resolve", resolve),
    Route("/{kind:kind}" + _FILE % "raw", raw),
    Route(_FILE % "raw", raw),
]
last_routes = [Route("/{name:segment}/resolve/{rev:segment}/{path:rest}", _without_owner)]
