"""A system's report counts once, if it is really that system's; what it claims stays its claim."""

import json
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from dsar.errors import NotNow, UnknownTask, UnreadableResult
from dsar.models import SubjectRequest, Task
from dsar.rules import Result, parse_result
from dsar.services import answer_due, ask_again, carry_out, record_result, withdraw_request
from dsar.terms import Check, EvidenceKind, Outcome, RequestKind, RequestState, TaskState
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.errors import UnverifiedWebhook
from identity_privacy.delivery.models import Attempt, Message, System
from identity_privacy.delivery.services import deliver_due
from identity_privacy.delivery.terms import AttemptOutcome, MessageState
from tests.cast import Cast
from tests.delivery.world import Receiver, Reply, secrets_of
from tests.dsar.world import actions, again, own_task, reading, report, report_all, result_of, signed, task_of
from tests.factories import SERVICE, make_request


@pytest.fixture
def request_of_alice(cast: Cast) -> SubjectRequest:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    carry_out(request_id=request.id)
    return request


@pytest.fixture
def task(request_of_alice: SubjectRequest) -> Task:
    return task_of(request_of_alice, "shop")


def stored(task: Task) -> tuple[object, ...]:
    row = Task.objects.get(id=task.id)
    return row.state, row.outcome, row.counts, row.reported_at


def entries_about(task: Task) -> list[str]:
    return list(Entry.objects.filter(target_id=str(task.id)).order_by("id").values_list("action", flat=True))


def inbound(system: System) -> str:
    return secrets_of(system)[1]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_moves_its_task_to_the_top_of_the_ladder(task: Task, outcome: Outcome) -> None:
    report(task, outcome, counts={"orders": 3}, reason="Invoices are kept for ten years, § 147 AO")
    now = Task.objects.get(id=task.id)
    assert (now.state, now.outcome, now.counts) == (TaskState.REPORTED, outcome, {"orders": 3})
    with reading():
        assert now.reason == "Invoices are kept for ten years, § 147 AO", "sealed, since it may say anything"
    assert now.evidence_kind == EvidenceKind.RECORDED_RESPONSE, "an HMAC could have been made by us: it is our word"
    assert now.check_result == "", "nobody looked again"
    assert entries_about(task) == ["task.reported"]


def test_an_answer_signed_with_the_systems_own_key_is_evidence_for_others(cast: Cast, task: Task) -> None:
    private = webhooks.new_private_key()
    System.objects.filter(id=cast.shop.id).update(public_key=webhooks.public_half(private))
    body = result_of(task)
    record_result(task_id=task.id, headers=signed(body, private_key=private), body=body)
    now = Task.objects.get(id=task.id)
    assert now.evidence_kind == EvidenceKind.PARTNER_ED25519
    with reading():
        assert now.evidence["body"].encode() == body, "whole, so that the signature still fits"


@pytest.mark.parametrize("forgery", ["no signature", "another secret", "another system", "changed body", "old"])
def test_a_report_that_is_not_the_systems_own_changes_nothing_and_is_entered(
    cast: Cast, task: Task, forgery: str
) -> None:
    before, body = stored(task), result_of(task)
    headers = {
        "no signature": {},
        "another secret": signed(body, secret=webhooks.new_secret()),
        "another system": signed(body, secret=inbound(cast.mailer)),
        "changed body": signed(result_of(task, "failed"), secret=inbound(cast.shop)),
        "old": signed(body, secret=inbound(cast.shop), seconds_ago=600),
    }[forgery]
    with pytest.raises(UnverifiedWebhook):
        record_result(task_id=task.id, headers=headers, body=body)
    assert stored(task) == before
    assert entries_about(task) == ["task.report_refused"]


def test_the_secret_that_signs_our_messages_signs_no_report(cast: Cast, task: Task) -> None:
    body = result_of(task)
    with pytest.raises(UnverifiedWebhook):
        record_result(task_id=task.id, headers=signed(body, secret=secrets_of(cast.shop)[0]), body=body)


