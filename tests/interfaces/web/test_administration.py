"""The administrators' pages: for them alone, and what they do."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from openshelf.domain.names import RepoKind
from openshelf.domain.repos import Repo
from openshelf.domain.tree import Blob
from openshelf.errors import ReadOnlyHub
from openshelf.services import accounts, garbage_runs, jobs, push, quotas, repos, usage
from openshelf.services.hub import Hub, now
from openshelf.storage.catalogue import blobs, damages, events
from openshelf.storage.jobs import JobState
from tests.hubs import PASSWORD, actor
from tests.interfaces.web.visitors import Visitor

PAGES = [
    "/administration",
    "/administration/users",
    "/administration/organizations",
    "/administration/storage",
    "/administration/jobs",
    "/administration/health",
    "/administration/quotas/bob",
]


@pytest.mark.parametrize("path", PAGES)
def test_they_are_for_administrators(alice: Visitor, bob: Visitor, stranger: Visitor, path: str) -> None:
    assert stranger.get(path).headers["location"] == f"/login?next={path.replace('/', '%2F')}"
    assert bob.get(path).status_code == 403
    assert 'aria-label="Administration"' in alice.text(path)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/administration", {"action": "begin"}),
        ("/administration/users", {"name": "eve", "password": PASSWORD}),
        ("/administration/users/bob", {"action": "promote"}),
        ("/administration/invitations", {}),
        ("/administration/quotas/bob", {"size": "1 TB"}),
        ("/administration/storage", {"action": "run"}),
        ("/administration/jobs", {"action": "retry-all"}),
    ],
)
def test_nobody_else_changes_anything(hub: Hub, bob: Visitor, path: str, fields: dict[str, str]) -> None:
    with hub.storage.catalogue.read() as tx:
        before = events.count_waiting(tx)
    assert bob.post(path, {"csrf": bob.token("/new"), **fields}).status_code == 403
    assert not hub.is_read_only
    assert not accounts.find(hub, "bob").is_admin
    assert not quotas.usage(hub, accounts.find(hub, "bob")).is_own
    with hub.storage.catalogue.read() as tx:
        assert events.count_waiting(tx) == before


def test_users_are_made_and_changed(hub: Hub, alice: Visitor, bob: Visitor) -> None:
    page = "/administration/users"
    assert "bob" in alice.text(f"{page}?q=bo")
    assert "Nobody has such a name" in alice.text(f"{page}?q=zz")
    wrong = alice.submit(page, name="carol", full_name="Carol C.", password="abc7712")
    assert wrong.status_code == 422
    assert 'value="Carol C."' in wrong.text
    assert "abc7712" not in wrong.text
    assert alice.submit(f"{page}/bob", page, action="disable").status_code == 303
    assert accounts.find(hub, "bob").is_disabled
    assert bob.get("/settings/account").status_code == 303
    assert alice.submit(f"{page}/bob", page, action="enable").status_code == 303
    assert alice.submit(f"{page}/bob", page, action="promote").status_code == 303
    assert accounts.find(hub, "bob").is_admin
    assert alice.submit(f"{page}/alice", page, action="demote").status_code == 409
    assert alice.submit(f"{page}/bob", page, action="explode").status_code == 400


def test_read_only_mode_refuses_changes_and_says_why(hub: Hub, alice: Visitor, bob: Visitor, stranger: Visitor) -> None:
    assert alice.submit("/administration", action="begin", reason="New disk, until <b>noon</b>").status_code == 303
    assert "New disk, until &lt;b&gt;noon&lt;/b&gt;" in stranger.text("/")
    refused = bob.submit("/new", kind="model", name="thing", owner="bob")
    assert refused.status_code == 503
    assert "New disk, until" in refused.text
    with pytest.raises(ReadOnlyHub, match="New disk"):
        repos.create(hub, actor(hub, "bob"), RepoKind.MODEL, "thing")
    assert "by alice" in alice.text("/administration")
    assert alice.submit("/administration", action="end").status_code == 303
    assert bob.submit("/new", kind="model", name="thing", owner="bob").status_code == 303


def test_read_only_mode_lets_people_sign_in(hub: Hub, alice: Visitor) -> None:
    alice.submit("/administration", action="begin")
    visitor = Visitor(hub)
    assert visitor.submit("/login", name="alice", password=PASSWORD).status_code == 303
    assert visitor.submit("/administration", action="end").status_code == 303
    assert not hub.is_read_only


def test_other_processes_follow_the_switch(hub: Hub, furnished: object, alice: Visitor) -> None:
    from openshelf.app import open_hub

    other = open_hub(hub.settings)
    try:
        assert not other.is_read_only
        alice.submit("/administration", action="begin")
        other.read_only_switch._looked_at -= 1  # a second later
        assert other.is_read_only
    finally:
        other.storage.close()


def test_what_the_setting_says_is_not_switched_off(hub: Hub) -> None:
    from dataclasses import replace

    fixed = replace(hub, settings=replace(hub.settings, read_only=True))
    alice = Visitor(fixed, "alice")
    assert "started with the setting read_only" in alice.text("/administration")
    assert alice.post("/administration", {"csrf": alice.token("/logout"), "action": "end"}).status_code == 409


def test_quotas_are_set_and_taken_back(hub: Hub, alice: Visitor) -> None:
    page = "/administration/quotas/bob"
    assert "there is no limit" in alice.text(page)
    assert alice.submit(page, size="2 GB").headers["location"] == f"{page}?done=changed"
    assert "0 bytes of 2.00 GB are used" in alice.text(page)
    wrong = alice.submit(page, size="a lot")
    assert (wrong.status_code, 'value="a lot"' in wrong.text) == (422, True)
    assert alice.submit(page, size="0").status_code == 422
    assert alice.submit(page, size="none").status_code == 303
    assert quotas.usage(hub, accounts.find(hub, "bob")) == quotas.Usage("bob", 0, 0, True)
    assert alice.submit(page, size="default").status_code == 303
    assert not quotas.usage(hub, accounts.find(hub, "bob")).is_own
    assert alice.get("/administration/quotas/nobody").status_code == 404


def _add_blob(hub: Hub, repo: Repo, content: bytes) -> Blob:
    writer = hub.storage.blobs.writer()
    writer.write(content)
    blob = writer.keep()
    with hub.storage.catalogue.write() as tx:
        blobs.save(tx, blob, now(), is_whole=True)
        blobs.link(tx, repo.id, [blob.sha256], now())
    return blob


def test_storage_says_what_identical_files_save(hub: Hub, alice: Visitor) -> None:
    first = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "first")
    second = repos.create(hub, actor(hub, "bob"), RepoKind.MODEL, "second")
    assert "No large files are stored yet" in alice.text("/administration/storage")
    for repo in (first, second):
        _add_blob(hub, repo, b"x" * 3_000_000)
    text = alice.text("/administration/storage")
    assert "The repos name 6.00 MB outside git; 3.00 MB of them lie on the disk" in text
    assert "save 50 %" in text
    assert "− 3.00 MB" in text
    for owner in usage.of_owners(hub, actor(hub, "alice")):
        assert owner.usage == quotas.usage(hub, accounts.find(hub, owner.totals.name))


def test_garbage_is_looked_at_then_removed(hub: Hub, alice: Visitor) -> None:
    page = "/administration/storage"
    assert "Remove it" not in alice.text(page)
    assert alice.submit(page, action="look").status_code == 303
    with hub.storage.catalogue.read() as tx:
        (row,) = events.waiting(tx)
    assert (row.job, row.payload) == ("collect-garbage", {"dry_run": True})
    jobs.perform(hub, row.job, row.payload)
    assert "would become free" in alice.text(page)
    assert alice.submit(page, action="run").status_code == 303
    jobs.perform(hub, "collect-garbage", {"dry_run": False})
    run = garbage_runs.last(hub)
    assert run
    assert not run.dry_run
    assert "became free" in alice.text(page)
    assert alice.submit(page, action="burn").status_code == 400


def test_damage_stands_on_the_overview_and_in_full_under_health(hub: Hub, alice: Visitor) -> None:
    assert "Nothing needs your attention" in alice.text("/administration")
    repo = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "first")
    blob = _add_blob(hub, repo, b"bytes")
    with hub.storage.catalogue.write() as tx:
        damages.record_blob(tx, blob.sha256, "block 0 has another checksum", now())
    assert "1 thing that is stored is damaged" in alice.text("/administration")
    text = alice.text("/administration/health")
    assert blob.sha256 in text
    assert "block 0 has another checksum" in text


@pytest.fixture
def failed_job(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a job that a real worker tried and gave up."""
    monkeypatch.setattr("openshelf.storage.jobs._RETRY_SECONDS", ())
    jobs.enqueue(hub, "unheard-of", "<i>", {})
    _work_until(hub, lambda: hub.storage.jobs.count()[JobState.FAILED] == 1)
    return hub.storage.jobs.list([JobState.FAILED])[0].id


