"""Names of files and other parts of addresses that try to lead elsewhere."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from openshelf.services.hub import Hub
from tests.hubs import client_of
from tests.interfaces.web.visitors import Visitor, make_repo

OUTSIDE = [
    "../secret.key",
    "..%2f..%2f..%2fsecret.key",
    "%2e%2e/%2e%2e/secret.key",
    "%252e%252e/secret.key",
    "..%5c..%5csecret.key",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "a.txt%00.png",
    ".git/config",
    ".GIT/config",
    "%2egit/config",
    "%c0%ae%c0%ae/secret.key",
    "%ef%bc%8e%ef%bc%8e/secret.key",
    "a.txt/../../secret.key",
    "C:%5cwindows",
    "a.txt::$DATA",
    "link",
    "folder-link/passwd",
    quote("\u202ea.txt"),
    "x" * 5000,
    "/".join(["d"] * 200),
    "%ff%fe",
    "a.txt%0d%0aSet-Cookie:%20x=y",
]


@pytest.fixture
def visitor(hub: Hub, alice: Visitor) -> Visitor:
    make_repo(hub, "alice", "model", {"a.txt": b"harmless"})
    return alice


@pytest.mark.parametrize("path", OUTSIDE, ids=range(len(OUTSIDE)))
def test_no_path_leads_out_of_a_repo(visitor: Visitor, hub: Hub, path: str) -> None:
    secret = hub.storage.secret
    for what in ("resolve/main", "raw/main", "blob/main", "tree/main", "edit/main", "delete/main", "commits/main"):
        answer = visitor.client.get(f"/alice/model/{what}/{path}")
        assert answer.status_code < 500, what
        assert secret not in answer.content
        assert b"root:" not in answer.content
        assert "x" not in answer.cookies
    for address in (f"/api/models/alice/model/tree/main/{path}", f"/static/{path}", f"/api/models/alice/{path}"):
        answer = visitor.client.get(address, headers={"accept": "*/*"})
        assert answer.status_code < 500, address
        assert secret not in answer.content


@pytest.mark.parametrize("revision", ["../..", "--upload-pack=x", "main@{1}", "main:a.txt", "HEAD^{/x}", ":/x", "-"])
def test_a_revision_is_a_name_and_no_expression(visitor: Visitor, revision: str) -> None:
    encoded = quote(revision, safe="")
    for address in (f"/alice/model/resolve/{encoded}/a.txt", f"/alice/model/tree/{encoded}/x"):
        assert visitor.get(address).status_code in (400, 404), address
    answer = visitor.get(f"/api/models/alice/model/revision/{encoded}", accept="*/*")
    assert answer.status_code in (400, 404)


def test_links_inside_a_repo_are_not_followed(visitor: Visitor, hub: Hub) -> None:
    """A symbolic link is sent as the text that it is, whatever it points to."""
    import pygit2

    repo = make_repo(hub, "alice", "links", {"a.txt": b"harmless"})
    git = pygit2.Repository(str(hub.storage.repositories.path(repo.id)))
    target = git.create_blob(b"../../../secret.key")
    builder = git.TreeBuilder(git.revparse_single("main").peel(pygit2.Tree))
    builder.insert("link", target, pygit2.enums.FileMode.LINK)
    who = pygit2.Signature("alice", "alice@example.org")
    git.create_commit("refs/heads/main", who, who, "link", builder.write(), [git.revparse_single("main").id])
    for what in ("resolve", "raw", "blob"):
        answer = visitor.get(f"/alice/links/{what}/main/link")
        assert answer.status_code == 200
        assert hub.storage.secret not in answer.content
    assert visitor.get("/alice/links/resolve/main/link").content == b"../../../secret.key"


@pytest.mark.parametrize(
    "name",
    [
        'a"b.txt',
        "a\u0027;x.txt",
        "ä–日.txt",
        "a%0d%0a.txt",
        "a;filename=evil.exe",
        "'; drop.txt",
        "%s%n.txt",
        "a,b.txt",
    ],
)
def test_a_file_name_stays_one_value_in_its_header(hub: Hub, alice: Visitor, name: str) -> None:
    make_repo(hub, "alice", "model", {name: b"x"})
    answer = alice.get(f"/alice/model/resolve/main/{quote(name)}?download=true")
    assert answer.status_code == 200
    said = answer.headers["content-disposition"]
    assert said.startswith("attachment; filename*=UTF-8''" + quote(name, safe="") + '; filename="')
    assert said.count('"') == 2
    assert said.isascii()


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-" + "9" * 5000,
        "bytes=" + "9" * 5000 + "-",
        "bytes=-" + "9" * 5000,
        "bytes=-",
        "bytes=5-2",
        "bytes=\xb2-",
    ],
)
def test_ranges_of_any_length_are_no_fault(hub: Hub, alice: Visitor, value: str) -> None:
    make_repo(hub, "alice", "model", {"a.txt": b"harmless"})
    answer = alice.client.get("/alice/model/resolve/main/a.txt", headers={b"range": value.encode("latin-1")})
    assert answer.status_code in (200, 206, 416)


_LONG = "1" * 5000


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        (
            "POST",
            "/alice/model/info/lfs/objects/batch",
            '{"operation":"upload","objects":[{"oid":"' + "a" * 64 + f'","size":{_LONG}}}]}}',
        ),
        (
            "POST",
            "/alice/model/info/lfs/objects/batch",
            '{"operation":"upload","objects":[{"oid":"../../x","size":1}]}',
        ),
        ("POST", "/alice/model/info/lfs/objects/batch", "[" * 100_000),
        ("POST", "/api/models/alice/model/preupload/main", f'{{"files":[{{"path":"a","size":{_LONG},"sample":""}}]}}'),
        ("GET", f"/api/models?limit={_LONG}", ""),
        ("GET", f"/models?p={_LONG}&page={_LONG}", ""),
        ("GET", f"/api/models/alice/model/discussions/{_LONG}", ""),
        (
            "POST",
            "/api/validate-yaml",
            json.dumps({"content": f"---\nx: {_LONG}\nlicense: mit\n---\n", "repoType": "model"}),
        ),
        (
            "POST",
            "/api/validate-yaml",
            json.dumps({"content": "---\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n---\n", "repoType": "model"}),
        ),
        (
            "POST",
            "/api/validate-yaml",
            json.dumps({"content": "---\nx: !!python/object/apply:os.system [id]\n---\n", "repoType": "model"}),
        ),
    ],
    ids=range(10),
)
def test_numbers_and_nesting_beyond_reason_are_no_fault(hub: Hub, method: str, address: str, body: str) -> None:
    from openshelf.domain.people import TokenRole
    from openshelf.services import accounts, tokens

    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    secret = tokens.create(hub, accounts.find(hub, "alice"), "here", TokenRole.WRITE)[1]
    answer = client_of(hub, secret).request(method, address, content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500


def test_a_card_with_a_number_of_a_thousand_digits_is_shown(hub: Hub, alice: Visitor) -> None:
    card = f"---\nlicense: mit\nversion: {_LONG}\nmodel-index: [{{name: {_LONG}}}]\n---\n# Words\n".encode()
    make_repo(
        hub,
        "alice",
        "model",
        {"README.md": card, "n.json": f'{{"n": {_LONG}}}'.encode(), "t.csv": f"n\n{_LONG}\n".encode()},
    )
    for path in ("/alice/model", "/alice/model/blob/main/n.json", "/alice/model/blob/main/t.csv", "/models"):
        assert alice.get(path).status_code == 200, path


def test_compressed_requests_are_not_unpacked_where_nothing_asked_for_it(hub: Hub, alice: Visitor) -> None:
    import gzip

    make_repo(hub, "alice", "model", {"a.txt": b"x"})
    bomb = gzip.compress(b"0" * 50_000_000)
    for address in ("/alice/model/info/lfs/objects/batch", "/api/models/alice/model/commit/main", "/login"):
        answer = alice.client.post(address, content=bomb, headers={"content-encoding": "gzip", "accept": "*/*"})
        assert 400 <= answer.status_code < 500