def test_a_system_cannot_report_for_another_ones_task_with_its_own_name_on_it(
    cast: Cast, request_of_alice: SubjectRequest, task: Task
) -> None:
    mailers = task_of(request_of_alice, "mailer")
    body = result_of(task)  # the shop's task, posted to the mailer's address with the mailer's true signature
    with pytest.raises(UnreadableResult) as refusal:
        record_result(task_id=mailers.id, headers=signed(body, secret=inbound(cast.mailer)), body=body)
    assert refusal.value.field == "task"
    assert Task.objects.get(id=mailers.id).state == Task.objects.get(id=task.id).state == TaskState.ASKED


def test_there_is_no_report_about_our_own_task_or_one_that_does_not_exist(
    request_of_alice: SubjectRequest,
) -> None:
    for task_id in (own_task(request_of_alice).id, uuid4()):
        with pytest.raises(UnknownTask):
            record_result(task_id=task_id, headers={}, body=b"{}")


def test_the_same_report_twice_changes_nothing(cast: Cast, task: Task) -> None:
    body = result_of(task, counts={"orders": 3})
    headers = signed(body, secret=inbound(cast.shop))
    record_result(task_id=task.id, headers=headers, body=body)
    before = stored(task)
    record_result(task_id=task.id, headers=headers, body=body)
    assert stored(task) == before
    assert entries_about(task) == ["task.reported", "task.reported_again"]


def test_the_first_of_two_contradictory_reports_stands_and_both_are_entered(task: Task) -> None:
    report(task, "done")
    before = stored(task)
    report(task, "kept", reason="There is a court case")
    assert stored(task) == before
    contradiction = Entry.objects.get(target_id=str(task.id), action="task.reported_again")
    assert contradiction.details["outcome"] == "kept"


def test_a_report_after_the_answer_changes_nothing_and_is_entered(request_of_alice: SubjectRequest) -> None:
    report_all(request_of_alice)
    answer_due()
    late = task_of(request_of_alice, "shop")
    before = stored(late)
    report(late, "failed")
    assert stored(late) == before
    assert again(request_of_alice).state == RequestState.ANSWERED
    assert entries_about(late)[-1] == "task.reported_again"


