"""``openshelf admin``."""

from __future__ import annotations

from pathlib import Path

import pytest

from openshelf.app import open_hub
from openshelf.domain.people import TokenRole
from openshelf.errors import BadCredentials
from openshelf.services import accounts, tokens
from openshelf.settings import Settings
from tests.interfaces.cli.commands import PASSWORD, Commands


def test_the_first_user_is_administrator_and_passwords_work(commands: Commands) -> None:
    hub = open_hub(Settings(data=commands.data))
    try:
        assert accounts.verify_password(hub, "ada", PASSWORD).is_admin
        bob = accounts.verify_password(hub, "bob", PASSWORD)
        assert (bob.is_admin, bob.full_name) == (False, "Bob B")
    finally:
        hub.storage.close()
    listed = commands.try_run("admin", "user", "list", "--json").json
    assert [(user["name"], user["is_admin"]) for user in listed] == [("ada", True), ("bob", False)]
    assert "ada" in commands.run("admin", "user", "list")


def test_users_are_changed(commands: Commands) -> None:
    commands.run("admin", "user", "password", "bob", "--password-stdin", stdin="another password\n")
    commands.run("admin", "user", "admin", "bob")
    commands.run("admin", "user", "disable", "ada")
    hub = open_hub(Settings(data=commands.data))
    try:
        assert accounts.verify_password(hub, "bob", "another password").is_admin
        with pytest.raises(BadCredentials):
            accounts.verify_password(hub, "ada", PASSWORD)
    finally:
        hub.storage.close()
    commands.run("admin", "user", "enable", "ada")
    states = commands.try_run("admin", "user", "list", "--json").json
    assert [user["is_disabled"] for user in states] == [False, False]


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("user", "create", "eve", "--password-stdin"), "short\n", 1, "at least 10 characters"),
        (("user", "create", "eve", "--password-stdin"), "", 1, "at least 10 characters"),
        (("user", "create", "eve"), "", 2, "--password-stdin"),
        (("user", "create", "ADA", "--password-stdin"), "a long password\n", 1, "taken"),
        (("user", "create", "docs", "--password-stdin"), "a long password\n", 1, "uses this word"),
        (("user", "disable", "nobody"), "", 1, "no user or organisation called nobody"),
        (("org", "create", "lab"), "", 2, "--owner"),
        (("org", "create", "lab", "--owner", "nobody"), "", 1, "nobody"),
        (("token", "create", "ada", "--name", "x", "--role", "admin"), "", 2, "--role"),
        (("token", "create", "ada", "--name", "x", "--role", "read", "--value", "short"), "", 1, "16 to 256"),
        (("token", "revoke", "ada", "nothing"), "", 1, "no token called 'nothing'"),
        (("quota", "set", "ada", "plenty"), "", 1, "not a size"),
        (("quota", "set", "ada", "0"), "", 2, "none"),
        (("invite", "--by", "bob"), "", 1, "administrators"),
    ],
)
def test_what_cannot_be_done_is_said(
    commands: Commands, arguments: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    assert says in commands.fail("admin", *arguments, stdin=stdin, code=code)


def test_organisations(commands: Commands) -> None:
    commands.run("admin", "org", "create", "lab", "--owner", "ada", "--default-visibility", "private")
    commands.run("admin", "org", "add", "lab", "bob", "--role", "read")
    commands.run("admin", "org", "add", "LAB", "Bob", "--role", "write")
    listed = commands.try_run("admin", "org", "members", "lab", "--json").json
    assert listed == [{"user": "ada", "role": "admin"}, {"user": "bob", "role": "write"}]
    assert "last admin" in commands.fail("admin", "org", "remove", "lab", "ada")
    commands.run("admin", "org", "remove", "lab", "bob")
    assert "bob" not in commands.run("admin", "org", "members", "lab")
    hub = open_hub(Settings(data=commands.data))
    try:
        assert accounts.find(hub, "lab").default_visibility.value == "private"
    finally:
        hub.storage.close()


def test_a_token_is_alone_on_standard_output(commands: Commands) -> None:
    said = commands.try_run("admin", "token", "create", "ada", "--name", "laptop", "--role", "write")
    secret = said.out.removesuffix("\n")
    assert (secret.startswith("osh_"), secret.split()) == (True, [secret])
    taken = "hf_" + "a" * 34
    mine = commands.run("admin", "token", "create", "bob", "--name", "old", "--role", "read", "--value", taken)
    assert mine == taken + "\n"
    hub = open_hub(Settings(data=commands.data))
    try:
        assert tokens.recognise(hub, secret)[1].role is TokenRole.WRITE
        assert tokens.recognise(hub, taken)[0].name == "bob"
    finally:
        hub.storage.close()
    assert "in use" in commands.fail(
        "admin", "token", "create", "ada", "--name", "b", "--role", "read", "--value-stdin", stdin=taken + "\n"
    )
    listed = commands.try_run("admin", "token", "list", "ada", "--json")
    assert [token["name"] for token in listed.json] == ["laptop"]
    assert secret not in listed.out
    commands.run("admin", "token", "revoke", "ada", "laptop")
    assert commands.try_run("admin", "token", "list", "ada", "--json").json == []


def test_quotas(commands: Commands) -> None:
    assert commands.try_run("admin", "quota", "show", "bob", "--json").json["quota_bytes"] == 0
    commands.run("admin", "quota", "set", "bob", "1.5GB")
    assert commands.try_run("admin", "quota", "show", "bob", "--json").json["quota_bytes"] == 1_500_000_000
    assert "1.50 GB" in commands.run("admin", "quota", "show", "bob")
    commands.run("admin", "quota", "set", "bob", "none")
    assert "as much as there is room" in commands.run("admin", "quota", "show", "bob")
    commands.run("admin", "quota", "set", "bob", "default")
    assert "the hub's default" in commands.run("admin", "quota", "show", "bob")


def test_an_invitation_is_used_once(commands: Commands) -> None:
    secret = commands.run("admin", "invite").strip()
    hub = open_hub(Settings(data=commands.data, registration="invite"))
    try:
        accounts.register(hub, "carol", PASSWORD, invitation=secret)
    finally:
        hub.storage.close()


def test_only_a_user_may_make_the_data_folder(tmp_path: Path) -> None:
    nowhere = Commands(tmp_path / "typo")
    assert "is not an Openshelf data folder" in nowhere.fail("admin", "user", "list", code=2)
    assert not nowhere.data.exists()
    nowhere.run("admin", "user", "create", "ada", "--password-stdin", stdin=PASSWORD)
    assert nowhere.data.stat().st_mode & 0o777 == 0o700
