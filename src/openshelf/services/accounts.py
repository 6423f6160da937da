"""Users, organisations, passwords, sessions and invitations; and who an actor is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import argon2
import structlog

from openshelf.domain.access import may_administer_hub
from openshelf.domain.events import Event, EventKind
from openshelf.domain.names import check_account_name, check_text
from openshelf.domain.people import (
    Account,
    AccountKind,
    Actor,
    Invite,
    Membership,
    Role,
    Session,
    Token,
)
from openshelf.domain.repos import Visibility
from openshelf.errors import (
    AccountNotFound,
    AlreadyExists,
    BadCredentials,
    Conflict,
    Forbidden,
    Invalid,
)
from openshelf.services.hub import Hub, now
from openshelf.services.limits import network_of
from openshelf.services.passwords import MAX_PASSWORD, check_password
from openshelf.services.tokens import hash_secret, recognise
from openshelf.storage.catalogue import accounts, credentials, events
from openshelf.storage.catalogue.ids import new_id

MAX_FULL_NAME = 100
MAX_BIO = 500
MAX_BIO_LINES = 8
MAX_WEBSITE = 200
_TOUCH_AFTER = timedelta(minutes=5)
_ADDRESSES_PER_ACCOUNT = 10

# A host with a dot or a port, then anything that needs no quoting; no user name, which would hide where it leads.
_WEBSITE = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:[/?#][\w.~:/?#@!$&'()*+,;=%\[\]-]*)?", re.ASCII)

log = structlog.get_logger("openshelf.accounts")

_hasher = argon2.PasswordHasher()
_decoy = _hasher.hash(secrets.token_hex(16))


def is_new(hub: Hub) -> bool:
    """Whether nobody has an account yet: the first user becomes administrator."""
    with hub.storage.catalogue.read() as tx:
        return accounts.count_users(tx) == 0


def create_user(
    hub: Hub,
    name: str,
    password: str,
    *,
    full_name: str = "",
    email: str | None = None,
    is_admin: bool = False,
    only_first: bool = False,
    is_random: bool = False,
) -> Account:
    """A new user. The first one of a hub is administrator whatever ``is_admin`` says.

    ``only_first`` raises Conflict where there is one already. ``is_random``: the hub has drawn the password itself.
    """
    check_account_name(name)
    check_full_name(full_name)
    if not is_random:
        check_password(password, (name, full_name, email or "", hub.settings.hub_name))
    hashed = _hasher.hash(password)
    with hub.storage.catalogue.write() as tx:
        if only_first and accounts.count_users(tx):
            raise Conflict("This hub has its administrator already; sign in instead.")
        if accounts.by_name(tx, name):
            raise AlreadyExists(f"The name {name} is taken; choose another.", name)
        account = Account(
            id=new_id(),
            kind=AccountKind.USER,
            name=name,
            full_name=full_name.strip() or name,
            created_at=now(),
            email=email,
            is_admin=is_admin or accounts.count_users(tx) == 0,
            default_visibility=Visibility(hub.settings.default_visibility),
        )
        accounts.insert(tx, account, hashed)
        events.append(tx, Event(EventKind.ACCOUNT_CREATED, account.created_at, account.id, data={"name": name}))
    return account


def create_organisation(
    hub: Hub, name: str, owner: Account, *, full_name: str = "", default_visibility: Visibility | None = None
) -> Account:
    """A new organisation with ``owner`` as its first member, in the role admin."""
    check_account_name(name)
    check_full_name(full_name)
    if owner.kind is not AccountKind.USER:
        raise Invalid(f"{owner.name} is an organisation; an organisation is owned by a user.")
    with hub.storage.catalogue.write() as tx:
        if accounts.by_name(tx, name):
            raise AlreadyExists(f"The name {name} is taken; choose another.", name)
        account = Account(
            id=new_id(),
            kind=AccountKind.ORGANISATION,
            name=name,
            full_name=full_name.strip() or name,
            created_at=now(),
            default_visibility=default_visibility or Visibility(hub.settings.default_visibility),
        )
        accounts.insert(tx, account)
        accounts.set_membership(tx, account.id, owner.id, Role.ADMIN)
        events.append(tx, Event(EventKind.ACCOUNT_CREATED, account.created_at, owner.id, data={"name": name}))
    return account


def set_member(hub: Hub, organisation: Account, user: Account, role: Role | None) -> None:
    """Give ``user`` a role in the organisation; None removes them. The last admin stays."""
    if organisation.kind is not AccountKind.ORGANISATION or user.kind is not AccountKind.USER:
        raise Invalid("Members are users, and only organisations have them.")
    with hub.storage.catalogue.write() as tx:
        admins = {m.user_id for m in accounts.members_of(tx, organisation.id) if m.role is Role.ADMIN}
        if admins == {user.id} and role is not Role.ADMIN:
            raise Conflict(f"{user.name} is the last admin of {organisation.name}; make somebody else admin first.")
        if role is None:
            accounts.remove_membership(tx, organisation.id, user.id)
        else:
            accounts.set_membership(tx, organisation.id, user.id, role)
        data = {"organisation": organisation.name, "user": user.name, "role": role.value if role else None}
        events.append(tx, Event(EventKind.MEMBERS_CHANGED, now(), user.id, data=data))


def find(hub: Hub, name: str) -> Account:
    """Raises AccountNotFound."""
    with hub.storage.catalogue.read() as tx:
        account = accounts.by_name(tx, name)
    if account is None:
        raise AccountNotFound(name)
    return account


def search(hub: Hub, query: str, limit: int = 20) -> list[Account]:
    """Users and organisations whose name holds ``query``, in order of name."""
    with hub.storage.catalogue.read() as tx:
        return accounts.find(tx, search=query, limit=limit)


def members(hub: Hub, organisation: Account) -> list[Membership]:
    with hub.storage.catalogue.read() as tx:
        return list(accounts.members_of(tx, organisation.id))


def memberships(hub: Hub, user: Account) -> list[Membership]:
    with hub.storage.catalogue.read() as tx:
        return list(accounts.memberships_of(tx, user.id))


def actor_of(hub: Hub, account: Account, token: Token | None = None) -> Actor:
    """The actor that ``account`` is, with the roles it holds."""
    with hub.storage.catalogue.read() as tx:
        held = accounts.memberships_of(tx, account.id)
    return _actor(account, held, token)


def _actor(account: Account, held: Sequence[Membership], token: Token | None) -> Actor:
    roles = {account.id: Role.ADMIN} | {m.organisation_id: m.role for m in held}
    return Actor(account, roles, {m.organisation_id: m.organisation for m in held}, token)


def actor_by_token(hub: Hub, secret: str) -> Actor:
    """Raises BadCredentials."""
    account, token, held = recognise(hub, secret)
    return _actor(account, held, token)


def actor_by_session(hub: Hub, secret: str) -> tuple[Actor, Session] | None:
    """The signed-in actor, or None where the session is unknown or over."""
    with hub.storage.catalogue.read() as tx:
        session = credentials.session_by_hash(tx, hash_secret(secret))
        account = accounts.by_id(tx, session.account_id) if session else None
    moment = now()
    if session is None or account is None or account.is_disabled or session.expires_at < moment:
        return None
    idle = timedelta(days=hub.settings.session_idle_days)
    # A hub in read-only mode notes no use, so nobody is blamed for it.
    if idle and moment - session.last_used_at > idle and not hub.is_read_only:
        return None
    if moment - session.last_used_at > _TOUCH_AFTER and not hub.is_read_only:
        with hub.storage.catalogue.write() as tx:
            credentials.touch_session(tx, session.id, moment)
    return actor_of(hub, account), session


def sign_in(hub: Hub, name: str, password: str, *, address: str = "", user_agent: str = "") -> tuple[Actor, str]:
    """Check a password; returns the actor and the secret of a new session.

    Raises BadCredentials, with one message whether the name or the password is wrong, and RateLimited.
    """
    account = verify_password(hub, name, password, address=address)
    log.info("signed in", name=account.name, address=address)
    return actor_of(hub, account), start_session(hub, account, user_agent)


def verify_password(hub: Hub, name: str, password: str, *, address: str = "") -> Account:
    limit, message = hub.settings.rate_limit_sign_in, "Too many failed sign-ins."
    # One address alone cannot shut somebody else out: an account takes more before it is closed for everybody.
    keys = {f"@{network_of(address)}": limit} if address else {}
    keys[f"name {name.lower()[:64]}"] = limit * _ADDRESSES_PER_ACCOUNT
    # Counted before the slow hash and given back after it, so that attempts at the same time are counted too.
    for key, most in keys.items():
        hub.sign_in_limits.take(key, most, message)
    with hub.storage.catalogue.read() as tx:
        account = accounts.by_name(tx, name)
        hashed = accounts.password_hash(tx, account.id) if account else None
    try:
        # The decoy makes an unknown name cost the same time as a wrong password.
        _hasher.verify(hashed or _decoy, password[:MAX_PASSWORD])
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        account = None
    if account is None or hashed is None or account.is_disabled:
        log.warning("sign-in refused", name=name[:64], address=address)
        raise BadCredentials("The name or the password is wrong.")
    for key in keys:
        hub.sign_in_limits.give_back(key)
    return account


def start_session(hub: Hub, account: Account, user_agent: str = "") -> str:
    """A new session's secret, for the cookie."""
    secret, moment = secrets.token_urlsafe(32), now()
    ends = moment + timedelta(days=hub.settings.session_days)
    session = Session(new_id(), account.id, moment, moment, ends, user_agent[:200])
    with hub.storage.catalogue.write() as tx:
        credentials.delete_expired(tx, moment)
        credentials.insert_session(tx, session, hash_secret(secret))
    return secret


