"""What is said of each error on its page: what happened, what to do next, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from openshelf import errors
from openshelf.domain.names import RepoKind
from openshelf.errors import OpenshelfError
from openshelf.interfaces.http.errors import public_message
from openshelf.interfaces.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Explained:
    """``detail`` comes from the hub in English where ``is_english``; ``ways`` are words with their addresses."""

    heading: str
    detail: str
    advice: str = ""
    ways: tuple[tuple[str, str], ...] = ()
    is_english: bool = False


def explain(visit: Visit, error: OpenshelfError, status: int) -> Explained:
    """A private repo and a missing one are told of in the same words."""
    match error:
        case errors.NotFound():
            return _missing(visit, error)
        case errors.AccessDenied() | errors.Conflict():
            return _refused(visit, error)
        case errors.LimitExceeded():
            return _too_much(visit, error)
        case errors.Unavailable() | errors.StorageFault():
            return _not_now(visit, error)
        case _:
            return _wrong(visit, error, status)


def _missing(visit: Visit, error: errors.NotFound) -> Explained:
    _ = visit.gettext
    match error:
        case errors.RepoNotFound() | errors.AccountNotFound():
            detail = _("No repository or person has this address, or it is private and you may not read it.")
            return Explained(_("There is nothing here that you can see"), detail)
        case errors.PageNotFound():
            detail = _("It ends before page %(number)s.") % {"number": error.number}
            to_start = (_("To its first page"), visit.request.scope["path"])
            return Explained(_("The list is shorter than that"), detail, ways=(to_start,))
        case errors.RevisionNotFound():
            detail = _("This repository has no branch, tag or commit called %(name)s.") % {"name": error.revision}
            advice = _("It may have been deleted or renamed since the link was made.")
            return Explained(_("There is no such version"), detail, advice, _in_repo(visit, "branches"))
        case errors.EntryNotFound():
            detail = _("There is no such file or folder in this version of the repository.")
            advice = _("It may have been moved or deleted; its history tells of it.")
            return Explained(_("There is no such file"), detail, advice, _in_repo(visit, "tree/main", "commits/main"))
        case _:
            detail = _("Nothing of this hub has the address %(address)s.") % {"address": visit.request.scope["path"]}
            return Explained(_("There is nothing at this address"), detail)


def _in_repo(visit: Visit, *views: str) -> tuple[tuple[str, str], ...]:
    """Ways on inside the repo of this address; none where the address names none."""
    _ = visit.gettext
    owner, name = visit.part("owner"), visit.part("name")
    if not owner or not name:
        return ()
    words = {"branches": _("All branches and tags"), "tree/main": _("All files"), "commits/main": _("The history")}
    kind = visit.request.path_params.get("kind")
    prefix = kind.url_prefix if isinstance(kind, RepoKind) else ""
    place = f"/{prefix}{quote(owner, safe='')}/{quote(name, safe='')}"
    return tuple((words[view], f"{place}/{view}") for view in views)


def _refused(visit: Visit, error: OpenshelfError) -> Explained:
    _ = visit.gettext
    detail = public_message(error)
    match error:
        case errors.NotSignedIn():
            return Explained(_("You are not signed in"), _("This can be done only by somebody who is signed in."))
        case errors.BadCredentials():
            return Explained(_("The hub does not know you"), detail, _("Sign in again."), is_english=True)
        case errors.AccessDenied():
            advice = _("If you need this, ask whoever owns it, or an administrator of this hub.")
            return Explained(_("You may not do this"), detail, advice, is_english=True)
        case errors.StaleParent():
            detail = _("The branch was changed by somebody else since you opened the page. Nothing was done.")
            advice = _("Go back, keep a copy of what you wrote, reload the page and do it again.")
            return Explained(_("Somebody was faster"), detail, advice)
        case _:
            advice = _("Nothing was done. Go back, reload the page to see how things are, and choose again.")
            return Explained(_("This is not possible as things are"), detail, advice, is_english=True)


def _too_much(visit: Visit, error: errors.LimitExceeded) -> Explained:
    _ = visit.gettext
    detail = public_message(error)
    match error:
        case errors.RateLimited():
            seconds = error.retry_after
            wait = visit.ngettext(
                "Wait %(num)s second, then reload the page.", "Wait %(num)s seconds, then reload the page.", seconds
            )
            said = _("More requests have come from you than this hub takes in a short time.")
            return Explained(_("Too many requests"), said, wait)
        case errors.QuotaExceeded():
            advice = _(
                "Nothing was stored. Make room by deleting what is not needed, or ask an administrator for more."
            )
            return Explained(_("The quota is used up"), detail, advice, is_english=True)
        case _:
            advice = _("Nothing was done. Send less at once; large files go best by the upload page or a client.")
            return Explained(_("This is more than the hub takes"), detail, advice, is_english=True)


def _not_now(visit: Visit, error: OpenshelfError) -> Explained:
    _ = visit.gettext
    detail = public_message(error)
    match error:
        case errors.ReadOnlyHub():
            said = _("Not now: this hub is read-only for maintenance")
            advice = _("You can read and download as always. Keep what you wrote and send it later.")
            return Explained(said, error.reason or _("Changes are refused until the maintenance is over."), advice)
        case errors.DiskFull():
            said = _("Nothing of what you sent was kept. What is stored already can be read.")
            advice = _("Tell an administrator of this hub, and try again when there is room.")
            return Explained(_("The disk of this hub is full"), said, advice)
        case errors.Unavailable():
            return Explained(_("Not now"), detail, _("Try again in half a minute."), is_english=True)
        case errors.DamagedBytes():
            said = _("What this hub has stored of this file was damaged on its disk, so it is not sent.")
            advice = _("The administrators can see it. Whoever has the file can mend it by uploading it again.")
            return Explained(_("This file is damaged"), said, advice)
        case _:
            said = _("The hub cannot read what it has stored. The fault is logged.")
            return Explained(_("Something went wrong in the hub"), said, _("Try again later."))


def _wrong(visit: Visit, error: OpenshelfError, status: int) -> Explained:
    _ = visit.gettext
    if status == 405:
        said = _("This address does not take requests of this kind (%(method)s).") % {"method": visit.request.method}
        to_page = (_("Open the page instead"), visit.request.scope["path"])
        return Explained(_("This cannot be done here"), said, _("Nothing was done."), (to_page,))
    if status < 500:
        advice = _("Nothing was done. Go back and try again; if a link brought you here, it is broken.")
        return Explained(_("The hub does not understand this request"), public_message(error), advice, is_english=True)
    if isinstance(error, errors.Unsupported):
        return Explained(_("This hub does not offer that"), public_message(error), is_english=True)
    said = _("The fault is the hub's, and it is in its log. Nothing of yours is lost by it.")
    return Explained(_("Something went wrong in the hub"), said, _("Try again in a minute."))
