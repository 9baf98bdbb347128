"""Some time after an erasure we look again: ourselves in our own stores, and by asking every system once more."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from dsar.models import SubjectRequest, Task
from dsar.rules import TASK_RECHECK, step
from dsar.services.entries import enter_request
from dsar.services.fulfilment import ANSWER, SERVICE, erase_rows, reading_of, send, what_is_left
from dsar.services.sweeping import each
from dsar.terms import Check, EvidenceKind, Outcome, RequestKind, RequestState
from identity_privacy import clock
from identity_privacy.delivery.services import wake

# What a system may be asked to say again.
CLAIMS = (Outcome.DONE, Outcome.NOTHING_FOUND)


def recheck_due() -> int:
    """Begin the re-check of every answered erasure whose day has come; says how many."""
    # The day may have come already in a zone ahead of ours; each controller's own day decides.
    tomorrow = (clock.now() + timedelta(days=1)).date()
    near = SubjectRequest.objects.filter(state=RequestState.ANSWERED, recheck_on__lte=tomorrow)
    ids = [
        request.id
        for request in near.select_related("controller")
        if request.recheck_on and request.recheck_on <= clock.today(request.controller.zone)
    ]
    return each(ids, lambda request_id: start_recheck(request_id=request_id))


@transaction.atomic
def start_recheck(*, request_id: UUID) -> SubjectRequest:
    """Read our own stores again and ask every system that said it erased. Raises: NotNow."""
    request = SubjectRequest.objects.select_for_update().get(id=request_id)
    request.state = step(RequestKind(request.kind), RequestState(request.state), RequestState.RECHECKING)
    request.save(update_fields=["state"])
    own = request.tasks.get(system_id=None)
    left = what_is_left(request.subject_id)
    if left:
        erase_rows(request.subject_id)
    own.check_result = Check.CAME_BACK if left else Check.CHECKED
    own.recheck_evidence, own.checked_at = {"left": sum(left.values())}, clock.now()
    own.recheck_evidence_kind = EvidenceKind.OWN_READ
    own.save()
    with reading_of(request, "ask linked systems once more"):
        asked = [task for task in _claims(request) if not task.is_own()]
        for task in asked:
            send(request, task, TASK_RECHECK)
    enter_request(
        SERVICE,
        "request.recheck_started",
        request,
        asked=[task.system_code for task in asked],
        left_here=sum(left.values()),
    )
    finish_recheck(request)
    return request


def finish_recheck(request: SubjectRequest) -> None:
    """Close the request once every claim was looked at again; part of the verb that took in the last answer."""
    if any(not task.check_result for task in _claims(request)):
        return
    request.state = step(RequestKind(request.kind), RequestState(request.state), RequestState.CLOSED)
    request.closed_at = clock.now()
    request.save(update_fields=["state", "closed_at"])
    enter_request(
        SERVICE,
        "request.closed",
        request,
        checks=[f"{task.system_code}: {task.check_result}" for task in _claims(request)],
    )
    wake(ANSWER)


def _claims(request: SubjectRequest) -> list[Task]:
    claims = Task.objects.filter(request=request, outcome__in=CLAIMS)
    return list(claims.order_by("position"))