def test_a_report_about_a_withdrawn_request_brings_no_data_in(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    carry_out(request_id=request.id)
    withdraw_request(actor=Actor.subject(cast.alice), request=request)
    report(task_of(request, "shop"), data={"orders": [{"what": "shoes"}]})
    with reading():
        assert task_of(request, "shop").answer is None


def test_the_request_is_answered_when_the_last_system_has_reported_and_not_before(
    request_of_alice: SubjectRequest,
) -> None:
    report(task_of(request_of_alice, "shop"))
    assert answer_due() == 0
    report(task_of(request_of_alice, "mailer"), "failed")
    assert answer_due() == 1
    assert actions(request_of_alice).count("request.answered") == 1
    assert answer_due() == 0


# --- A claim stays a claim ----------------------------------------------------------------------------


def test_the_database_refuses_to_call_a_partners_claim_checked(task: Task) -> None:
    report(task)
    for kind in EvidenceKind:
        if kind is EvidenceKind.OWN_READ:
            continue
        with pytest.raises(IntegrityError, match="only_our_own_read_makes_a_task_checked"), transaction.atomic():
            Task.objects.filter(id=task.id).update(check_result=Check.CHECKED, recheck_evidence_kind=kind)


def test_the_database_refuses_a_report_without_an_outcome(task: Task) -> None:
    with pytest.raises(IntegrityError, match="a_report_has_an_outcome"), transaction.atomic():
        Task.objects.filter(id=task.id).update(state=TaskState.REPORTED)


# --- Over the wire ------------------------------------------------------------------------------------


def asked(live_cast: Cast) -> SubjectRequest:
    request = make_request(live_cast.lindwerk, live_cast.alice, RequestKind.ERASURE)
    carry_out(request_id=request.id)
    return request


def test_accepted_is_not_done(live_cast: Cast, receiver: Receiver) -> None:
    receiver.replies[:] = [Reply(status=202)]
    request = asked(live_cast)
    deliver_due()
    assert {task_of(request, code).state for code in ("shop", "mailer")} == {TaskState.ACCEPTED}
    assert answer_due() == 0
    assert actions(request).count("task.accepted") == 2
    report_all(request)
    assert answer_due() == 1


@pytest.mark.parametrize("body", [b"", b"OK", b'{"outcome": "done"}', b'{"type": "task.erase", "task": "x"}'])
def test_an_answer_that_is_no_result_is_asked_for_again(live_cast: Cast, receiver: Receiver, body: bytes) -> None:
    receiver.replies[:] = [Reply(status=200, body=body)]
    request = asked(live_cast)
    deliver_due()
    assert {task_of(request, code).state for code in ("shop", "mailer")} == {TaskState.ASKED}
    assert set(Message.objects.filter(topic="task.erase").values_list("state", flat=True)) == {MessageState.PENDING}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {AttemptOutcome.NOT_UNDERSTOOD}


def test_an_answer_about_another_systems_task_is_not_taken(live_cast: Cast, receiver: Receiver) -> None:
    request = asked(live_cast)
    receiver.replies[:] = [Reply(status=200, body=result_of(task_of(request, "shop")))]  # both answer with the shop's
    deliver_due()
    assert task_of(request, "shop").state == TaskState.REPORTED
    assert task_of(request, "mailer").state == TaskState.ASKED


def test_a_system_that_waits_is_asked_again_and_one_that_answered_is_not(
    request_of_alice: SubjectRequest, task: Task
) -> None:
    ask_again(actor=SERVICE, task=task)
    assert Message.objects.filter(about_id=task.id, topic="task.erase").count() == 2
    report(task)
    for done in (task, own_task(request_of_alice)):
        with pytest.raises(NotNow):
            ask_again(actor=SERVICE, task=done)


# --- Foreign bytes ------------------------------------------------------------------------------------

GOOD: dict[str, object] = {"type": "task.erase", "task": str(UUID(int=7)), "outcome": "done"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "task.destroy"}, "type"),
        ({"type": ["task.erase"]}, "type"),
        ({"task": "17"}, "task"),
        ({"task": None}, "task"),
        ({"outcome": "checked"}, "outcome"),
        ({"outcome": {}}, "outcome"),
        ({"outcome": "kept"}, "reason"),
        ({"counts": {"orders": -1}}, "counts"),
        ({"counts": {"orders": True}}, "counts"),
        ({"counts": {"orders": 2**53}}, "counts"),
        ({"counts": {"Bücher": 1}}, "counts"),
        ({"counts": {"a\x00b": 1}}, "counts"),
        ({"counts": {"": 1}}, "counts"),
        ({"counts": {"orders\n": 1}}, "counts"),
        ({"counts": {"Alice": 1}}, "counts"),
        ({"counts": {"orders of alice": 1}}, "counts"),
        ({"counts": {"x" * 41: 1}}, "counts"),
        ({"counts": [3]}, "counts"),
        ({"counts": {str(number): 1 for number in range(51)}}, "counts"),
        ({"reason": "x" * 201}, "reason"),
        ({"reason": 4}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"data": "\ud800"}, "body"),
    ],
)
def test_a_result_that_cannot_be_used_names_the_member(change: dict[str, object], field: str) -> None:
    with pytest.raises(UnreadableResult) as refusal:
        parse_result(json.dumps(GOOD | change).encode())
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff\xfe{\x00}\x00",
        json.dumps(GOOD).encode("utf-16"),
        b"[" * 100_000,
        b'{"a": ' * 50_000,
        b"9" * 5_000,
    ],
)
def test_a_body_that_is_no_json_object_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableResult) as refusal:
        parse_result(body)
    assert refusal.value.field == "body"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional={name: JSON for name in (*GOOD, "counts", "reason", "data")}))
def test_any_json_is_a_result_or_refused(change: dict[str, object]) -> None:
    try:
        result = parse_result(json.dumps(GOOD | change).encode())
    except UnreadableResult:
        return
    assert isinstance(result, Result)
    json.dumps(result.data, ensure_ascii=False).encode()


@given(st.binary(max_size=80))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(UnreadableResult):
        parse_result(noise)
