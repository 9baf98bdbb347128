"""A linked system reports over the API: only its own task, only with its own signature, and as often as it likes."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from dsar.models import Task
from dsar.terms import TaskState
from identity_privacy.access.limits import Limit
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from identity_privacy.delivery.models import System
from identity_privacy.delivery.webhooks import sign
from tests.api.partner import inbound_secret, report, result, signed


def test_a_signed_result_is_recorded_and_answered_with_the_tasks_state(
    anybody: Client, task: Task, parcels: System
) -> None:
    status, answer = report(anybody, task.pk, inbound_secret(parcels), result(task.pk))
    assert status == 200
    assert (answer["id"], answer["state"], answer["outcome"]) == (str(task.pk), "reported", "done")
    assert Task.objects.get(pk=task.pk).evidence_kind == "recorded_response"


def test_the_same_result_twice_changes_nothing(anybody: Client, task: Task, parcels: System) -> None:
    secret = inbound_secret(parcels)
    first = report(anybody, task.pk, secret, result(task.pk))
    assert report(anybody, task.pk, secret, result(task.pk)) == first
    assert Entry.objects.filter(action="task.reported").count() == 1


def test_a_later_report_does_not_take_back_what_was_said(anybody: Client, task: Task, parcels: System) -> None:
    secret = inbound_secret(parcels)
    report(anybody, task.pk, secret, result(task.pk))
    status, answer = report(anybody, task.pk, secret, result(task.pk, outcome="failed"))
    assert (status, answer["outcome"]) == (200, "done")


def test_an_unsigned_result_is_refused(anybody: Client, task: Task) -> None:
    answer = anybody.post(f"/api/v1/tasks/{task.pk}/result/", result(task.pk), content_type="application/json")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"]
    assert answer.json()["type"] == "/problems/unverified-webhook"
    _nothing_was_recorded(task)


def test_another_systems_signature_does_not_report_for_this_one(anybody: Client, task: Task, adserve: System) -> None:
    status, problem = report(anybody, task.pk, inbound_secret(adserve), result(task.pk))
    assert (status, problem["type"]) == (401, "/problems/unverified-webhook")
    _nothing_was_recorded(task)


def test_a_signature_over_another_body_is_refused(anybody: Client, task: Task, parcels: System) -> None:
    headers = signed(inbound_secret(parcels), json.dumps(result(task.pk)).encode())
    answer = anybody.post(
        f"/api/v1/tasks/{task.pk}/result/",
        result(task.pk, outcome="failed"),
        content_type="application/json",
        headers=headers,
    )
    assert answer.status_code == 401
    _nothing_was_recorded(task)


def test_a_task_that_does_not_exist_is_not_found(anybody: Client, task: Task, parcels: System) -> None:
    status, problem = report(anybody, uuid4(), inbound_secret(parcels), result(task.pk))
    assert (status, problem["type"]) == (404, "/problems/unknown-task")


def test_our_own_part_of_a_request_takes_no_report(anybody: Client, task: Task, parcels: System) -> None:
    own = task.request.tasks.get(system_id=None)
    assert report(anybody, own.pk, inbound_secret(parcels), result(own.pk))[0] == 404


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b"\xff", "body"),
        (b'{"type": "task.party"}', "type"),
        (b'{"type": "task.erase", "task": "x"}', "task"),
        ({"outcome": "vanished"}, "outcome"),
        ({"counts": {"orders": -1}}, "counts"),
        ({"outcome": "kept"}, "reason"),
        ({"task": str(uuid4())}, "task"),
    ],
)
def test_a_result_that_cannot_be_read_names_the_field(
    anybody: Client, task: Task, parcels: System, content: dict[str, object] | bytes, field: str
) -> None:
    if isinstance(content, dict):
        content = result(task.pk) | content
    secret = inbound_secret(parcels)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = anybody.post(
        f"/api/v1/tasks/{task.pk}/result/",
        body,
        content_type="application/json",
        headers=_signed_bytes(secret, body),
    )
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["type"] == "/problems/unreadable-result"
    assert [error["field"] for error in problem["errors"]] == [field]
    _nothing_was_recorded(task)


def test_a_result_that_is_too_large_is_refused_before_it_is_read(anybody: Client, task: Task) -> None:
    answer = anybody.post(f"/api/v1/tasks/{task.pk}/result/", b" " * 3_000_000, content_type="application/json")
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"


def _signed_bytes(secret: str, body: bytes) -> dict[str, str]:
    try:
        return signed(secret, body)
    except UnicodeDecodeError:  # the official package signs text only; the signature is over bytes
        return sign(message_id="msg_report_1", timestamp=int(machine_now().timestamp()), body=body, secrets=[secret])


def _nothing_was_recorded(task: Task) -> None:
    assert Task.objects.get(pk=task.pk).state == TaskState.ASKED


def test_reports_that_nobody_has_signed_are_not_taken_without_end(
    anybody: Client, task: Task, parcels: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Limit(name="bad_signature", most=3, window=timedelta(minutes=10))
    monkeypatch.setattr("dsar.api.task_results.BAD_SIGNATURES", few)
    unsigned = [report(anybody, task.pk, f"whsec_{'A' * 32}", result(task.pk))[0] for _ in range(4)]
    assert unsigned == [401, 401, 401, 429]
    elsewhere = Client(headers={"host": "localhost"}, REMOTE_ADDR="203.0.113.9")
    assert report(elsewhere, task.pk, inbound_secret(parcels), result(task.pk))[0] == 200


def test_a_system_may_report_as_much_as_it_was_asked(
    anybody: Client, task: Task, parcels: System, settings: Settings
) -> None:
    settings.API_CALLS_PER_MINUTE = 1
    assert {report(anybody, task.pk, inbound_secret(parcels), result(task.pk))[0] for _ in range(4)} == {200}
