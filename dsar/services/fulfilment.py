"""An accepted request is carried out: our own copy first, then every linked system is asked.

The order of an erasure: restrict the profile; keep under the request's own key how each system finds the person and
what is still to be sent; erase our own rows; commit; destroy the keys of the person and of their requests that ended
before; wait for whoever had begun to write; check that nothing is left; only then say "erased here". Killed anywhere,
`fulfil_due` takes it up where it stopped.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from dsar.errors import NotErased, NotNow
from dsar.models import SubjectRequest, Task
from dsar.querysets import SubjectRequestQuerySet
from dsar.rules import ASKS, MessageType, ready_to_ask
from dsar.services.entries import enter_request
from dsar.services.forgetting import forget_request
from dsar.services.sweeping import each
from dsar.terms import Check, EvidenceKind, Outcome, RequestKind, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.crypto.destruction import destroy_subject_keys, living_subject_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.rotation.writers import wait_for_writers
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import Link, System
from identity_privacy.delivery.services import enqueue, reseal_pending, wake
from identity_privacy.delivery.terms import Priority
from identity_privacy.subject_data import stores
from profiles.services import restrict_profile

ANSWER = "dsar.answer"
# How long one erasure waits for others' transactions before it is left to the next sweep.
PATIENCE_SECONDS: Final = 5.0
SERVICE = Actor.service("fulfilment")


def fulfil_due() -> int:
    """Carry out every accepted request whose own copy is still to be dealt with; says how many."""
    due = SubjectRequest.objects.filter(
        state=RequestState.FULFILLING, tasks__system_id=None, tasks__state__in=[TaskState.PLANNED, TaskState.ASKED]
    )
    ids = list(due.order_by("due_on", "received_at").values_list("id", flat=True))
    return each(ids, lambda request_id: carry_out(request_id=request_id))


def carry_out(*, request_id: UUID) -> None:
    """Deal with our own copy and ask the linked systems; safe to repeat.

    Call it outside a transaction. Raises: NotErased, when something is left after an erasure; NotNow, when it was not
    accepted or was withdrawn; NotForgotten and WritersStillRun, while others hold it up.
    """
    request = SubjectRequest.objects.get(id=request_id)
    if request.kind == RequestKind.ACCESS:
        _collect(request_id)
        return
    # The copy that the same person asked for comes first, or nothing would be left to put into it.
    asked = SubjectRequest.objects.by(request.subject_id).filter(kind=RequestKind.ACCESS, state=RequestState.FULFILLING)
    for copy_id in asked.values_list("id", flat=True):
        _collect(copy_id)
    _erase(request_id)
    for ended_id in _ended_before(request).filter(forgotten_at=None).values_list("id", flat=True):
        forget_request(request_id=ended_id)
    destruction = destroy_subject_keys(request.subject_id)
    # What was sealed under the person's key before it was destroyed is in a transaction that is open now, or committed:
    # after this the check sees it, and nothing can come in under that key any more.
    wait_for_writers(PATIENCE_SECONDS)
    _confirm_erasure(request_id, backups_end_on=destruction.backups_end_on.isoformat())


def message_body(
    request: SubjectRequest, task: Task, kind: MessageType, locator: Mapping[str, object]
) -> dict[str, object]:
    """What a linked system is sent; docs/reference/webhooks.md shows it."""
    return {
        "type": kind,
        "task": str(task.id),
        "reference": request.reference,
        "subject": locator["subject"],
        "accounts": locator["accounts"],
        "categories": locator["categories"],
        "due_on": request.due_on.isoformat(),
        "result_url": result_url(task.id),
    }


def result_url(task_id: UUID) -> str:
    """Where a linked system reports what it did."""
    return f"{settings.PUBLIC_URL}/api/v1/tasks/{task_id}/result/"


def ask_ready(request: SubjectRequest) -> None:
    """Ask every system whose turn it is; called in the transaction of what made it their turn."""
    tasks = list(Task.objects.select_for_update().filter(request=request).order_by("position"))
    states = {task.system_code: TaskState(task.state) for task in tasks}
    ready = [task for task in tasks if task.state == TaskState.PLANNED and not task.is_own()]
    ready = [task for task in ready if ready_to_ask(task.after, states)]
    if not ready:
        return
    with reading_of(request, "ask linked systems"):
        for task in ready:
            send(request, task, ASKS[RequestKind(request.kind)])
    for task in ready:
        task.state, task.asked_at = TaskState.ASKED, clock.now()
        task.save(update_fields=["state", "asked_at"])


def send(request: SubjectRequest, task: Task, kind: MessageType) -> None:
    """Write one message to a task's system, under the request's key; inside a Reading, as part of the caller's verb."""
    enqueue(
        controller_id=request.controller_id,
        system=System.objects.get(controller_id=request.controller_id, code=task.system_code),
        topic=kind,
        body=message_body(request, task, kind, task.locator),
        data_key_id=request.data_key_id,
        about_id=task.id,
        subject_id=request.subject_id,
        priority=Priority.LEGAL,
    )


def reading_of(request: SubjectRequest, reason: str) -> Reading:
    """A Reading of this one person for this one request."""
    return Reading(
        actor=SERVICE,
        purpose="subject request",
        subject_id=request.subject_id,
        controller_id=request.controller_id,
        reason=f"{reason} ({request.reference})",
    )


