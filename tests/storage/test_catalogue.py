"""The contract of the catalogue, and its migrations."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openshelf.domain.access import Access, access_to, read_scope
from openshelf.domain.facets import Facet
from openshelf.domain.names import RepoId, RepoKind
from openshelf.domain.people import ANONYMOUS, Account, AccountKind, Actor, Grant, Role, Token, TokenRole
from openshelf.domain.repos import Repo, Visibility
from openshelf.domain.tree import Blob
from openshelf.errors import ConfigurationError, StorageFault, Unavailable
from openshelf.storage import search
from openshelf.storage.catalogue import (
    Catalogue,
    accounts,
    blobs,
    events,
    facets,
    lists,
    migrate,
    refs,
    repos,
    schema,
    xorbs,
)
from openshelf.storage.catalogue.lists import Wanted
from openshelf.storage.catalogue.xorbs import XetFileRow, XorbRow
from tests.storage.backends import CATALOGUES

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
A, B = "aa" * 32, "bb" * 32


@pytest.fixture(params=sorted(CATALOGUES))
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    opened = CATALOGUES[request.param](tmp_path)
    yield opened
    opened.close()


def _account(name: str, kind: AccountKind = AccountKind.USER) -> Account:
    return Account(name, kind, name, name.title(), NOW)


def _repo(catalogue: Catalogue, owner: str, name: str, visibility: Visibility = Visibility.PUBLIC) -> Repo:
    with catalogue.write() as tx:
        if accounts.by_name(tx, owner) is None:
            accounts.insert(tx, _account(owner))
        repos.insert(
            tx,
            repo_id=f"id{owner}{name}",
            kind=RepoKind.MODEL,
            owner_id=owner,
            name=name,
            visibility=visibility,
            at=NOW,
        )
        repo = repos.by_name(tx, RepoKind.MODEL, RepoId(owner, name))
    assert repo is not None
    return repo


def test_the_migrations_give_the_schema(catalogue: Catalogue) -> None:
    assert migrate.differences(catalogue) == []
    assert migrate.current_revision(catalogue) == migrate.head_revision()


def test_a_new_catalogue_needs_no_backup(tmp_path: Path) -> None:
    catalogue = Catalogue.on_sqlite(tmp_path / "catalogue.db")
    assert migrate.upgrade(catalogue, tmp_path / "backups") is None
    assert migrate.upgrade(catalogue, tmp_path / "backups") is None
    assert not (tmp_path / "backups").exists()
    catalogue.close()


_NEXT = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9000", "{head}", None, None
def upgrade():
    op.execute("CREATE TABLE added (x INTEGER)")
    op.execute("{more}")
"""


@pytest.mark.parametrize(("more", "works"), [("SELECT 1", True), ("SELECT FROM nonsense", False)])
def test_an_upgrade_backs_up_first_and_is_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, works: bool
) -> None:
    catalogue = Catalogue.on_sqlite(tmp_path / "catalogue.db")
    migrate.upgrade(catalogue)
    with catalogue.write() as tx:
        accounts.insert(tx, _account("ada"))
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(migrate.__file__).parent / "migrations", scripts)
    (scripts / "versions" / "9000_next.py").write_text(_NEXT.format(head=migrate.head_revision(), more=more))
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    if works:
        assert migrate.upgrade(catalogue, tmp_path / "backups") is not None
    else:
        with pytest.raises(StorageFault):
            migrate.upgrade(catalogue, tmp_path / "backups")
    with catalogue.read() as tx:
        assert sa.inspect(tx).has_table("added") is works
    catalogue.close()
    (backup,) = (tmp_path / "backups").iterdir()
    copy = Catalogue.on_sqlite(backup)
    with copy.read() as tx:
        assert accounts.by_name(tx, "ada") is not None
        assert not sa.inspect(tx).has_table("added")
    copy.close()