def sign_out(hub: Hub, secret: str) -> None:
    with hub.storage.catalogue.write() as tx:
        session = credentials.session_by_hash(tx, hash_secret(secret))
        if session:
            credentials.delete_session(tx, session.account_id, session.id)


def sessions(hub: Hub, account: Account) -> list[Session]:
    with hub.storage.catalogue.read() as tx:
        return credentials.sessions_of(tx, account.id)


def end_session(hub: Hub, account: Account, session_id: str) -> None:
    with hub.storage.catalogue.write() as tx:
        credentials.delete_session(tx, account.id, session_id)


def end_other_sessions(hub: Hub, account: Account, secret: str) -> int:
    """End every session of the account but the one that ``secret`` belongs to; returns how many."""
    with hub.storage.catalogue.write() as tx:
        mine = credentials.session_by_hash(tx, hash_secret(secret))
        others = [s for s in credentials.sessions_of(tx, account.id) if mine is None or s.id != mine.id]
        for session in others:
            credentials.delete_session(tx, account.id, session.id)
    return len(others)


def change_password(hub: Hub, account: Account, password: str) -> None:
    """Set a password and end every session of the account."""
    check_password(password, (account.name, account.full_name, account.email or "", hub.settings.hub_name))
    hashed = _hasher.hash(password)
    with hub.storage.catalogue.write() as tx:
        accounts.update(tx, account.id, password_hash=hashed)
        credentials.delete_sessions_of(tx, account.id)


