"""git over HTTP, the smart protocol (gitprotocol-http(5)): clone, fetch and push."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial
from typing import IO
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from openshelf.domain.access import Access, access_to, may_propose
from openshelf.domain.names import RepoKind
from openshelf.domain.people import Actor
from openshelf.domain.repos import Repo
from openshelf.errors import Forbidden, Invalid, InvalidUpload, NotSignedIn
from openshelf.interfaces.git.errors import NO_CACHE
from openshelf.interfaces.git.receive_pack import ReceivePack, advertisement
from openshelf.interfaces.git.streams import Gunzip, StreamedAnswer
from openshelf.interfaces.http.bodies import Sink, in_threads, receive_into
from openshelf.interfaces.http.requests import base_url, repo_of
from openshelf.services import git_fetch, git_push
from openshelf.services.hub import Hub

UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"
MAX_FETCH_REQUEST = 64 * 1024 * 1024
_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,100}\Z")


async def info_refs(request: Request) -> Response:
    """What a clone, fetch or push asks first; a former name leads to the repo's name of now."""
    service = request.query_params.get("service", "")
    if service not in (UPLOAD, RECEIVE):
        raise Invalid("Only the smart protocol of git is spoken here; use git 1.6.6 or newer.")
    hub, actor, repo = await to_thread.run_sync(_repo, request)
    if service == RECEIVE:
        _check_may_push(actor, repo)
        hub.check_writable()
    if (renamed := _renamed(request, repo)) is not None:
        return RedirectResponse(f"{renamed}/info/refs?service={service}", 301, NO_CACHE)
    if service == RECEIVE:
        content = await to_thread.run_sync(_advertise_push, hub, repo)
    else:
        protocol = _protocol(request)
        content = await git_fetch.advertise(hub, repo, protocol)
        if "version=2" not in protocol.split(":"):
            content = b"001e# service=git-upload-pack\n0000" + content
    return Response(content, 200, NO_CACHE, f"application/x-{service}-advertisement")


async def upload_pack(request: Request) -> Response:
    """One round of a clone or fetch."""
    hub, _, repo = await to_thread.run_sync(_repo, request)
    _check_type(request, UPLOAD)
    spool = tempfile.TemporaryFile(dir=hub.storage.root / "temporary")  # noqa: SIM115 - closed with the answer
    try:
        await _receive(request, spool, MAX_FETCH_REQUEST)
        spool.seek(0)
        pieces = git_fetch.upload_pack(hub, repo, spool, _protocol(request))
        # The first piece is awaited here, so that a busy hub can still say so.
        first = await anext(pieces, b"")
    except BaseException:
        spool.close()
        raise
    after = partial(to_thread.run_sync, spool.close)
    media_type = "application/x-git-upload-pack-result"
    return StreamedAnswer(_with_first(first, pieces), media_type=media_type, headers=NO_CACHE, after=after)


async def receive_pack(request: Request) -> Response:
    """A push."""
    hub, actor, repo = await to_thread.run_sync(_repo, request)
    _check_may_push(actor, repo)
    _check_type(request, RECEIVE)
    sink = ReceivePack(hub, actor, repo)
    async with AsyncExitStack() as held:
        await held.enter_async_context(git_push.place(hub))
        held.push_async_callback(partial(to_thread.run_sync, sink.discard))
        # A push that is refused is read to its end, within reason: git reads no answer before.
        await _receive(request, sink, 2 * hub.settings.max_push_bytes)
        pieces = in_threads(sink.answer())
        after = held.pop_all().aclose
    media_type = "application/x-git-receive-pack-result"
    return StreamedAnswer(_with_first(b"", pieces), media_type=media_type, headers=NO_CACHE, after=after)


async def _with_first(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        if first:
            yield first
        async for piece in pieces:
            yield piece
    finally:
        await pieces.aclose()


async def _receive(request: Request, sink: Sink | IO[bytes], limit: int) -> None:
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding in ("gzip", "x-gzip"):
        unpacked = Gunzip(sink, limit)
        await receive_into(request, unpacked, limit)
        unpacked.check_end()
    elif encoding == "identity":
        await receive_into(request, sink, limit)
    else:
        raise InvalidUpload(f"Requests in {encoding} are not understood; send gzip or nothing.")


def _repo(request: Request) -> tuple[Hub, Actor, Repo]:
    """The repo that the address names, with or without ``.git``."""
    parameters = request.path_params
    kind = parameters.get("kind", RepoKind.MODEL)
    return repo_of(request, kind, parameters["owner"], parameters["name"].removesuffix(".git"))


def _check_may_push(actor: Actor, repo: Repo) -> None:
    """Whether there is anything in the repo that ``actor`` may push; which refs, each push tells."""
    if access_to(actor, repo) >= Access.WRITE or may_propose(actor, repo):
        return
    if actor.is_anonymous:
        raise NotSignedIn
    raise Forbidden(f"Your token may read {repo.full_name}, but not push to it; use one that may write.")


def _renamed(request: Request, repo: Repo) -> str | None:
    """The repo's address, where the request used a former one."""
    asked = f"{request.path_params['owner']}/{request.path_params['name'].removesuffix('.git')}"
    if asked.lower() == repo.full_name.lower():
        return None
    return f"{base_url(request)}/{quote(repo.url_path)}.git"


def _advertise_push(hub: Hub, repo: Repo) -> bytes:
    return advertisement(hub.storage.repositories.open(repo.id).targets())


def _protocol(request: Request) -> str:
    given = request.headers.get("git-protocol", "")
    return given if _PROTOCOL.match(given) else ""


def _check_type(request: Request, service: str) -> None:
    if request.headers.get("content-type") != f"application/x-{service}-request":
        raise Invalid(f"This address takes what git sends, of the type application/x-{service}-request.")


routes = [
    Route(f"{prefix}/{{owner:segment}}/{{name:segment}}/{end}", endpoint, methods=[method])
    for prefix in ("", "/{kind:kind}")
    for end, endpoint, method in (
        ("info/refs", info_refs, "GET"),
        (UPLOAD, upload_pack, "POST"),
        (RECEIVE, receive_pack, "POST"),
    )
]
