"""What lies under all pages: assets, errors, languages, compression, the description of the API."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

import openshelf.interfaces.web as web
from openshelf.interfaces.web import assets, languages, templating
from openshelf.interfaces.web.errors import is_for_people
from openshelf.interfaces.web.pages.reference import groups
from openshelf.services.hub import Hub
from tests.hubs import make_hub
from tests.interfaces.web.visitors import Visitor, elements, make_repo

FOLDER = Path(web.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
PAGE_BUDGET = 50_000


def test_assets_are_named_by_content_and_kept_for_ever(stranger: Visitor) -> None:
    for asset in assets.assets().values():
        answer = stranger.get(asset.address)
        assert answer.content == asset.content
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        packed = stranger.get(asset.address, **{"accept-encoding": "gzip"})
        assert packed.content == asset.content
        assert packed.headers["content-encoding"] == "gzip"
    assert stranger.get("/static/openshelf.000000000000.css").status_code == 404
    assert stranger.get("/static/..%2Fvisit.py").status_code == 404


def test_pages_name_nothing_of_another_origin(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model", {"README.md": b"# Model\n\n![badge](https://example.org/badge.svg)\n"})
    for path in ("/", "/alice/model", "/docs/api", "/settings/tokens"):
        for element in elements(alice.text(path)):
            assert element.attributes.get("src", "/").startswith("/")
            if element.tag == "link":
                assert element.attributes["href"].startswith("/static/")
    for asset in assets.assets().values():
        assert b"url(" not in asset.content
        assert b"@import" not in asset.content


def test_a_page_fits_the_budget(hub: Hub, alice: Visitor) -> None:
    make_repo(hub, "alice", "model")
    """What goes over the line to somebody who has seen nothing yet: every browser takes it packed."""
    shared = sum(len(assets.assets()[name].packed) for name in ("openshelf.css", "openshelf.js", "openshelf.svg"))
    for path in ("/", "/alice/model", "/models", "/settings/tokens", "/login"):
        assert shared + len(gzip.compress(alice.get(path).content)) < PAGE_BUDGET, path


def test_pages_are_compressed_for_those_who_ask(stranger: Visitor) -> None:
    plain = stranger.get("/models")
    assert "content-encoding" not in plain.headers
    with stranger.client.stream("GET", "/models", headers={"accept-encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join(answer.iter_raw())
    assert len(raw) < len(plain.content) / 2
    assert gzip.decompress(raw).startswith(b"<!doctype html>")


def test_head_has_no_body(stranger: Visitor) -> None:
    answer = stranger.client.head("/models")
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 1000


def test_errors_are_pages_for_people_and_json_for_programs(hub: Hub, alice: Visitor, stranger: Visitor) -> None:
    make_repo(hub, "alice", "model")
    paths = {"/nothing": 404, "/nothing/here": 404, "/a/b/c/d/e": 404, "/alice/model/blob/main/gone.txt": 404}
    paths |= {"/alice/model/tree/gone": 404, "/alice/model/resolve/main/gone.txt": 404, "/static/x": 404}
    for path, status in paths.items():
        page = stranger.get(path)
        assert page.status_code == status, path
        program = stranger.get(path, accept="*/*")
        assert program.headers["content-type"] == "application/json", path
        assert "error" in program.json()
        if path != "/static/x":
            assert page.headers["content-type"] == "text/html; charset=utf-8", path
            assert 'action="/search"' in page.text
            assert "Sign in" in page.text
            assert 'class="who">alice' in alice.get(path).text, path
    assert stranger.get("/api/nothing").headers["content-type"] == "application/json"
    assert 'value="here"' in stranger.get("/nothing/here").text


def test_reserved_words_are_not_owners(stranger: Visitor) -> None:
    for path in ("/api/nothing", "/settings/nothing", "/datasets/nothing"):
        answer = stranger.get(path, accept="application/json")
        assert answer.status_code == 404, path


def test_too_many_requests_say_when_to_come_back(tmp_path: Path) -> None:
    hub = make_hub(tmp_path, rate_limit_anonymous=2)
    visitor = Visitor(hub)
    answers = [visitor.get("/models") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert "Too many requests" in answers[2].text
    hub.storage.close()


def test_a_fault_is_told_with_its_request_id(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(hub)
    visitor.client = type(visitor.client)(
        visitor.client.app, raise_server_exceptions=False, headers={"accept": "text/html"}
    )

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("openshelf.services.repos.search_repos", fail)
    answer = visitor.get("/models")
    assert answer.status_code == 500
    assert "Something went wrong in the hub" in answer.text
    assert "secret detail" not in answer.text
    assert answer.headers["x-request-id"] in answer.text


def test_a_read_only_hub_says_so(hub: Hub, furnished: Path, tmp_path: Path) -> None:
    hub.storage.close()
    closed = make_hub(tmp_path, read_only=True)
    visitor = Visitor(closed, "alice")
    assert "read-only at the moment" in visitor.text("/")
    answer = visitor.submit("/new", kind="model", owner="alice", name="x", visibility="public")
    assert answer.status_code == 503
    assert "Not now" in answer.text
    closed.storage.close()


def test_the_name_of_the_hub_is_the_operators(hub: Hub, tmp_path: Path) -> None:
    hub.storage.close()
    named = make_hub(tmp_path, hub_name="City <Library>")
    assert "City &lt;Library&gt;" in Visitor(named).text("/models")
    named.storage.close()


def test_every_template_compiles_and_every_text_can_be_translated() -> None:
    messages = {message for _file, _line, message, *_ in extracted()}
    assert len(messages) > 200
    assert "Search this hub" in messages
    assert ("%(n)s download", "%(n)s downloads") in messages
    language = languages.choose("en")
    for path in sorted((FOLDER / "templates").glob("*.html")):
        templating.environment(language).get_template(path.name)


def test_a_catalogue_is_spoken_as_soon_as_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
        'msgid "Models"\nmsgstr "Modelle"\n\n'
        'msgid "%(n)s download"\nmsgid_plural "%(n)s downloads"\nmsgstr[0] "%(n)s Abruf"\nmsgstr[1] "%(n)s Abrufe"\n',
        encoding="utf-8",
    )
    for header in ("de", "de-AT,en;q=0.5", "fr;q=0.9, de;q=0.8, en;q=0.7"):
        assert languages.choose(header, tmp_path).tag == "de", header
    for header in ("", "fr", "en,de;q=0.9", "*", "de;q=0", ";;;,,q=", "x" * 5000):
        assert languages.choose(header, tmp_path).tag == "en", header
    german = languages.choose("de", tmp_path)
    environment = templating.environment(german)
    template = environment.from_string('{{ _("Models") }} {{ ngettext("%(n)s download", "%(n)s downloads", 2, n=x) }}')
    assert template.render(x="<2>") == "Modelle &lt;2&gt; Abrufe"
    assert environment.from_string("{{ 1234567|count }}").render() == '<span title="1.234.567">1,2\xa0Mio.</span>'
    assert environment.from_string('{{ _("Datasets") }}').render() == "Datasets"


def test_times_and_numbers_carry_the_exact_ones() -> None:
    environment = templating.environment(languages.choose("en"))
    moment = datetime.now(UTC) - timedelta(days=3)
    html = environment.from_string("{{ moment|ago }}").render(moment=moment)
    assert html.startswith(f'<time datetime="{moment.isoformat(timespec="seconds")}" title="')
    assert html.endswith(">3 days ago</time>")
    assert environment.from_string("{{ 9999|count }}").render() == "9,999"
    assert environment.from_string("{{ 1234567|count }}").render() == '<span title="1,234,567">1.2M</span>'


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    environment = templating.environment(languages.choose("en"))
    with pytest.raises(Exception, match="'nothing' is undefined"):
        environment.from_string("{{ nothing }}").render()


def test_the_api_is_described_by_the_server(stranger: Visitor) -> None:
    page = stranger.text("/docs/api")
    assert "/api/repos/create" in page
    described = stranger.get("/openapi.json", accept="application/json").json()
    count = sum(len(group.routes) for group in groups(described))
    assert page.count('class="route"') == count > 20


def test_people_are_told_from_programs() -> None:
    from starlette.requests import Request

    def asks(path: str, accept: str) -> bool:
        scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"accept", accept.encode())]}
        return is_for_people(Request(scope))

    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert asks("/alice/model", browser)
    assert not asks("/alice/model", "*/*")
    assert not asks("/api/models", browser)


def extracted() -> list[tuple[str, int, object, list[str], str | None]]:
    """Every message of the pages, in Python and in templates."""
    with (FOLDER / "locales/babel.cfg").open(encoding="utf-8") as mapping:
        ways, options = parse_mapping_cfg(mapping)  # type: ignore[no-untyped-call]
    return list(extract_from_dir(FOLDER, ways, options, keywords=KEYWORDS))