def what_is_left(subject_id: UUID) -> Mapping[str, int]:
    """Our own read: rows in our stores and living keys of the person's values; empty when all is gone.

    The keys of the person's other requests count too: an answered copy holds everything. Not counted are the erasure's
    own, by which the person is told the end, and those of requests that were still open (received or fulfilling) when
    the erasure was accepted: such a copy was asked for to be taken along, and ends later (`forget_due`).
    """
    rows = {f"{store.name}.{kind}": count for store in stores() for kind, count in store.remaining(subject_id).items()}
    keys = living_subject_keys(subject_id)
    erasures = SubjectRequest.objects.by(subject_id).filter(kind=RequestKind.ERASURE).exclude(accepted_at=None)
    ended = [ended_id for erasure in erasures for ended_id in _ended_before(erasure).values_list("id", flat=True)]
    request_keys = DataKey.objects.filter(owner_id__in=ended, kind=KeyKind.REQUEST).count()
    return {kind: count for kind, count in {**rows, "keys": keys, "request_keys": request_keys}.items() if count}


def erase_rows(subject_id: UUID) -> Mapping[str, int]:
    """Erase the person's rows in every store of ours, as part of the caller's verb; says how many went, by kind."""
    return {f"{store.name}.{kind}": count for store in stores() for kind, count in store.erase(subject_id).items()}


def _ended_before(erasure: SubjectRequest) -> SubjectRequestQuerySet:
    """The person's other requests that had ended when this one was accepted."""
    others = SubjectRequest.objects.by(erasure.subject_id).exclude(id=erasure.id)
    return others.ended_by(erasure.accepted_at) if erasure.accepted_at else others.none()


def _in_work(request_id: UUID) -> tuple[SubjectRequest, Task]:
    """The request and our own task, locked in the order in which reports lock them, so that neither waits for ever."""
    request = SubjectRequest.objects.select_for_update().get(id=request_id)
    own = request.tasks.select_for_update().filter(system_id=None).first()
    if own is None or (request.state != RequestState.FULFILLING and own.state != TaskState.REPORTED):
        raise NotNow(f"{request.reference} is {request.state}")
    return request, own


@transaction.atomic
def _collect(request_id: UUID) -> None:
    request, own = _in_work(request_id)
    if own.state == TaskState.REPORTED:
        return
    with reading_of(request, "collect our own copy"):
        own.answer = [asdict(section) for store in stores() for section in store.collect(request.subject_id)]
        _note_locators(request)
    own.counts = {section["title"]: len(section["rows"]) for section in own.answer}
    own.outcome = Outcome.DONE if any(own.counts.values()) else Outcome.NOTHING_FOUND
    own.evidence_kind = EvidenceKind.ROW_COUNTS
    own.state, own.asked_at, own.reported_at = TaskState.REPORTED, clock.now(), clock.now()
    own.save()
    ask_ready(request)
    enter_request(SERVICE, "request.collected", request, rows=sum(own.counts.values()))
    wake(ANSWER)


@transaction.atomic(durable=True)
def _erase(request_id: UUID) -> None:
    request, own = _in_work(request_id)
    if own.state != TaskState.PLANNED:
        return
    restrict_profile(actor=SERVICE, subject_id=request.subject_id, reason=request.reference)
    with reading_of(request, "note how each system finds the person"):
        _note_locators(request)
        # What the person said before this, a withdrawal for example, still reaches whom it is for.
        reseal_pending(subject_id=request.subject_id, data_key_id=request.data_key_id)
    own.counts = dict(erase_rows(request.subject_id))
    own.state, own.asked_at = TaskState.ASKED, clock.now()
    own.save(update_fields=["counts", "state", "asked_at"])
    ask_ready(request)
    enter_request(SERVICE, "subject.rows_erased", request, rows=sum(own.counts.values()))


@transaction.atomic(durable=True)
def _confirm_erasure(request_id: UUID, *, backups_end_on: str) -> None:
    request, own = _in_work(request_id)
    if own.state == TaskState.REPORTED:
        return
    if what_is_left(request.subject_id):
        # Whoever began to write before the erasure takes no lock on the person, and may have come in since. A message
        # among it can no longer be sent: it was sealed under a key that is destroyed.
        late = erase_rows(request.subject_id)
        own.counts = {kind: own.counts.get(kind, 0) + count for kind, count in late.items()}
    if left := what_is_left(request.subject_id):
        raise NotErased(", ".join(f"{kind}: {count}" for kind, count in left.items()))
    now = clock.now()
    own.state, own.reported_at, own.checked_at = TaskState.REPORTED, now, now
    own.outcome = Outcome.DONE if any(own.counts.values()) else Outcome.NOTHING_FOUND
    own.evidence_kind, own.check_result = EvidenceKind.ROW_COUNTS, Check.CHECKED
    own.recheck_evidence_kind, own.recheck_evidence = EvidenceKind.OWN_READ, {"left": 0, "at": now.isoformat()}
    own.save()
    SubjectRequest.objects.filter(id=request.id).update(keys_backup_ends_on=backups_end_on)
    ask_ready(request)
    rows = sum(own.counts.values())
    enter_request(SERVICE, "subject.erased", request, rows=rows, backups_end_on=backups_end_on)
    wake(ANSWER)


def _note_locators(request: SubjectRequest) -> None:
    """Keep how each system finds the person under the request's key, which outlives the person's own."""
    links = {link.system.code: link for link in Link.objects.of_subject(request.subject_id)}
    systems = {system.code: system for system in System.objects.filter(controller=request.controller)}
    for task in request.tasks.exclude(system_id=None):
        link = links.get(task.system_code)
        task.locator = {
            "subject": str(link.pairwise_id) if link else None,
            "accounts": [link.account_id] if link else [],
            "categories": systems[task.system_code].categories,
        }
        task.save(update_fields=["locator"])