def test_a_newer_catalogue_is_left_alone(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="written by a newer"):
        migrate.upgrade(catalogue)


def test_times_keep_their_microseconds_and_zone(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        accounts.insert(tx, _account("ada"))
    with catalogue.read() as tx:
        found = accounts.by_name(tx, "ADA")
    assert found is not None
    assert found.created_at == NOW


def test_an_error_undoes_the_transaction(catalogue: Catalogue) -> None:
    def insert_twice() -> None:
        with catalogue.write() as tx:
            accounts.insert(tx, _account("ada"))
            accounts.insert(tx, _account("Ada"))

    with pytest.raises(sa.exc.IntegrityError):
        insert_twice()
    with catalogue.read() as tx:
        assert accounts.by_name(tx, "ada") is None


def test_writers_take_turns(catalogue: Catalogue) -> None:
    def add(number: int) -> None:
        for step in range(10):
            with catalogue.write() as tx:
                value = int(events.get_meta(tx, "count") or 0)
                events.set_meta(tx, "count", str(value + 1))
                events.enqueue(tx, "job", f"{number}-{step}", {}, NOW)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.read() as tx:
        assert events.get_meta(tx, "count") == "40"
        assert events.count_waiting(tx) == 40


def test_names_are_found_in_any_case_and_after_a_move(catalogue: Catalogue) -> None:
    repo = _repo(catalogue, "Ada", "Model")
    with catalogue.write() as tx:
        repos.move(tx, repo, "Ada", "Renamed")
    with catalogue.read() as tx:
        assert repos.by_name(tx, RepoKind.MODEL, RepoId("ada", "model")) is None
        assert repos.by_name(tx, RepoKind.DATASET, RepoId("ada", "renamed")) is None
        former = repos.by_former_name(tx, RepoKind.MODEL, RepoId("ADA", "mODEL"))
    assert former is not None
    assert former.full_name == "Ada/Renamed"


def test_two_repos_cannot_have_one_name(catalogue: Catalogue) -> None:
    _repo(catalogue, "ada", "model")
    with pytest.raises(sa.exc.IntegrityError), catalogue.write() as tx:
        repos.insert(
            tx,
            repo_id="other",
            kind=RepoKind.MODEL,
            owner_id="ada",
            name="MODEL",
            visibility=Visibility.PUBLIC,
            at=NOW,
        )


def test_tags_and_search(catalogue: Catalogue) -> None:
    first, second = _repo(catalogue, "ada", "distilbert-small"), _repo(catalogue, "ada", "other")
    with catalogue.write() as tx:
        repos.set_facts(tx, first, {"license": "mit"}, ["license:mit", "PyTorch", "PyTorch"])
        for repo in (first, second):
            found = repos.by_id(tx, repo.id)
            assert found is not None
            search.index(tx, found, 'A "quoted" card über Bären')
    with catalogue.read() as tx:
        everything = read_scope(ANONYMOUS)
        tagged = lists.select(tx, everything, Wanted(tags=["LICENSE:mit", "pytorch"]))
        assert [r.name for r in lists.page(tx, tagged, limit=9)] == ["distilbert-small"]
        assert search.find(tx, "bert") == [first.seq]
        assert search.find(tx, 'über "quoted"') == [second.seq, first.seq]
        assert search.find(tx, 'bert" OR "other') == []
        assert search.find(tx, "ot") == [second.seq]
        assert search.find(tx, "% _") == []
        assert lists.select(tx, everything, Wanted(matching=[first.seq])).total == 1


def test_facets_narrow_and_are_counted_beside_each_other(catalogue: Catalogue) -> None:
    made = (("a", "mit", "torch"), ("b", "mit", "onnx"), ("c", "gpl", "torch"), ("d", "gpl", "keras"))
    for name, licence, framework in made:
        repo = _repo(catalogue, "ada", name)
        with catalogue.write() as tx:
            repos.set_facts(tx, repo, {}, [name], {"license": [licence], "framework": [framework]})
    wanted = Wanted(facets={Facet.LICENCE: ["mit"], Facet.FRAMEWORK: ["torch", "keras"]})
    with catalogue.read() as tx:
        selection = lists.select(tx, read_scope(ANONYMOUS), wanted)
        assert [repo.name for repo in lists.page(tx, selection, limit=9)] == ["a"]
        found = lists.counts(tx, selection, [Facet.LICENCE, Facet.FRAMEWORK], 9)
    # The licences of what is torch or keras; the frameworks of what is under MIT, and those chosen.
    assert found[Facet.LICENCE] == [("gpl", 2), ("mit", 1)]
    assert found[Facet.FRAMEWORK] == [("onnx", 1), ("torch", 1), ("keras", 0)]


@pytest.mark.parametrize("sort", sorted(lists.SORT_KEYS))
def test_pages_of_a_long_list_are_those_of_a_short_one(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    for number in range(7):
        _repo(catalogue, "ada", f"r{number}")
    with catalogue.read() as tx:
        selection = lists.select(tx, read_scope(ANONYMOUS), Wanted(kind=RepoKind.MODEL))
        short = [[repo.name for repo in lists.page(tx, selection, sort=sort, limit=3, offset=at)] for at in (0, 3, 6)]
        monkeypatch.setattr(lists, "_SORTED", 0)
        long = [[repo.name for repo in lists.page(tx, selection, sort=sort, limit=3, offset=at)] for at in (0, 3, 6)]
    assert long == short
    assert sorted(name for page in long for name in page) == [f"r{number}" for number in range(7)]


def test_sets_follow_every_change_of_a_repo(catalogue: Catalogue) -> None:
    first, second = _repo(catalogue, "ada", "first"), _repo(catalogue, "ada", "second")
    with catalogue.write() as tx:
        accounts.insert(tx, _account("bob"))
        repos.set_facts(tx, first, {}, ["Calm"], {"license": ["mit", "gpl"]})
        repos.set_facts(tx, first, {}, ["calm", "new"], {"license": ["gpl"]})
        repos.move(tx, first, "bob", "elsewhere")
        repos.update(tx, first.id, visibility=Visibility.PRIVATE.value)
        repos.delete(tx, second.id)
        assert facets.differing(tx) == 0
        assert list(facets.load(tx, None, "license", ["mit", "gpl"])) == [first.seq]
        assert not facets.load(tx, None, "license", ["mit"])
        before = list(facets.most_used(tx, None, facets.TAG, 9))
        tx.execute(schema.facet_sets.update().values(total=7))
        assert facets.differing(tx) > 0
        facets.rebuild(tx)
        assert facets.differing(tx) == 0
        assert list(facets.most_used(tx, None, facets.TAG, 9)) == before


def test_deleting_a_repo_takes_its_links_but_no_bytes(catalogue: Catalogue) -> None:
    repo = _repo(catalogue, "ada", "model")
    with catalogue.write() as tx:
        blobs.save(tx, Blob(A, 3), NOW, is_whole=True)
        blobs.link(tx, repo.id, [A], NOW)
        refs.record(tx, repo.id, "refs/heads/main", "0" * 40, NOW)
        repos.delete(tx, repo.id)
    with catalogue.read() as tx:
        assert blobs.get(tx, A) is not None
        assert blobs.links(tx, repo.id) == {}
        assert refs.recorded(tx, repo.id) == {}


def test_blobs_are_seen_through_links_only(catalogue: Catalogue) -> None:
    mine = _repo(catalogue, "ada", "mine", Visibility.PRIVATE)
    theirs = _repo(catalogue, "bob", "theirs", Visibility.PRIVATE)
    with catalogue.write() as tx:
        blobs.save(tx, Blob(A, 3), NOW, is_whole=True)
        blobs.save(tx, Blob(B, 4), NOW, xet_hash=b"x" * 32)
        blobs.link(tx, theirs.id, [A, B], NOW)
        blobs.link(tx, mine.id, [A], NOW)
        blobs.link(tx, mine.id, [A], NOW + timedelta(days=1))
    nobody = read_scope(ANONYMOUS)
    bob = read_scope(Actor(_account("bob"), {"bob": Role.ADMIN}))
    with catalogue.read() as tx:
        assert set(blobs.visible(tx, nobody, mine.id, [A, B])) == {A}
        assert set(blobs.visible(tx, bob, mine.id, [A, B])) == {A, B}
        assert set(blobs.linked(tx, mine.id, [A, B])) == {A}
        assert blobs.visible_by_xet_hash(tx, nobody, mine.id, b"x" * 32) is None
        assert blobs.visible_by_xet_hash(tx, nobody, theirs.id, b"x" * 32) is not None
        assert (blobs.owner_bytes(tx, "bob"), blobs.owner_bytes(tx, "ada")) == (7, 3)
        assert blobs.links(tx, mine.id) == {A: NOW + timedelta(days=1)}


def test_a_blob_never_loses_a_form_by_being_saved_again(catalogue: Catalogue) -> None:
    with catalogue.write() as tx:
        blobs.save(tx, Blob(A, 3), NOW, is_whole=True)
        blobs.forget_whole(tx, A)
        first = blobs.get(tx, A)
        blobs.save(tx, Blob(A, 3), NOW, xet_hash=b"x" * 32)
        blobs.save(tx, Blob(A, 3), NOW)
        second = blobs.get(tx, A)
        blobs.forget_whole(tx, A)
        third = blobs.get(tx, A)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.is_whole, first.xet_hash) == (True, None)
    assert (second.is_whole, second.xet_hash) == (True, b"x" * 32)
    assert (third.is_whole, third.xet_hash) == (False, b"x" * 32)


def test_xorbs_and_files(catalogue: Catalogue) -> None:
    repo = _repo(catalogue, "ada", "mine", Visibility.PRIVATE)
    row = XorbRow(b"x" * 32, 10, 20, b"index", NOW, NOW)
    with catalogue.write() as tx:
        assert xorbs.save(tx, row)
        assert not xorbs.save(tx, row)
        assert xorbs.save_file(tx, XetFileRow(b"f" * 32, 20, b"segments"), [row.hash, row.hash], NOW)
        assert not xorbs.save_file(tx, XetFileRow(b"f" * 32, 20, b"segments"), [row.hash], NOW)
        xorbs.save_dedup_chunks(tx, [(b"c" * 32, row.hash)])
        xorbs.save_dedup_chunks(tx, [(b"c" * 32, row.hash), (b"d" * 32, row.hash)])
        xorbs.touch(tx, [row.hash], NOW + timedelta(hours=1))
        xorbs.link(tx, repo.id, [row.hash], NOW)
    with catalogue.read() as tx:
        found = xorbs.get(tx, row.hash)
        assert found is not None
        assert found.used_at == NOW + timedelta(hours=1)
        assert xorbs.with_chunk(tx, b"d" * 32) == [row.hash]
        assert xorbs.file(tx, b"f" * 32) == XetFileRow(b"f" * 32, 20, b"segments")
        assert set(xorbs.visible(tx, None, repo.id, [row.hash])) == {row.hash}
        assert xorbs.visible(tx, read_scope(ANONYMOUS), "another", [row.hash]) == {}


def test_downloads_are_summed_over_thirty_days(catalogue: Catalogue) -> None:
    repo = _repo(catalogue, "ada", "model")
    with catalogue.write() as tx:
        repos.add_downloads(tx, {repo.id: 5, "gone": 1}, date(2026, 1, 1))
        repos.add_downloads(tx, {repo.id: 2}, date(2026, 1, 20))
        repos.add_downloads(tx, {repo.id: 1}, date(2026, 2, 10))
        found = repos.by_id(tx, repo.id)
        assert found is not None
        assert found.downloads == 3
        assert repos.downloads_since(tx, repo.id, date(2026, 2, 10), None) == 8


_OWNERS = ["me", "you", "lab"]
_ROLES = st.sampled_from(list(Role))
_grants = st.lists(st.builds(Grant, st.sampled_from([*_OWNERS, "idmea", "idyoua", "idlaba"]), _ROLES), max_size=3)


@st.composite
def _actors(draw: st.DrawFn) -> Actor:
    if draw(st.booleans()) and draw(st.booleans()):
        return ANONYMOUS
    account = Account(
        "me", AccountKind.USER, "me", "Me", NOW, is_admin=draw(st.booleans()), is_disabled=draw(st.booleans())
    )
    roles = {"me": Role.ADMIN} | draw(st.dictionaries(st.sampled_from(["lab"]), _ROLES))
    kind = draw(st.sampled_from([None, *TokenRole]))
    token = None
    if kind is not None:
        grants = tuple(draw(_grants)) if kind is TokenRole.FINE_GRAINED else ()
        token = Token("t", "me", "t", kind, "", NOW, grants=grants)
    return Actor(account, roles, {}, token)


@given(actor=_actors())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_rule_as_sql_and_as_sets_is_the_rule(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, actor: Actor
) -> None:
    with catalogue.read() as tx:
        known = repos.all_ids(tx)
    if not known:
        for owner in _OWNERS:
            for name, visibility in (("a", Visibility.PRIVATE), ("b", Visibility.PRIVATE), ("c", Visibility.PUBLIC)):
                repo = _repo(catalogue, owner, name, visibility)
                with catalogue.write() as tx:
                    repos.set_facts(tx, repo, {}, [], {"license": [name]})
    with catalogue.read() as tx:
        every = [found for repo_id in repos.all_ids(tx) if (found := repos.by_id(tx, repo_id))]
        scope = read_scope(actor)
        allowed = {repo.id for repo in every if access_to(actor, repo) >= Access.READ}
        assert set(tx.scalars(sa.select(schema.repos.c.id).where(repos.readable(scope)))) == allowed
        selection = lists.select(tx, scope, Wanted())
        seen = {repo.id for repo in lists.page(tx, selection, limit=100)}
        numbers = lists.counts(tx, selection, [Facet.LICENCE, Facet.OWNER], 9)
        monkeypatch.setattr(lists, "FEW", -1)
        assert lists.counts(tx, selection, [Facet.LICENCE, Facet.OWNER], 9) == numbers
        monkeypatch.undo()
    assert len(every) == 9
    assert seen == allowed
    assert selection.total == len(allowed)
    by_licence = Counter(repo.name for repo in every if repo.id in allowed)
    assert dict(numbers[Facet.LICENCE]) == by_licence
    assert dict(numbers[Facet.OWNER]) == Counter(repo.owner for repo in every if repo.id in allowed)


def test_a_damaged_catalogue_is_a_fault_of_storage(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.db"
    path.write_bytes(b"This is no database. " * 500)
    catalogue = Catalogue.on_sqlite(path)
    with pytest.raises(StorageFault, match="openshelf doctor"), catalogue.read() as tx:
        accounts.count_users(tx)
    catalogue.close()


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    catalogue = Catalogue.on_sqlite(tmp_path / "catalogue.db")
    migrate.upgrade(catalogue)

    def fill() -> None:
        with catalogue.write() as tx:
            tx.execute(sa.text("PRAGMA max_page_count = 1"))
            for number in range(2000):
                events.enqueue(tx, "job", str(number), {"filler": "x" * 1000}, datetime.now(UTC))

    with pytest.raises(Unavailable, match="disk"):
        fill()
    with catalogue.read() as tx:
        assert events.count_waiting(tx) == 0
    catalogue.close()
