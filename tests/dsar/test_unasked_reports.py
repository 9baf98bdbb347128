"""A system's true signature is not enough: it reports on what it was asked, once it was asked."""

from collections.abc import Mapping

import pytest

from dsar.errors import NotNow, UnreadableResult
from dsar.models import SubjectRequest, Task
from dsar.services import answer_due, carry_out, recheck_due, record_result
from dsar.terms import RequestKind, RequestState, TaskState
from identity_privacy.audit.models import Entry
from identity_privacy.delivery.models import Message, System
from tests.cast import Cast
from tests.delivery.world import secrets_of
from tests.dsar.world import again, report, result_of, signed, task_of
from tests.factories import make_request, make_system


def post(task: Task, body: bytes) -> Task:
    """What the task's system posts, under its true signature."""
    system = System.objects.get(code=task.system_code, controller=task.request.controller)
    return record_result(task_id=task.id, headers=signed(body, secret=secrets_of(system)[1]), body=body)


def refusals(task: Task) -> list[tuple[str, Mapping[str, object]]]:
    """Who was refused about a task, and with what."""
    entries = Entry.objects.filter(target_id=str(task.id), action="task.report_refused")
    return [(entry.actor_kind, entry.details) for entry in entries]


def carried_out(cast: Cast, kind: RequestKind) -> SubjectRequest:
    request = make_request(cast.lindwerk, cast.alice, kind)
    carry_out(request_id=request.id)
    return request


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (RequestKind.ERASURE, b"task.access"),
        (RequestKind.ACCESS, b"task.erase"),
        (RequestKind.ACCESS, b"task.recheck"),
    ],
)
def test_an_answer_to_another_question_is_not_an_answer(cast: Cast, kind: RequestKind, other: bytes) -> None:
    task = task_of(carried_out(cast, kind), "shop")
    body = result_of(task)
    asked = b"task.erase" if kind is RequestKind.ERASURE else b"task.access"
    with pytest.raises(UnreadableResult) as refusal:
        post(task, body.replace(asked, other))
    assert refusal.value.field == "type"
    assert Task.objects.get(id=task.id).state == TaskState.ASKED
    [(who, details)] = refusals(task)
    assert (who, details["error"]) == ("system", "unreadable-result")
    assert post(task, body).state == TaskState.REPORTED, "the right answer still counts"


def test_a_system_that_was_not_asked_yet_passes_over_nobody(cast: Cast) -> None:
    make_system(cast.lindwerk, "archive", after=["shop"])
    task = task_of(carried_out(cast, RequestKind.ERASURE), "archive")
    assert task.state == TaskState.PLANNED
    with pytest.raises(NotNow):
        report(task)
    assert Task.objects.get(id=task.id).state == TaskState.PLANNED
    [(who, details)] = refusals(task)
    assert (who, details["error"]) == ("system", "not-now")
    report(task_of(task.request, "shop"))
    assert report(task).state == TaskState.REPORTED


def test_a_system_that_reports_before_our_own_part_is_done_is_told_to_wait(cast: Cast) -> None:
    task = task_of(make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE), "shop")
    with pytest.raises(NotNow):
        report(task)
    carry_out(request_id=task.request_id)
    assert report(task).state == TaskState.REPORTED


def test_a_report_that_cannot_be_read_is_on_record_as_refused(cast: Cast) -> None:
    task = task_of(carried_out(cast, RequestKind.ERASURE), "shop")
    with pytest.raises(UnreadableResult):
        post(task, b'{"type": "task.party"}')
    [(who, details)] = refusals(task)
    assert (who, details["error"]) == ("system", "unreadable-result")


def test_a_system_that_kept_something_cannot_say_again_that_it_erased(cast: Cast) -> None:
    request = carried_out(cast, RequestKind.ERASURE)
    report(task_of(request, "shop"), "kept", reason="Invoices")
    report(task_of(request, "mailer"))
    answer_due()
    SubjectRequest.objects.filter(id=request.id).update(recheck_on="2026-01-01")
    recheck_due()
    report(task_of(request, "shop"), counts={"found": 1}, recheck=True)
    assert task_of(request, "shop").check_result == "", "nobody had asked it"
    assert Message.objects.filter(about_id=task_of(request, "shop").id).count() == 1
    assert again(request).state == RequestState.RECHECKING
