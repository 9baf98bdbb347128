"""The audit log in the console: found by what, by whom and for whom; checked on a press."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import cast as cast_to

import pytest
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import Client
from pytest_django import Settings

from dsar.models import SubjectRequest
from identity_privacy.access.admin import EntryAdmin
from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import canonical_json, entry_bytes
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Cosignature, Entry
from identity_privacy.audit.offline import leaf_hash, root_of_inclusion
from identity_privacy.audit.services import check_if_asked, checking, hand_over, sequence
from identity_privacy.clock import now
from identity_privacy.console import LongListPaginator
from identity_privacy.crypto.models import KnownCheckpoint
from profiles.models import Profile
from tests.cast import ALICE_EMAIL, Cast
from tests.console.pages import page_of
from tests.factories import make_person

AUDIT = "/console/audit/entry/"


def test_entries_are_found_by_the_beginning_of_their_action(browser: Client, erasure: SubjectRequest) -> None:
    assert _actions(browser, "request.") == {"Request submitted", "Request accepted"}


def test_entries_are_found_by_the_person_and_by_the_thing(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    assert {"Request submitted", "Person erased"} <= _actions(browser, str(stage.alice))
    assert {"Request submitted", "Person erased"} <= _actions(browser, str(erasure.pk))
    assert _actions(browser, str(stage.charlie)) == set()


def test_entries_are_narrowed_down_by_what_whom_who_thing_and_day(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    accepted = Entry.objects.get(action="request.accepted")
    today = accepted.at.astimezone(stage.lindwerk.zone).date()
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({"action": "request.accepted"}, {"Request accepted"}),
        ({"action": "request.accepted", "subject": stage.alice}, {"Request accepted"}),
        ({"action": "request.accepted", "subject": stage.bob}, set()),
        ({"action": "request.accepted", "target": erasure.pk}, {"Request accepted"}),
        ({"action": "request.accepted", "actor": accepted.actor_id}, {"Request accepted"}),
        ({"action": "request.accepted", "actor": "nobody"}, set()),
        ({"action": "request.accepted", "first": today, "last": today}, {"Request accepted"}),
        ({"action": "request.accepted", "first": today + timedelta(days=1)}, set()),
        ({"action": "request.accepted", "last": today - timedelta(days=1)}, set()),
        ({"action": "request.accepted", "q": stage.bob}, set()),
    ]
    for query, expected in cases:
        answer = browser.get(AUDIT, {name: str(value) for name, value in query.items()})
        assert {row.what for row in answer.context["cl"].rows} == expected, query


def test_a_long_list_is_counted_no_further_than_people_leaf(
    browser: Client, stage: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntryAdmin, "list_per_page", 2)
    assert " in all" in browser.get(AUDIT).text
    monkeypatch.setattr(LongListPaginator, "most", 4)
    answer = browser.get(AUDIT, {"p": "2"})
    assert len(answer.context["cl"].rows) == 2
    assert "the newest 4; narrow them down to see older ones" in answer.text


def test_a_filter_that_cannot_be_read_finds_nothing_and_says_why(browser: Client, stage: Cast) -> None:
    answer = browser.get(AUDIT, {"subject": "alice"})
    assert answer.context["cl"].rows == []
    assert "Enter the pseudonym in full" in answer.text
    assert 'aria-invalid="true"' in answer.text
    for day in ("0001-01-01", "9999-12-31", "tomorrow"):
        answer = browser.get(AUDIT, {"first": day, "last": day})
        assert (answer.status_code, answer.context["cl"].rows) == (200, []), day


def test_what_was_done_for_a_person_and_a_request_stands_on_their_pages(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    person = browser.get(page_of(Profile.objects.get(pk=stage.alice)))
    assert f"{AUDIT}?subject={stage.alice}" in person.text
    assert "Request accepted" in person.text
    page = browser.get(page_of(erasure))
    assert f"{AUDIT}?target={erasure.pk}" in page.text
    assert "Request accepted" in page.text


def test_a_check_runs_in_the_worker_and_the_page_says_since_when_then_what_came_of_it(
    browser: Client, dana: User, stage: Cast
) -> None:
    sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint
    assert "has not been verified yet" in browser.get(AUDIT).text
    answer = browser.post(f"{AUDIT}check/", follow=True)
    assert "A check runs since" in answer.text
    assert "Check now" not in answer.text
    check_if_asked()
    answer = browser.get(AUDIT)
    assert "Audit log verified on" in answer.text
    assert f"{checkpoint.size} entries. Nothing was changed or taken out." in answer.text
    assert bytes(checkpoint.root).hex()[:16] in answer.text
    assert "Check now" in answer.text
    assert {Entry.objects.get(action=action).actor_id for action in ("log.check_asked", "log.verified")} == {
        str(dana.pk)
    }


def test_a_changed_entry_is_said_in_so_many_words_and_entered(
    browser: Client, stage: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finds_a_change() -> int:
        raise LogAltered("entry 7 was changed")

    monkeypatch.setattr(checking, "verify_log", finds_a_change)
    browser.post(f"{AUDIT}check/")
    check_if_asked()
    answer = browser.get(AUDIT)
    assert "The audit log was changed: found on" in answer.text
    assert "Entry 7 was changed." in answer.text
    assert Entry.objects.get(action="log.altered").details == {"finding": "entry 7 was changed"}


def test_the_list_says_how_many_entries_wait_and_warns_where_they_wait_too_long(
    browser: Client, stage: Cast, settings: Settings
) -> None:
    count = Entry.objects.count()
    answer = browser.get(AUDIT)
    assert f"{count} entries" in answer.text
    assert "do not get their place" not in answer.text
    settings.CLOCK_OFFSET_SECONDS = 60
    assert "New entries do not get their place in the log." in browser.get(AUDIT).text
    assert "New entries do not get their place in the log." in browser.get("/console/").text
    sequence()
    answer = browser.get(AUDIT)
    assert "do not get their place" not in answer.text
    assert "No entry" in answer.text


def test_the_list_says_which_witness_has_signed_when(browser: Client, stage: Cast) -> None:
    sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint
    assert "No witness has signed yet" in browser.get(AUDIT).text
    for size in (checkpoint.size - 1, checkpoint.size):
        Cosignature.objects.create(epoch=1, size=size, witness="witness.example/w", at=now(), line="—")
    answer = browser.get(AUDIT)
    assert [line.size for line in answer.context["log"].cosignatures()] == [checkpoint.size]
    assert "witness.example/w" in answer.text


def test_the_list_says_that_the_log_was_handed_over_and_what_is_missing(browser: Client, stage: Cast) -> None:
    sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint
    facts = {"epoch": 1, "size": checkpoint.size + 5, "root": bytes(32), "at": now(), "note": checkpoint.note}
    KnownCheckpoint.objects.update_or_create(holder="", defaults=facts)
    hand_over(actor=Actor.service("test"))
    answer = browser.get(AUDIT)
    assert "Epoch 2" in answer.text
    assert f"Missing: {log_name(1)} {checkpoint.size}-{checkpoint.size + 4}" in answer.text


def test_a_download_holds_what_the_list_shows_and_each_line_verifies(
    browser: Client, dana: User, stage: Cast, erasure: SubjectRequest
) -> None:
    make_person(stage.lindwerk, email="new@example.org", given_name="New")
    sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint
    answer = browser.post(f"{AUDIT}download/", {"subject": str(stage.alice)})
    lines = [json.loads(line) for line in _body(answer).splitlines()]
    own = Entry.objects.filter(subject_id=stage.alice, sequenced__index__lt=checkpoint.size)
    expected = own.order_by("sequenced__index").values_list("pk", flat=True)
    assert [line["entry"]["id"] for line in lines] == [str(pk) for pk in expected]
    for line in lines:
        hashes = [base64.b64decode(part) for part in line["hashes"]]
        leaf = leaf_hash(canonical_json(line["entry"]))
        assert line["checkpoint"] == checkpoint.note
        assert root_of_inclusion(leaf, line["index"], checkpoint.size, hashes) == bytes(checkpoint.root)
    taken = Entry.objects.get(action="log.exported")
    assert (taken.actor_id, taken.controller_id, taken.subject_id) == (str(dana.pk), stage.lindwerk.pk, stage.alice)
    assert taken.details == {"by": ["subject"], "size": checkpoint.size}


def test_a_download_holds_nothing_of_another_controller(stranger: Client, stage: Cast, erasure: SubjectRequest) -> None:
    sequence()
    assert _body(stranger.post(f"{AUDIT}download/", {"subject": str(stage.alice)})) == b""
    lines = [json.loads(line) for line in _body(stranger.post(f"{AUDIT}download/")).splitlines()]
    assert {line["entry"]["controller"] for line in lines} == {str(stage.otherwerk.pk)}


def test_what_was_typed_into_a_filter_is_not_kept(browser: Client, stage: Cast) -> None:
    browser.post(f"{AUDIT}download/", {"target": ALICE_EMAIL, "q": ALICE_EMAIL})
    taken = Entry.objects.get(action="log.exported")
    assert taken.details["by"] == ["target", "search"]
    assert ALICE_EMAIL.encode() not in entry_bytes(taken)


def test_nothing_is_downloaded_or_checked_by_following_a_link(browser: Client, stage: Cast) -> None:
    for act in ("download", "check"):
        assert browser.get(f"{AUDIT}{act}/").status_code == 405


def test_the_page_of_an_entry_says_where_it_stands_in_the_log(browser: Client, stage: Cast) -> None:
    entry = Entry.objects.filter(controller_id=stage.lindwerk.pk).earliest("id")
    assert "Not in a checkpoint yet" in browser.get(page_of(entry)).text
    sequence()
    assert "Its inclusion proof" in browser.get(page_of(entry)).text


def _actions(browser: Client, term: str) -> set[str]:
    answer = browser.get(AUDIT, {"q": term})
    return {row.what for row in answer.context["cl"].rows}


def _body(answer: HttpResponseBase) -> bytes:
    assert answer.status_code == 200
    assert isinstance(answer, StreamingHttpResponse)
    return b"".join(cast_to(Iterator[bytes], answer.streaming_content))
