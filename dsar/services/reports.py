"""What linked systems answer, at once or later, and how it moves a task up its ladder."""

import hashlib
from collections.abc import Mapping
from uuid import UUID

from django.db import transaction

from dsar.errors import NotNow, UnknownTask, UnreadableResult
from dsar.models import SubjectRequest, Task
from dsar.rules import ASKS, TASK_ERASE, TASK_RECHECK, Result, asked_about, parse_result
from dsar.services.fulfilment import ANSWER, ask_ready, reading_of, send
from dsar.services.rechecking import CLAIMS, finish_recheck
from dsar.terms import Check, EvidenceKind, RequestKind, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery.errors import UnverifiedWebhook
from identity_privacy.delivery.inbound import verify_report
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.results import Answer
from identity_privacy.delivery.services import wake
from identity_privacy.delivery.terms import SignatureKind
from identity_privacy.errors import PartnerFailure

TOPICS = frozenset({*ASKS.values(), TASK_RECHECK})
SIGNED_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
ACCEPTED = 202


class TaskMessages:
    """Hears how messages about tasks ended, in the transaction in which delivery notes it (`ResultHandler`)."""

    def message_answered(self, message: Message, answer: Answer) -> None:
        """Take in a system's answer. Raises: PartnerFailure, when it cannot be read; it is then asked again."""
        if message.topic not in TOPICS:
            return
        if message.about_id is None or message.system_id is None:
            raise PartnerFailure("a task's message names its task and system", permanent=True)
        if answer.status == ACCEPTED:
            _accept(_task(message.about_id, message.system_id))
            return
        try:
            result = parse_result(answer.body)
        except UnreadableResult as error:
            raise PartnerFailure(f"its answer cannot be read: {error.field}: {error}") from error
        if result.type != message.topic or result.task != message.about_id:
            raise PartnerFailure("its answer is about another message")
        evidence = _evidence(answer.headers, answer.body, answer.status)
        _take_in(_task(message.about_id, message.system_id), result, evidence, answer.signature_kind)

    def message_dead(self, message: Message) -> None:
        """Note that a task is stuck; it stays asked, and the console shows cause and message."""
        if message.topic in TOPICS and message.about_id is not None:
            task = Task.objects.select_related("request").get(id=message.about_id)
            _enter(Actor.service("delivery"), "task.stuck", task, message=str(message.id))


def record_result(*, task_id: UUID, headers: Mapping[str, str], body: bytes) -> Task:
    """Take in what a linked system posts about a task; the same report twice changes nothing.

    Raises: UnknownTask; UnverifiedWebhook; UnreadableResult; NotNow, when the system was not asked yet. Nothing is told
    before the signature is verified.
    """
    task = Task.objects.filter(id=task_id).exclude(system_id=None).select_related("request").first()
    if task is None:
        raise UnknownTask(str(task_id))
    system = System.objects.get(controller_id=task.request.controller_id, code=task.system_code)
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        verified = verify_report(system=system, headers=lowered, body=body)
    except UnverifiedWebhook:
        _enter(Actor.stranger(), "task.report_refused", task)
        raise
    try:
        result = parse_result(body)
        with transaction.atomic():
            return _take_in(_task(task.id, system.id), result, _evidence(lowered, body, None), verified.kind)
    except (UnreadableResult, NotNow) as refusal:
        # Outside the transaction that was rolled back.
        _enter(_system(task), "task.report_refused", task, error=refusal.code)
        raise


@transaction.atomic
def ask_again(*, actor: Actor, task: Task) -> Task:
    """Ask a system once more that was asked and has not reported. Raises: NotNow."""
    task = _task(task.id, task.system_id)
    is_waiting = task.state in {TaskState.ASKED, TaskState.ACCEPTED}
    if task.is_own() or not is_waiting or task.request.state != RequestState.FULFILLING:
        raise NotNow(f"task {task.id} is {task.state}, its request {task.request.state}")
    with reading_of(task.request, "ask a system again"):
        send(task.request, task, ASKS[RequestKind(task.request.kind)])
    _enter(actor, "task.asked_again", task)
    return task


