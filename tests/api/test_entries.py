"""Staff read the audit log over the API: what was done for their own controller, found by who, what, whom and when."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dsar.models import Task
from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import entry_object, stamp
from identity_privacy.audit.finding import Wanted, matching
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.origin import Origin, coming_from
from identity_privacy.audit.services import record, sequence
from identity_privacy.clock import now
from tests.cast import Cast
from tests.staff import at_work

ENTRIES = "/api/v1/audit/entries/"


def test_dana_reads_what_was_done_for_her_controller_the_newest_first(browser: Client, stage: Cast, task: Task) -> None:
    sequence()
    answer = browser.get(ENTRIES).json()
    own = Entry.objects.filter(controller_id=stage.lindwerk.pk).order_by("-id")[:50]
    assert [row["entry"] for row in answer["results"]] == [entry_object(entry) for entry in own]
    places = {(row["epoch"], row["index"]) for row in answer["results"]}
    assert places == set(Sequenced.objects.filter(entry__in=list(own)).values_list("epoch", "index"))


def test_an_entry_has_no_place_until_it_is_sequenced(browser: Client, stage: Cast) -> None:
    entry = Entry.objects.filter(controller_id=stage.lindwerk.pk).latest("id")
    waiting = browser.get(f"{ENTRIES}{entry.pk}/").json()
    assert waiting == {"entry": entry_object(entry), "epoch": None, "index": None}
    sequence()
    place = Sequenced.objects.get(entry=entry)
    placed = browser.get(f"{ENTRIES}{entry.pk}/").json()
    assert (placed["epoch"], placed["index"]) == (1, place.index)


def test_each_filter_finds_what_it_names(browser: Client, stage: Cast, task: Task) -> None:
    accepted = Entry.objects.get(action="request.accepted")
    for query, actions in (
        (f"subject={stage.alice}&action=request.*", {"request.submitted", "request.accepted"}),
        (f"subject={stage.bob}&action=request.*", set()),
        ("action=request.accepted", {"request.accepted"}),
        ("action=request.acc*", {"request.accepted"}),
        ("action=request", set()),
        ("action=nothing.*", set()),
        (f"target={accepted.target_id}&action=request.*", {"request.submitted", "request.accepted"}),
        (f"target={accepted.target_id}&target_kind=task", set()),
        (f"actor={accepted.actor_id}&actor_kind={accepted.actor_kind}&action=request.accepted", {"request.accepted"}),
        (f"actor={accepted.actor_id}&actor_kind=witness", set()),
        ("request=none", set()),
    ):
        assert {row["action"] for row in _entries(browser, query)} == actions, query


def test_entries_are_found_by_the_web_request_that_did_them(browser: Client, stage: Cast) -> None:
    with coming_from(Origin(request_id="0192")):
        entry_id = _enter(stage)
    _enter(stage)
    assert [row["id"] for row in _entries(browser, "request=0192")] == [str(entry_id)]


def test_a_time_is_a_bound_to_the_microsecond(browser: Client, stage: Cast) -> None:
    first, second = (Entry.objects.get(pk=_enter(stage)) for _ in range(2))
    assert [row["id"] for row in _entries(browser, f"since={stamp(second.at)}")] == [str(second.pk)]
    assert _entries(browser, f"since={stamp(first.at)}&until={stamp(second.at)}")[0]["id"] == str(first.pk)
    assert str(first.pk) not in {row["id"] for row in _entries(browser, f"until={stamp(first.at)}")}


def test_a_time_may_be_about_the_first_and_the_last_that_there_is(browser: Client, stage: Cast) -> None:
    entry_id = _enter(stage)
    ever = "since=0001-01-01T00:00:00Z&until=9999-12-30T00:00:00Z"
    assert _entries(browser, f"{ever}&action=test.done")[0]["id"] == str(entry_id)
    assert _entries(browser, "until=0001-01-01T00:00:00Z") == []


def test_a_time_is_found_where_a_demonstration_moved_the_clock(
    browser: Client, stage: Cast, settings: Settings
) -> None:
    settings.CLOCK_OFFSET_SECONDS = 30 * 86_400
    entry_id = _enter(stage)
    rows = _entries(browser, f"since={stamp(now() - timedelta(days=1))}")
    assert [row["id"] for row in rows] == [str(entry_id)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("subject=alice", "subject"),
        ("actor_kind=robot&actor=1", "actor_kind"),
        ("actor_kind=user", "actor_kind"),
        ("target_kind=request", "target_kind"),
        ("since=yesterday", "since"),
        ("until=2027-13-01T00:00:00Z", "until"),
        ("action=", "action"),
        (f"target={'x' * 65}", "target"),
        ("subjct=1", "subjct"),
        ("page_size=0", "page_size"),
        ("page_size=1000", "page_size"),
        ("cursor=noise", "cursor"),
        ("cursor=cD14", "cursor"),  # p=x
    ],
)
def test_a_filter_that_cannot_be_used_is_named(browser: Client, query: str, field: str) -> None:
    answer = browser.get(f"{ENTRIES}?{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


def test_pages_follow_one_another_while_entries_are_added(browser: Client, stage: Cast) -> None:
    ids = [str(_enter(stage)) for _ in range(5)]
    seen: list[str] = []
    path = f"{ENTRIES}?page_size=2&action=test.done"
    while path:
        answer = browser.get(path).json()
        seen += [row["entry"]["id"] for row in answer["results"]]
        path = answer["next"]
        _enter(stage)
    assert seen == ids[::-1]


def test_a_page_costs_the_same_queries_however_long_it_is(browser: Client, stage: Cast) -> None:
    browser.get(ENTRIES)  # which Django's kinds of content are looked up at, once in a process
    costs = []
    for _ in range(2):
        for _ in range(10):
            _enter(stage)
        sequence()
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"{ENTRIES}?action=test.done")
        costs.append(len(queries))
    one = f"{ENTRIES}{Entry.objects.filter(action='test.done').latest('id').pk}/"
    with CaptureQueriesContext(connection) as queries:
        browser.get(one)
    assert [*costs, len(queries)] == [6, 6, 6]


@pytest.mark.parametrize(
    ("wanted", "column"),
    [
        (Wanted(subject=uuid4()), "subject_id"),
        (Wanted(actor="x"), "actor_id"),
        (Wanted(action="request.accepted"), "action"),
        (Wanted(action="request.*"), "action"),
        (Wanted(target="x"), "target_id"),
        (Wanted(request="x"), "request_id"),
        (Wanted(since=now(), until=now()), "id"),
    ],
)
def test_every_filter_is_served_by_an_index(db: None, wanted: Wanted, column: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = matching(Entry.objects.all(), wanted)[:50].explain()
    if connection.vendor == "postgresql":
        assert any("Index Cond" in line and column in line for line in plan.splitlines()), plan
    else:
        assert "SEARCH" in plan, plan
        assert f"({column}" in plan, plan


def test_whoever_has_not_signed_in_is_told_to_and_a_customer_finds_nothing(
    anybody: Client, stage: Cast, task: Task
) -> None:
    alice = at_work(User.objects.for_subject(stage.lindwerk, stage.alice))
    for path in _routes(Entry.objects.get(action="request.accepted").pk):
        assert anybody.get(path).status_code == 401, path
        assert alice.get(path).status_code == 404, path


def test_another_controllers_staff_finds_nothing_of_it(
    browser: Client, stranger: Client, stage: Cast, task: Task
) -> None:
    sequence()
    entry = Entry.objects.get(action="request.accepted")
    for path in _routes(entry.pk):
        assert browser.get(path).status_code == 200, path
        if path != ENTRIES:
            assert stranger.get(path).status_code == 404, path
    rows = stranger.get(f"{ENTRIES}?page_size=200").json()["results"]
    assert {row["entry"]["controller"] for row in rows} <= {str(stage.otherwerk.pk)}
    assert _entries(stranger, f"subject={stage.alice}") == []
    assert _entries(stranger, f"target={entry.target_id}") == []


def test_what_is_no_controllers_is_shown_to_none(browser: Client, stage: Cast) -> None:
    entry_id = record(actor=Actor.service("test"), action="test.done", target=("log", "x"), controller_id=None)
    sequence()
    assert _entries(browser, "action=test.done") == []
    for path in _routes(entry_id)[1:]:
        assert browser.get(path).status_code == 404, path


def _routes(entry_id: UUID) -> list[str]:
    return [ENTRIES, f"{ENTRIES}{entry_id}/", f"{ENTRIES}{entry_id}/proof/"]


def _entries(client: Client, query: str) -> list[dict[str, str]]:
    answer = client.get(f"{ENTRIES}?{query}")
    assert answer.status_code == 200, answer.text
    return [row["entry"] for row in answer.json()["results"]]


def _enter(stage: Cast) -> UUID:
    return record(
        actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=stage.lindwerk.pk
    )