def invite(hub: Hub, actor: Actor) -> tuple[Invite, str]:
    """An invitation to make an account, and its secret. Administrators only."""
    if not may_administer_hub(actor) or actor.account is None:
        raise Forbidden("Only administrators of this hub can invite people.")
    secret, moment = secrets.token_urlsafe(24), now()
    invitation = Invite(new_id(), actor.account.id, moment, moment + timedelta(days=hub.settings.invite_days))
    with hub.storage.catalogue.write() as tx:
        credentials.insert_invite(tx, invitation, hash_secret(secret))
    return invitation, secret


def register(
    hub: Hub,
    name: str,
    password: str,
    *,
    full_name: str = "",
    email: str | None = None,
    invitation: str = "",
    address: str = "",
) -> Account:
    """Make one's own account, as the setting ``registration`` allows. Raises Forbidden where it does not.

    Attempts from one ``address`` are counted against ``rate_limit_sign_in``: each costs a slow hash.
    """
    hub.check_writable()
    found = check_registration(hub, invitation)
    if address:
        key, limit = f"register@{network_of(address)}", hub.settings.rate_limit_sign_in
        hub.sign_in_limits.take(key, limit, "Too many attempts to make an account.")
    account = create_user(hub, name, password, full_name=full_name, email=email)
    if found:
        with hub.storage.catalogue.write() as tx:
            credentials.use_invite(tx, found.id, account.id)
    return account


def check_registration(hub: Hub, invitation: str = "") -> Invite | None:
    """The invitation to be used, or None where none is needed. Raises Forbidden where ``register`` would."""
    if hub.settings.registration == "open":
        return None
    if hub.settings.registration == "closed":
        raise Forbidden("This hub takes no registrations; ask its administrator for an account.")
    with hub.storage.catalogue.read() as tx:
        found = credentials.invite_by_hash(tx, hash_secret(invitation)) if invitation else None
    if found is None or found.used_by or found.expires_at < now():
        raise Forbidden("This invitation is unknown, used or too old; ask the administrator for a new one.")
    return found


def update(hub: Hub, account: Account, **values: object) -> Account:
    """Change ``full_name``, ``bio``, ``website``, ``email``, ``is_admin``, ``is_disabled``, ``quota_bytes`` or
    ``default_visibility``. Raises Invalid."""
    allowed = {"full_name", "bio", "website", "email", "is_admin", "is_disabled", "quota_bytes", "default_visibility"}
    if unknown := set(values) - allowed:
        raise ValueError(f"not to be changed: {unknown}")
    check_full_name(str(values.get("full_name", "")))
    check_bio(str(values.get("bio", "")))
    check_website(str(values.get("website", "")))
    with hub.storage.catalogue.write() as tx:
        accounts.update(tx, account.id, **values)
    return replace(account, **values)  # type: ignore[arg-type]


def check_full_name(full_name: str) -> None:
    """Raises Invalid for a name that would not fit on one line."""
    if len(full_name) > MAX_FULL_NAME or not full_name.isprintable():
        raise Invalid(f"A full name is one line of at most {MAX_FULL_NAME} characters.")


def check_bio(bio: str) -> None:
    """Raises Invalid for more than a few lines of text."""
    check_text(bio, "What you say about yourself")
    if len(bio) > MAX_BIO or bio.count("\n") > MAX_BIO_LINES:
        raise Invalid(f"At most {MAX_BIO} characters in {MAX_BIO_LINES} lines fit on a profile.")


def check_website(website: str) -> None:
    """Raises Invalid for what is no web address; an empty one is none."""
    if website and (len(website) > MAX_WEBSITE or not _WEBSITE.fullmatch(website)):
        raise Invalid(f"A website begins with https:// or http:// and has at most {MAX_WEBSITE} characters.")