def _task(task_id: UUID, system_id: UUID | None) -> Task:
    """The task, locked behind its request, so that reports about one request come one after the other."""
    request_id = Task.objects.values_list("request_id", flat=True).get(id=task_id)
    SubjectRequest.objects.select_for_update().get(id=request_id)
    task = Task.objects.select_for_update(of=("self",)).select_related("request").get(id=task_id)
    if task.system_id != system_id:
        raise UnknownTask(str(task_id))
    return task


def _accept(task: Task) -> None:
    if task.state != TaskState.ASKED:
        return  # it reported before its acceptance reached us, or accepts a re-check
    task.state, task.accepted_at = TaskState.ACCEPTED, clock.now()
    task.save(update_fields=["state", "accepted_at"])
    _enter(_system(task), "task.accepted", task)


def _take_in(task: Task, result: Result, evidence: Mapping[str, object], signed: SignatureKind) -> Task:
    kind = EvidenceKind.PARTNER_ED25519 if signed is SignatureKind.ED25519 else EvidenceKind.RECORDED_RESPONSE
    if result.task != task.id:
        raise UnreadableResult("repeat the task's id", field="task")
    if result.type not in asked_about(RequestKind(task.request.kind)):
        raise UnreadableResult("repeat the type of the message that you answer", field="type")
    if task.state == TaskState.PLANNED:
        raise NotNow(f"task {task.id} was not asked yet")
    if result.type == TASK_RECHECK:
        return _take_in_recheck(task, result, evidence, kind)
    if task.state == TaskState.REPORTED or task.request.state != RequestState.FULFILLING:
        _enter(_system(task), "task.reported_again", task, outcome=str(result.outcome), evidence=str(kind))
        return task
    task.state, task.reported_at = TaskState.REPORTED, clock.now()
    task.outcome, task.reason, task.counts = result.outcome, result.reason or None, dict(result.counts)
    task.evidence_kind, task.evidence, task.answer = kind, dict(evidence), result.data
    task.save()
    # A plain hash of the answer could be searched for what it says: a day of birth, a reason.
    said = {"answer": str(evidence["body"])}
    _enter(_system(task), "task.reported", task, commitments=said, outcome=str(result.outcome), evidence=str(kind))
    ask_ready(task.request)
    wake(ANSWER)
    return task


def _take_in_recheck(task: Task, result: Result, evidence: Mapping[str, object], kind: EvidenceKind) -> Task:
    was_asked = task.request.state == RequestState.RECHECKING and task.outcome in CLAIMS
    if not was_asked or task.check_result:
        _enter(_system(task), "task.reported_again", task, outcome=str(result.outcome), evidence=str(kind))
        return task
    came_back = bool(result.counts.get("found")) or result.outcome not in CLAIMS
    task.check_result = Check.CAME_BACK if came_back else Check.CONFIRMED_AGAIN
    task.recheck_evidence, task.recheck_evidence_kind, task.checked_at = dict(evidence), kind, clock.now()
    task.save()
    _enter(_system(task), "task.rechecked", task, check=str(task.check_result), evidence=str(kind))
    if came_back:
        with reading_of(task.request, "ask to erase what came back"):
            send(task.request, task, TASK_ERASE)
    finish_recheck(task.request)
    return task


def _evidence(headers: Mapping[str, str], body: bytes, status: int | None) -> dict[str, object]:
    """The answer as it came, so that anybody can verify its signature who has the system's public key."""
    return {
        "status": status,
        "headers": {name: headers[name] for name in SIGNED_HEADERS if name in headers},
        "body": body.decode(errors="replace"),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def _system(task: Task) -> Actor:
    return Actor.system(task.system_id) if task.system_id else Actor.service("fulfilment")


def _enter(
    actor: Actor, action: str, task: Task, *, commitments: Mapping[str, str] | None = None, **details: str
) -> None:
    record(
        actor=actor,
        action=action,
        target=("task", task.id),
        controller_id=task.request.controller_id,
        subject_id=task.request.subject_id,
        details={"request": str(task.request_id), "system": task.system_code, **details},
        commitments=commitments,
    )