def _work_until(hub: Hub, done: Callable[[], bool]) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=jobs.run_worker, args=(hub, stop))
    worker.start()
    try:
        for _ in range(600):
            if done():
                return
            stop.wait(0.1)
        pytest.fail("the worker did not get there within a minute")
    finally:
        stop.set()
        worker.join()


def test_failed_jobs_are_shown_and_tried_again(hub: Hub, alice: Visitor, failed_job: str) -> None:
    assert "1 job in the background failed" in alice.text("/administration")
    page = "/administration/jobs?state=failed"
    assert "&lt;i&gt;" in alice.text(page)
    assert "knows no job called" in alice.text(page)
    assert alice.submit("/administration/jobs", page, action="retry", job=failed_job, state="failed").status_code == 303
    assert "No job is in this state" in alice.text(page)
    assert "1 more waits" in alice.text(page)
    assert alice.submit("/administration/jobs", "/logout", action="retry", job="none").status_code == 404
    assert alice.get("/administration/jobs?state=lazy").status_code == 404


def test_without_jobs_the_page_says_who_works(alice: Visitor) -> None:
    assert "The server does this work itself" in alice.text("/administration/jobs")


def test_a_commit_is_refused_in_read_only_mode(hub: Hub, alice: Visitor) -> None:
    repo = repos.create(hub, actor(hub, "alice"), RepoKind.MODEL, "first")
    alice.submit("/administration", action="begin")
    with pytest.raises(ReadOnlyHub):
        push.commit(hub, actor(hub, "alice"), repo, "main", [], "nothing")
