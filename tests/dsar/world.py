"""What the tests of requests do as a linked system, and what they look at."""

import json
from collections.abc import Mapping
from uuid import UUID, uuid4

from django.apps import apps

from dsar.models import SubjectRequest, Task
from dsar.rules import ASKS, TASK_RECHECK
from dsar.services import answer_due, fulfil_due, record_result
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.models import System
from tests.delivery.world import secrets_of
from tests.factories import make_request


class Killed(BaseException):
    """The process ends here; nothing catches it."""


def reading(subject_id: UUID | None = None) -> Reading:
    return Reading(actor=Actor.service("test"), purpose="test", subject_id=subject_id, reason="test")


def task_of(request: SubjectRequest, code: str) -> Task:
    return Task.objects.select_related("request").get(request=request, system_code=code)


def own_task(request: SubjectRequest) -> Task:
    return Task.objects.select_related("request").get(request=request, system_id=None)


def again(request: SubjectRequest) -> SubjectRequest:
    return SubjectRequest.objects.get(id=request.id)


def result_of(task: Task, outcome: str = "done", *, recheck: bool = False, **more: object) -> bytes:
    """What a system reports about a task."""
    kind = TASK_RECHECK if recheck else ASKS[RequestKind(task.request.kind)]
    return json.dumps({"type": kind, "task": str(task.id), "outcome": outcome, **more}).encode()


def signed(
    body: bytes, *, secret: str = "", private_key: str = "", seconds_ago: int = 0, message_id: str = ""
) -> Mapping[str, str]:
    """The headers of a system's report."""
    return webhooks.sign(
        message_id=message_id or f"report_{uuid4().hex}",
        timestamp=int(clock.machine_now().timestamp()) - seconds_ago,
        body=body,
        secrets=[secret] if secret else [],
        ed25519=webhooks.read_private_key(private_key).sign if private_key else None,
    )


def report(task: Task, outcome: str = "done", *, recheck: bool = False, **more: object) -> Task:
    """The task's system reports, signed with the secret that it shares with us."""
    body = result_of(task, outcome, recheck=recheck, **more)
    secret = secrets_of(System.objects.get(code=task.system_code, controller=task.request.controller))[1]
    return record_result(task_id=task.id, headers=signed(body, secret=secret), body=body)


def report_all(request: SubjectRequest, outcome: str = "done", *, recheck: bool = False) -> None:
    for task in Task.objects.filter(request=request).exclude(system_id=None).select_related("request"):
        report(task, outcome, recheck=recheck)


def answered(controller: Controller, subject_id: UUID, kind: RequestKind) -> SubjectRequest:
    """A request that every system said it did, up to the answer and its certificate."""
    request = make_request(controller, subject_id, kind)
    fulfil_due()
    report_all(request)
    answer_due()
    return again(request)


def actions(request: SubjectRequest) -> list[str]:
    """What the audit log says about a request and its tasks, in order."""
    targets = [str(request.id), *(str(task_id) for task_id in request.tasks.values_list("id", flat=True))]
    return list(Entry.objects.filter(target_id__in=targets).order_by("id").values_list("action", flat=True))


def everything_in_clear() -> str:
    """Every value of every row of both databases that stands there unsealed."""
    told = []
    for model in apps.get_models():
        for row in model._default_manager.values_list():
            told += [_as_told(value) for value in row]
    return "\n".join(told)


def _as_told(value: object) -> str:
    value = value.sealed if isinstance(value, Sealed) else value
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def sealed_values(subject_id: UUID) -> list[tuple[str, UUID, UUID, bytes]]:
    """Place, row, key and bytes of each identifier and attribute of a person."""
    found = []
    for label in ("profiles.Identifier", "profiles.Attribute"):
        model = apps.get_model(label)
        for row in model._default_manager.filter(profile_id=subject_id):
            value = model._meta.get_field("value").value_from_object(row)
            assert isinstance(value, Sealed)
            found.append((model._meta.get_field("value").place, row.id, row.data_key_id, value.sealed))
    return found
