"""Some time after an erasure everybody is asked once more, and what each then says is kept apart from what we know."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import time_machine

from dsar.models import SubjectRequest, Task
from dsar.services import answer_due, recheck_due, rechecking
from dsar.services.fulfilment import what_is_left
from dsar.terms import Check, EvidenceKind, RequestKind, RequestState
from identity_privacy import clock
from identity_privacy.audit.models import Entry
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.services import deliver_due
from tests.cast import Cast
from tests.delivery.world import Receiver, Reply
from tests.dsar.world import actions, again, answered, own_task, reading, report, report_all, task_of


def days_later(days: int) -> datetime:
    return clock.machine_now() + timedelta(days=days)


@pytest.fixture
def request_of_alice(cast: Cast) -> SubjectRequest:
    return answered(cast.lindwerk, cast.alice, RequestKind.ERASURE)


@pytest.fixture
def rechecking_request(request_of_alice: SubjectRequest) -> SubjectRequest:
    with time_machine.travel(days_later(31)):
        assert recheck_due() == 1
    return again(request_of_alice)


def asked_again(request: SubjectRequest) -> list[str]:
    messages = Message.objects.filter(topic="task.recheck", subject_id=request.subject_id).select_related("system")
    return sorted(message.system.code for message in messages if message.system)


def test_the_recheck_begins_on_its_day_and_not_before(request_of_alice: SubjectRequest) -> None:
    assert request_of_alice.recheck_on == clock.today(request_of_alice.controller.zone) + timedelta(days=30)
    with time_machine.travel(days_later(28)):
        assert recheck_due() == 0
    with time_machine.travel(days_later(31)):
        assert recheck_due() == 1
        assert recheck_due() == 0, "once"
    assert again(request_of_alice).state == RequestState.RECHECKING
    assert asked_again(request_of_alice) == ["mailer", "shop"]


def test_the_most_patient_system_sets_the_day(cast: Cast) -> None:
    System.objects.filter(id=cast.shop.id).update(recheck_after_days=90)
    request = answered(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    assert request.recheck_on == clock.today(cast.lindwerk.zone) + timedelta(days=90)


def test_we_read_our_own_stores_and_systems_only_repeat_their_word(rechecking_request: SubjectRequest) -> None:
    own = own_task(rechecking_request)
    assert (own.check_result, own.recheck_evidence_kind) == (Check.CHECKED, EvidenceKind.OWN_READ)
    report(task_of(rechecking_request, "shop"), recheck=True)
    assert again(rechecking_request).state == RequestState.RECHECKING, "the mailer is still to say so"
    report(task_of(rechecking_request, "mailer"), "nothing_found", recheck=True)
    assert {task_of(rechecking_request, code).check_result for code in ("shop", "mailer")} == {Check.CONFIRMED_AGAIN}
    closed = again(rechecking_request)
    assert closed.state == RequestState.CLOSED
    assert closed.closed_at is not None


def test_what_came_back_is_said_and_is_to_be_erased_again(rechecking_request: SubjectRequest) -> None:
    report(task_of(rechecking_request, "shop"), counts={"found": 2}, recheck=True)
    shop = task_of(rechecking_request, "shop")
    assert shop.check_result == Check.CAME_BACK
    assert Message.objects.filter(about_id=shop.id, topic="task.erase").count() == 2, "at first, and now"
    report(task_of(rechecking_request, "mailer"), recheck=True)
    closing = Entry.objects.get(action="request.closed")
    assert closing.details["checks"] == [
        "this-service: checked",
        "mailer: confirmed_again",
        "shop: came_back",
    ]


@pytest.mark.parametrize("outcome", ["failed", "kept"])
def test_a_system_that_no_longer_says_so_has_not_confirmed(rechecking_request: SubjectRequest, outcome: str) -> None:
    report(task_of(rechecking_request, "shop"), outcome, reason="There was a restore", recheck=True)
    assert task_of(rechecking_request, "shop").check_result == Check.CAME_BACK


def test_something_of_the_person_that_is_here_again_is_said(
    request_of_alice: SubjectRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecking, "what_is_left", lambda subject_id: {"profiles.identifiers": 1})
    with time_machine.travel(days_later(31)):
        recheck_due()
    assert own_task(request_of_alice).check_result == Check.CAME_BACK
    assert Entry.objects.get(action="request.recheck_started").details["left_here"] == 1


def test_a_system_that_kept_or_failed_is_not_asked_to_repeat_what_it_never_said(cast: Cast) -> None:
    request = answered(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    Task.objects.filter(request=request, system_code="shop").update(outcome="kept")
    with time_machine.travel(days_later(31)):
        recheck_due()
    assert asked_again(request) == ["mailer"]


def test_the_first_answer_and_its_evidence_stand_beside_the_second(rechecking_request: SubjectRequest) -> None:
    first = task_of(rechecking_request, "shop")
    report(first, counts={"found": 0}, recheck=True)
    second = task_of(rechecking_request, "shop")
    with reading():
        assert (second.evidence, second.outcome) == (first.evidence, first.outcome)
        assert json.loads(second.recheck_evidence["body"])["type"] == "task.recheck"


def test_the_same_recheck_answer_twice_or_too_early_changes_nothing(
    cast: Cast, request_of_alice: SubjectRequest
) -> None:
    shop = task_of(request_of_alice, "shop")
    report(shop, recheck=True)
    assert task_of(request_of_alice, "shop").check_result == "", "nobody had asked"
    with time_machine.travel(days_later(31)):
        recheck_due()
        report(shop, recheck=True)
        report(shop, counts={"found": 3}, recheck=True)
    assert task_of(request_of_alice, "shop").check_result == Check.CONFIRMED_AGAIN
    assert actions(request_of_alice).count("task.rechecked") == 1


def test_systems_are_asked_over_the_wire_though_nothing_of_the_person_is_here(
    live_cast: Cast, receiver: Receiver
) -> None:
    receiver.replies[:] = [Reply(status=202)]
    request = answered(live_cast.lindwerk, live_cast.alice, RequestKind.ERASURE)
    deliver_due()
    receiver.requests.clear()
    with time_machine.travel(days_later(31)):
        recheck_due()
        deliver_due()
        assert {(body["type"], str(body["accounts"])) for body in receiver.bodies} == {
            ("task.recheck", "['shop-alice']"),
            ("task.recheck", "['mailer-alice']"),
        }
        assert again(request).state == RequestState.RECHECKING, "202 confirms nothing"
        report_all(request, recheck=True)
    assert again(request).state == RequestState.CLOSED


def test_one_recheck_that_fails_holds_up_no_other(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [answered(cast.lindwerk, person, RequestKind.ERASURE) for person in (cast.alice, cast.bob)]

    def breaks(subject_id: UUID) -> Mapping[str, int]:
        if subject_id == cast.alice:
            raise OSError
        return what_is_left(subject_id)

    monkeypatch.setattr(rechecking, "what_is_left", breaks)
    with time_machine.travel(days_later(31)):
        assert recheck_due() == 1
        answer_due()
    assert [again(request).state for request in requests] == [RequestState.ANSWERED, RequestState.RECHECKING]
